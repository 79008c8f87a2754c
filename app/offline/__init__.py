"""Core and model in one process, without Ray: predict, explain, quantize and evaluate."""
