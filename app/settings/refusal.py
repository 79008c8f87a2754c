"""What is said of a wrong setting, in one line and without secrets."""

from typing import get_args

from pydantic import SecretStr, ValidationError

from app.settings import Settings


def describe_refusal(exc: ValidationError) -> tuple[str, str]:
    """Describe the first wrong setting.

    Returns:
        Its name, and what is wrong with it; its value only if it is no secret.
    """
    error = exc.errors()[0]
    name = "_".join(str(step) for step in error["loc"]).removeprefix("vitrine_")
    got = f" (got {error['input']!r})" if _may_show(name) else ""
    return name, f"{error['msg']}{got}"


def _may_show(name: str) -> bool:
    """Tell whether a setting's value may be shown: not a secret's, nor that of a mistyped name."""
    field = Settings.model_fields.get(name)
    return field is not None and SecretStr not in get_args(field.annotation)
