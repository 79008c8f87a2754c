"""inference.GRPCInferenceService: the Open Inference Protocol over gRPC."""

from app.rpc.method import Door

SERVICE = "inference.GRPCInferenceService"


class InferenceDoor(Door):
    """The methods of the service."""
