"""The bundled checkpoint: scikit-learn's digits as PNG files, and `vitrine tune` on them."""
