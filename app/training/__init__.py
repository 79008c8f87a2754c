"""Ray Train: `vitrine tune`."""
