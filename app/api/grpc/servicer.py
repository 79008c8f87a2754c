"""All gRPC methods in one class, for Serve finds a method by its name alone."""

from app.api.grpc.classifier import ClassifierMethods
from app.api.grpc.health import HealthMethods
from app.api.grpc.open_inference import InferenceMethods
from app.api.services import Services

SERVICERS = (
    "schemas.rpc.classifier_pb2_grpc:add_ClassifierServicer_to_server",
    "schemas.rpc.inference_pb2_grpc:add_GRPCInferenceServiceServicer_to_server",
    "grpc_health.v1.health_pb2_grpc:add_HealthServicer_to_server",
)
"""Functions that register the services with a server."""


class GrpcServicer(ClassifierMethods, InferenceMethods, HealthMethods):
    """The gRPC API.

    Args:
        services: what answers calls.
    """

    def __init__(self, services: Services) -> None:
        self.services = services
