"""Authentication: API keys, and the authenticator that every API calls."""
