"""`vitrine load`: an open-loop load test of a running service, by which a user sizes it."""
