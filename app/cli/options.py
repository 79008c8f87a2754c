"""Settings on the command line: an option for each, and what is said of a wrong one."""

import argparse
from typing import Any, get_args

from pydantic import SecretStr, ValidationError
from pydantic_settings import CliSettingsSource

from app.auth.keys import is_hashed
from app.errors import SettingsError
from app.settings import Settings


def add_settings(command: argparse.ArgumentParser) -> None:
    """Add an option for every setting; its value is for `read_settings`."""
    CliSettingsSource[Any](
        Settings,
        root_parser=command.add_argument_group("settings"),
        cli_avoid_json=True,
        cli_hide_none_type=True,
        cli_kebab_case=True,
        cli_show_env_vars=True,
    )


def read_settings(options: dict[str, object]) -> Settings:
    """Read the settings: options first, then the environment, then `.env`.

    Raises:
        SettingsError: one is wrong; says which and what is allowed.
    """
    if "api_keys" in options and not is_hashed(str(options["api_keys"])):
        message = (
            "--api-keys takes name:sha256:HASH alone, because every user of this machine can read "
            "a command line. Give a key as itself by VITRINE_API_KEYS."
        )
        raise SettingsError(message)
    try:
        return Settings(**options)  # type: ignore[arg-type] # validated right here
    except ValidationError as exc:
        error = exc.errors()[0]
        name = "_".join(str(step) for step in error["loc"]).removeprefix("vitrine_")
        got = f" (got {error['input']!r})" if _may_show(name) else ""
        raise SettingsError(f"VITRINE_{name.upper()}: {error['msg']}{got}") from exc


def _may_show(name: str) -> bool:
    """Tell whether a setting's value may be shown: not a secret's, nor that of a mistyped name."""
    field = Settings.model_fields.get(name)
    return field is not None and SecretStr not in get_args(field.annotation)
