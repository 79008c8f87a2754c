"""All methods of the gRPC door in one class, for Serve finds a method by its name alone."""

from app.api.grpc.classifier import ClassifierMethods
from app.api.grpc.health import HealthMethods
from app.api.grpc.open_inference import InferenceMethods
from app.api.open_inference.service import InferenceService
from app.auth.authenticator import Authenticator
from app.auth.keys import Key
from app.prediction.predictor import Predictor
from app.prediction.probe import Probe

SERVICERS = (
    "schemas.rpc.classifier_pb2_grpc:add_ClassifierServicer_to_server",
    "schemas.rpc.inference_pb2_grpc:add_GRPCInferenceServiceServicer_to_server",
    "grpc_health.v1.health_pb2_grpc:add_HealthServicer_to_server",
)
"""What tells a server of the services."""


class GrpcServicer(ClassifierMethods, InferenceMethods, HealthMethods):
    """The gRPC door.

    Args:
        predictor: the core.
        keys: what opens the door; none for everybody.
    """

    def __init__(self, predictor: Predictor, keys: tuple[Key, ...] = ()) -> None:
        self.predictor = predictor
        self.guard = Authenticator(keys)
        self.probe = Probe(predictor)
        self.inference = InferenceService(predictor, self.probe)
