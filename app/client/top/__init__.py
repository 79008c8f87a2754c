"""`vitrine top`: a live table of a running service, from its /metrics."""
