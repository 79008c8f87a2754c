"""Text of a service cannot steer a terminal."""

import pytest

from app.hostile_text import clean_text


@pytest.mark.parametrize(
    "text",
    ["\x1b[2J", "a\nb", "a\rb", "\x9b31m", "\u202egnp", "\u2028", "\x07", "\ud800"],
)
def test_control_characters_are_replaced(text: str) -> None:
    """Escape sequences, lines, marks of direction, and what is not to be seen."""
    cleaned = clean_text(text)
    assert len(cleaned) == len(text)
    assert "\ufffd" in cleaned
    assert cleaned.isprintable()


def test_other_text_stays() -> None:
    """Of any language, with spaces."""
    assert clean_text("Löwenzahn 蒲公英 [b]") == "Löwenzahn 蒲公英 [b]"


def test_long_text_is_cut() -> None:
    """And shows that it was."""
    assert clean_text("x" * 100, 10) == "x" * 9 + "…"
