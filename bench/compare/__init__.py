"""Vitrine beside LitServe and plain FastAPI: ``python -m bench``."""
