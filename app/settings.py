"""Settings: the only reader of the variables `VITRINE_*`.

They are read once (`app.cli`, `app.deployments.build`) and passed on as plain values.
tests/contract/test_settings.py compares this list with docs/settings.md, `.env.example` and
`--help`.
"""

from typing import Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.auth.keys import Key, format_keys, parse_keys
from app.fetching.host_rules import PATTERN, HostRules, check_denied, make_rules


class Settings(BaseSettings):
    """One field per setting; the variable is `VITRINE_` and the field's name."""

    model_config = SettingsConfigDict(
        env_prefix="VITRINE_",
        env_file=".env",
        env_ignore_empty=True,
        dotenv_filtering="match_prefix",  # a .env may hold other programs' variables
        frozen=True,
        extra="forbid",
        protected_namespaces=(),
        hide_input_in_errors=True,  # it may be a key
    )

    model: str = Field(
        default="bundled",
        description="Checkpoint: 'bundled', a folder, a Ray Train run folder or a Hub id.",
    )
    revision: str | None = Field(
        default=None, description="Branch, tag or commit of a Hub checkpoint."
    )
    processor: str | None = Field(
        default=None,
        description="Folder or Hub id of the image processor, where the checkpoint has none.",
    )
    cache: str | None = Field(
        default=None,
        description="Folder that keeps converted models, or 'off'; default: ~/.cache/vitrine.",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="Where the model runs; auto takes a GPU where there is one."
    )
    engine: Literal["auto", "torch", "compile", "openvino"] = Field(
        default="auto",
        description="What runs the model; auto: OpenVINO where it is installed, else torch.",
    )
    precision: Literal["auto", "fp32", "bf16", "fp16", "int8"] = Field(
        default="auto",
        description="Number format; auto: fp32 on a CPU, half on a GPU; int8 only if set.",
    )
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8000, ge=1, le=65535, description="Port to listen on.")
    grpc_port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="Port to serve gRPC on; default: none, no gRPC.",
    )
    api_keys: SecretStr | None = Field(
        default=None,
        description=(
            "Keys that clients must send: name:key or name:sha256:HASH, several with commas; "
            "default: none, open to everybody."
        ),
    )
    cors_origins: str | None = Field(
        default=None,
        pattern=r"^(\*|https?://[^\s,/]+(,https?://[^\s,/]+)*)$",
        description=(
            "Origins whose pages may call from a browser, such as https://app.example, several "
            "with commas, or *; default: none."
        ),
    )
    allow_urls: str | None = Field(
        default=None,
        pattern=PATTERN,
        description=(
            "Hosts whose images are fetched by URL, such as cdn.example or *.cdn.example, several "
            "with commas, or *; default: none."
        ),
    )
    deny_urls: str | None = Field(
        default=None,
        description=(
            "Hosts among them that are refused, several with commas; also addresses and networks, "
            "such as 203.0.113.0/24 or 2001:db8::/32, for every name that resolves to one."
        ),
    )
    proxy: Literal["auto", "haproxy", "python"] = Field(
        default="auto",
        description="Proxy in front of the ingress: HAProxy (Linux) or Serve's Python proxy.",
    )
    ingress_replicas: int = Field(default=1, ge=1, description="Replicas that read images.")
    classifier_replicas: int = Field(default=1, ge=1, description="Replicas that run the model.")
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
    log_format: Literal["auto", "text", "json"] = Field(
        default="auto", description="Format of log lines; auto: text on a terminal, else json."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least important log line to write."
    )

    @field_validator("grpc_port")
    @classmethod
    def _check_grpc_port(cls, grpc_port: int | None, info: ValidationInfo) -> int | None:
        """Refuse HTTP's own port."""
        if grpc_port is not None and grpc_port == info.data.get("port"):
            raise ValueError("is VITRINE_PORT, which HTTP has; choose another")
        return grpc_port

    @field_validator("max_bytes")
    @classmethod
    def _check_max_bytes(cls, max_bytes: int, info: ValidationInfo) -> int:
        """Refuse a bound that one upload of the maximum size, with its form, would exceed."""
        queue_bytes = info.data.get("max_queue_bytes")
        if queue_bytes is not None and queue_bytes < 1.5 * max_bytes + (1 << 20):
            message = f"VITRINE_MAX_QUEUE_BYTES={queue_bytes} must be 1.5 times it, and 1 MiB"
            raise ValueError(message)
        return max_bytes

    @field_validator("deny_urls")
    @classmethod
    def _check_deny_urls(cls, deny_urls: str | None) -> str | None:
        """Refuse a list with an entry that would deny nothing."""
        if deny_urls is not None:
            check_denied(deny_urls)
        return deny_urls

    @field_validator("buckets")
    @classmethod
    def _check_buckets(cls, buckets: str | None, info: ValidationInfo) -> str | None:
        """Refuse a bucket that is larger than any batch."""
        batch_size = info.data.get("batch_size", 0)
        if buckets and batch_size and max(map(int, buckets.split(","))) > batch_size:
            raise ValueError(f"a bucket is larger than VITRINE_BATCH_SIZE={batch_size}")
        return buckets

    @field_validator("api_keys")
    @classmethod
    def _check_api_keys(cls, api_keys: SecretStr | None) -> SecretStr | None:
        """Refuse malformed keys without quoting them; keep only hashes."""
        if api_keys is None:
            return None
        return SecretStr(format_keys(parse_keys(api_keys.get_secret_value())))

    def list_keys(self) -> tuple[Key, ...]:
        """List the API keys."""
        return parse_keys(self.api_keys.get_secret_value()) if self.api_keys else ()

    def list_cors_origins(self) -> tuple[str, ...]:
        """List the origins whose pages may call."""
        return tuple(self.cors_origins.split(",")) if self.cors_origins else ()

    def make_host_rules(self) -> HostRules | None:
        """Make the rules for URLs; None if no URL is fetched."""
        return make_rules(self.allow_urls, self.deny_urls)
