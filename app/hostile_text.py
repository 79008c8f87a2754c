"""Text of a service or a file name, made safe for a terminal."""

import unicodedata

MAX_LENGTH = 200


def clean_text(text: str, max_length: int = MAX_LENGTH) -> str:
    """Return one line without control or format characters, cut to a length.

    Neither escape sequences nor marks that turn the direction of writing are left.
    """
    cut = text if len(text) <= max_length else f"{text[: max_length - 1]}…"
    return "".join(one if _is_shown(one) else "\ufffd" for one in cut)


def _is_shown(character: str) -> bool:
    """Tell whether a character is one that a terminal shows in its place."""
    category = unicodedata.category(character)
    return category[0] != "C" and category not in {"Zl", "Zp"}
