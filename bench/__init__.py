"""The benchmarks: Vitrine beside its peers, same checkpoints, same images, one machine, one run."""
