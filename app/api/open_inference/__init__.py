"""The Open Inference Protocol v2 over the core: what its doors share. It knows no HTTP, no gRPC."""
