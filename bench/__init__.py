"""Benchmarks: Vitrine beside its peers, studies of its parts, chaos and soak."""
