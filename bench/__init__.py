"""The benchmarks: Vitrine beside LitServe, same checkpoint, same images, same machine, one run."""
