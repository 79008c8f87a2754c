"""Settings on the command line: an option for each, and what is said of a wrong one."""

import argparse
from typing import get_args

from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo

from app.auth.keys import is_hashed
from app.errors import SettingsError
from app.settings import Settings


def add_settings(command: argparse.ArgumentParser) -> None:
    """Add an option for every setting."""
    group = command.add_argument_group("settings", "each is also read from the variable named")
    for name, field in Settings.model_fields.items():
        group.add_argument(
            f"--{name.replace('_', '-')}",
            choices=_list_choices(field),
            metavar=None if _list_choices(field) else "VALUE",
            help=f"{field.description} [VITRINE_{name.upper()}, default: {field.default}]",
        )


def read_settings(arguments: dict[str, object]) -> Settings:
    """Read the settings: options first, then the environment, then `.env`.

    Raises:
        SettingsError: one is wrong; says which and what is allowed.
    """
    given = {name: value for name, value in arguments.items() if value is not None}
    if "api_keys" in given and not is_hashed(str(given["api_keys"])):
        message = (
            "--api-keys takes name:sha256:HASH alone, because every user of this machine can read "
            "a command line. Give a key as itself by VITRINE_API_KEYS."
        )
        raise SettingsError(message)
    try:
        return Settings(**given)  # type: ignore[arg-type] # validated right here
    except ValidationError as exc:
        error = exc.errors()[0]
        name = "_".join(str(step) for step in error["loc"]).removeprefix("vitrine_")
        got = f" (got {error['input']!r})" if _may_show(name) else ""
        raise SettingsError(f"VITRINE_{name.upper()}: {error['msg']}{got}") from exc


def _may_show(name: str) -> bool:
    """Tell whether a setting's value may be shown: not a secret's, nor that of a mistyped name."""
    field = Settings.model_fields.get(name)
    return field is not None and SecretStr not in get_args(field.annotation)


def _list_choices(field: FieldInfo) -> list[str] | None:
    """List the values of a setting that is one of a few words."""
    values = get_args(field.annotation)
    return list(values) if values and all(isinstance(value, str) for value in values) else None
