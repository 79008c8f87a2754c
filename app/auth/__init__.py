"""Who may call: keys, and the authenticator that every API asks. It knows no HTTP library."""
