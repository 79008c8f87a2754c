"""Settings: the only reader of the variables `VITRINE_*`.

They are read once (`app.cli`, `app.deployments.build`) and passed on as plain values.
tests/contract/test_settings.py compares this list with docs/settings.md, `.env.example` and
`--help`.
"""

from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from app.settings.capacity import CapacitySettings


class Settings(CapacitySettings):
    """One field per setting; the variable is `VITRINE_` and the field's name.

    The fields of the model, of access and of capacity are those of the classes that it is built on.
    """

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

    log_format: Literal["auto", "text", "json"] = Field(
        default="auto", description="Format of log lines; auto: text on a terminal, else json."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least important log line to write."
    )
    slow_s: float = Field(
        default=1.0,
        ge=0,
        description="Seconds from which on a request's log line has its stages; inf: never.",
    )
