"""What several benchmarks share: servers and their processes, load generators, images, results."""
