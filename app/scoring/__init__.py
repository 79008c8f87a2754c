"""Ray Data around `app.offline.bulk_scorer`: `vitrine score`."""
