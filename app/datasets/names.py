"""Names of files and why they cannot be read, as users see them."""

import re

MAX_REASON = 200

_USER = re.compile("://[^/]*@")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def is_uri(location: str) -> bool:
    """Tell whether a location is a URI and no path."""
    return _SCHEME.match(location) is not None


def strip_options(location: str) -> str:
    """Strip the options from a URI; a path stays, whatever is in it."""
    return location.partition("?")[0] if is_uri(location) else location


def show_location(location: str) -> str:
    """Show a location to a user: without user, password and options, which may be secrets."""
    shown = clean_name(strip_options(location))
    return _USER.sub("://", shown, 1) if is_uri(location) else shown


def is_hidden(name: str) -> bool:
    """Tell whether a name is one that systems leave behind, such as .DS_Store."""
    return name.startswith(".") or name == "__MACOSX"


def clean_name(name: str) -> str:
    r"""Make a name valid Unicode: a byte that is not becomes \xNN."""
    if is_unicode(name):
        return name
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def describe_failure(failure: Exception) -> str:
    """Say in a few words why a file cannot be read."""
    reason = getattr(failure, "strerror", None) or str(failure).strip().partition("\n")[0]
    return str(reason or type(failure).__name__)[:MAX_REASON].rstrip(".")


def is_unicode(name: str) -> bool:
    """Tell whether a name has no byte that could not be decoded."""
    return not any("\ud800" <= one <= "\udfff" for one in name)
