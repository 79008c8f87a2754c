"""What a report needs that is not installed with Vitrine."""

import importlib.util

from app.errors import SettingsError


def check_installed() -> None:
    """Refuse to begin what would end without a report; raises SettingsError."""
    for name in ("jinja2", "matplotlib"):
        if importlib.util.find_spec(name) is None:
            raise SettingsError(f"The report needs {name}: pip install 'vitrine[data]'.")
