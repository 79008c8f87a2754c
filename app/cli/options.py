"""Settings on the command line: an option for each, and what is said of a wrong one."""

import argparse
from typing import Any

from pydantic import ValidationError
from pydantic_settings import CliSettingsSource

from app.auth.keys import is_hashed
from app.errors import SettingsError
from app.settings import Settings
from app.settings.refusal import describe_refusal


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
        name, problem = describe_refusal(exc)
        raise SettingsError(f"VITRINE_{name.upper()}: {problem}") from exc
