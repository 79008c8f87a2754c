"""Which methods of explanation fit a checkpoint, by its architecture. It imports no torch.

    attention  gradient-weighted attention, over the blocks of a ViT
    stages     HiResCAM, over the last stage of a convolutional network
    others     occlusion, if asked for by its name
    int8       occlusion: there are no fp32 weights beside OpenVINO's file

Every architecture of the tables runs in tests/classifier/explanation with random weights.
"""

from dataclasses import dataclass

from app.classifier.checkpoint.files import Checkpoint

GRADIENT_ATTENTION, HIRESCAM, OCCLUSION = "gradient_attention", "hirescam", "occlusion"

BLOCKS = {
    "beit": "beit.layers",
    "clip": "vision_model.encoder.layers",
    "deit": "deit.layers",
    "dinov2": "dinov2.encoder.layer",
    "dinov2_with_registers": "dinov2_with_registers.encoder.layer",
    "ijepa": "ijepa.layers",
    "metaclip_2": "vision_model.encoder.layers",
    "siglip": "vision_model.encoder.layers",
    "vit": "vit.layers",
    "vit_msn": "vit.layers",
}
"""Where transformers keeps the blocks of a ViT, by model_type."""

STAGES = {
    "convnext": "convnext.encoder.stages",
    "convnextv2": "convnextv2.encoder.stages",
    "regnet": "regnet.encoder.stages",
    "resnet": "resnet.encoder.stages",
}
"""Where it keeps the stages of a convolutional network."""


@dataclass(frozen=True, slots=True)
class Support:
    """What fits a checkpoint.

    Attributes:
        methods: that fit, the default first.
        reason: why none of them is the default; empty where one is.
        layers: name of the module's list of blocks or stages; empty where it is not known.
    """

    methods: tuple[str, ...]
    reason: str = ""
    layers: str = ""


def find_support(checkpoint: Checkpoint) -> Support:
    """Find the methods that fit a checkpoint."""
    model_type = checkpoint.model_type
    if model_type not in {*BLOCKS, *STAGES}:
        message = (
            f"No map is known to be faithful for models of type {model_type}. "
            f"Ask for method={OCCLUSION}, which fits every model and takes some 50 predictions."
        )
        return Support((OCCLUSION,), message)
    if checkpoint.quantized is not None:
        return Support((OCCLUSION,))
    if model_type in STAGES:
        return Support((HIRESCAM, OCCLUSION), layers=STAGES[model_type])
    return Support((GRADIENT_ATTENTION, OCCLUSION), layers=BLOCKS[model_type])
