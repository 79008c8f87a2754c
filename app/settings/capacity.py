"""Settings of capacity: replicas, batches, and the limits of requests."""

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from app.settings.access import AccessSettings


class CapacitySettings(AccessSettings):
    """How much is served at once."""

    proxy: Literal["auto", "haproxy", "python"] = Field(
        default="auto",
        description="Proxy in front of the ingress: HAProxy (Linux) or Serve's Python proxy.",
    )
    ingress_replicas: int = Field(default=1, ge=1, description="Replicas that read images.")
    classifier_replicas: int = Field(default=1, ge=1, description="Replicas that run the model.")
    min_ingress_replicas: int | None = Field(
        default=None, ge=1, description="Fewest ingress replicas, with a maximum; default: 1."
    )
    max_ingress_replicas: int | None = Field(
        default=None,
        ge=1,
        validate_default=True,
        description="Most ingress replicas; their number follows the load; default: fixed.",
    )
    min_classifier_replicas: int | None = Field(
        default=None,
        ge=0,
        description="Fewest classifier replicas, with a maximum; 0: none when idle; default: 1.",
    )
    max_classifier_replicas: int | None = Field(
        default=None,
        ge=1,
        validate_default=True,
        description="Most classifier replicas; their number follows the load; default: fixed.",
    )
    explainer_replicas: int = Field(
        default=1,
        ge=0,
        description="Most replicas that explain; one starts when asked; 0: no explanations.",
    )
    explainer_gpus: float = Field(
        default=0.0, ge=0, description="GPU share of an explainer replica; 0: it uses the CPU."
    )
    scale_down_s: float = Field(
        default=300.0, gt=0, description="Seconds of less load until there are fewer replicas."
    )
    gpus_per_replica: float = Field(
        default=1.0, gt=0, description="GPU share of a classifier replica, such as 0.5."
    )
    batch_size: int = Field(default=32, ge=1, le=1024, description="Largest batch, in images.")
    buckets: str | None = Field(
        default=None,
        pattern=r"^[1-9]\d{0,3}(,[1-9]\d{0,3})*$",
        description="Batch sizes to capture on a GPU, such as 1,8,32; default: powers of two.",
    )
    max_queue: int | None = Field(
        default=None,
        ge=1,
        description=(
            "Most images in flight in an ingress replica; more are refused as overloaded; "
            "default: what is answered in 1.5 seconds, two to eight batches for each classifier."
        ),
    )
    max_queue_bytes: int | None = Field(
        default=None,
        ge=1,
        description="Most bytes of uploads held by an ingress replica; default: 1 MiB an image.",
    )
    max_bulk: int = Field(default=64, ge=1, le=1024, description="Most images in one bulk request.")
    max_bytes: int = Field(default=20_000_000, ge=1, description="Largest upload, in bytes.")
    max_pixels: int = Field(default=50_000_000, ge=1, description="Largest image, in pixels.")
    decode: Literal["exact", "scaled"] = Field(
        default="exact",
        description="JPEG decoding: exact, or large ones scaled near the model's size, faster.",
    )
    decode_timeout_s: float = Field(
        default=10.0,
        gt=0,
        description="Seconds that an image may take to decode; then it is refused.",
    )
    timeout_s: float = Field(
        default=30.0, gt=0, description="Seconds until a request is answered with 504."
    )

    @property
    def most_ingresses(self) -> int:
        """Most ingress replicas, whether their number follows the load or not."""
        return self.max_ingress_replicas or self.ingress_replicas

    @property
    def most_classifiers(self) -> int:
        """Most classifier replicas, the same."""
        return self.max_classifier_replicas or self.classifier_replicas

    @field_validator("max_ingress_replicas", "max_classifier_replicas")
    @classmethod
    def _check_scaling(cls, most: int | None, info: ValidationInfo) -> int | None:
        """Refuse a minimum without a maximum, or above it."""
        name = str(info.field_name).replace("max", "min")
        least = info.data.get(name)
        if least is not None and (most is None or least > most):
            raise ValueError(f"must be at least VITRINE_{name.upper()}={least}")
        return most

    @field_validator("max_bytes")
    @classmethod
    def _check_max_bytes(cls, max_bytes: int, info: ValidationInfo) -> int:
        """Refuse a bound that one upload of the maximum size, with its form, would exceed."""
        queue_bytes = info.data.get("max_queue_bytes")
        if queue_bytes is not None and queue_bytes < 1.5 * max_bytes + (1 << 20):
            message = f"VITRINE_MAX_QUEUE_BYTES={queue_bytes} must be 1.5 times it, and 1 MiB"
            raise ValueError(message)
        return max_bytes

    @field_validator("buckets")
    @classmethod
    def _check_buckets(cls, buckets: str | None, info: ValidationInfo) -> str | None:
        """Refuse a bucket that is larger than any batch."""
        batch_size = info.data.get("batch_size", 0)
        if buckets and batch_size and max(map(int, buckets.split(","))) > batch_size:
            raise ValueError(f"a bucket is larger than VITRINE_BATCH_SIZE={batch_size}")
        return buckets
