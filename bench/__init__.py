"""The benchmarks: Vitrine beside LitServe in one run, and batch policies on a simulated GPU."""
