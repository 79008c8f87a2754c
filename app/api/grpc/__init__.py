"""The gRPC API: two services and the health check over the core. It knows no Ray and no HTTP.

Serve calls a method by its name on the ingress, which therefore is a `GrpcServicer`.
"""
