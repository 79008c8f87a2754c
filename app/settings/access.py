"""Settings of access: where the service listens, who may call it, and what it may fetch."""

from typing import Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from app.auth.keys import Key, format_keys, parse_keys
from app.fetching.host_rules import PATTERN, HostRules, check_denied, make_rules
from app.settings.model import ModelSettings


class AccessSettings(ModelSettings):
    """Who reaches what."""

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
    allow_unauthenticated: bool = Field(
        default=False,
        description="Serve without keys on an address that others reach; else that is refused.",
    )
    metrics: Literal["keyed", "open", "off"] = Field(
        default="keyed",
        description=(
            "Who may read /metrics: keyed, as /predict; open, everybody; off, nobody. They tell "
            "how much is asked for, and which labels are answered."
        ),
    )
    metrics_port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="Port that answers /metrics alone, without a key (HAProxy); default: none.",
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

    @field_validator("grpc_port", "metrics_port")
    @classmethod
    def _check_port(cls, port: int | None, info: ValidationInfo) -> int | None:
        """Refuse the port of another API."""
        others = {"port": "VITRINE_PORT, which HTTP has", "grpc_port": "VITRINE_GRPC_PORT"}
        for name, words in others.items():
            if port is not None and port == info.data.get(name):
                raise ValueError(f"is {words}; choose another")
        return port

    @field_validator("deny_urls")
    @classmethod
    def _check_deny_urls(cls, deny_urls: str | None) -> str | None:
        """Refuse a list with an entry that would deny nothing."""
        if deny_urls is not None:
            check_denied(deny_urls)
        return deny_urls

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
