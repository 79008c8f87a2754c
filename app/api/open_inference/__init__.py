"""The Open Inference Protocol v2 over the core, for HTTP and gRPC. It knows neither."""
