"""The HTTP API: FastAPI routes over the core. It knows no Ray and no torch."""
