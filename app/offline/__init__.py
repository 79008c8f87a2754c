"""Core and model in one process, without Ray: `vitrine predict` and `vitrine quantize`."""
