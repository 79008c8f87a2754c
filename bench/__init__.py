"""The benchmarks: Vitrine beside its peers, its engines, its decoder and its batch policy alone."""
