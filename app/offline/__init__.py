"""Core and model in one process, without Ray: `vitrine predict`, `explain` and `quantize`."""
