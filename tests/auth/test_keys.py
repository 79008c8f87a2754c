"""API keys: what is accepted, what is refused, and what no error reveals."""

import hashlib

import pytest

from app.auth.keys import Key, find_key, format_keys, hash_key, is_hashed, make_key, parse_keys

ANN = "ann-knows-this-key"
BOB = "bob-knows-another-one"
KEYS = parse_keys(f"ann:{ANN}, bob:{hash_key(BOB)}")


def test_a_key_may_be_given_as_its_hash() -> None:
    """An entry is a key or the SHA-256 of one; what is kept is the same."""
    digest = hashlib.sha256(BOB.encode()).digest()
    assert (Key("ann", hashlib.sha256(ANN.encode()).digest()), Key("bob", digest)) == KEYS
    assert parse_keys(f"bob:{BOB}") == parse_keys(f"bob:sha256:{digest.hex().upper()}")


def test_a_key_is_found_by_what_is_given() -> None:
    """The right key is found, each by its own; nothing else is."""
    found = [find_key(KEYS, given) for given in (ANN, BOB, "", ANN[:-1], ANN.upper(), "ä" * 20)]
    assert [key.name if key else None for key in found] == ["ann", "bob", None, None, None, None]


def test_a_hash_is_no_key() -> None:
    """Whoever reads the setting with hashes cannot come in with them."""
    assert find_key(KEYS, hash_key(BOB)) is None
    assert find_key(KEYS, hash_key(BOB).removeprefix("sha256:")) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "entry 1 is neither"),
        (ANN, "entry 1 is neither"),
        (f":{ANN}", "entry 1 is neither"),
        (f"an n:{ANN}", "entry 1 is neither"),
        (f"ann:{ANN},", "entry 2 is neither"),
        (f"ann:{ANN}|x", "entry 1 is neither"),
        (f"ann:{ANN},bob:sha256:{'0' * 63}", "entry 2 is neither"),
        (f"ann:{ANN},bob:sha256:{'x' * 64}", "entry 2 is neither"),
        ("ann:secret-15-chars", "entry 1 has fewer than 16 characters"),
        (f"ann:{ANN},ann:{BOB}", "the same name"),
    ],
)
def test_a_wrong_entry_is_named_by_its_place(text: str, said: str) -> None:
    """The error names the mistake and nothing of the entry's content."""
    with pytest.raises(ValueError, match=said) as caught:
        parse_keys(text)
    assert not any(secret in str(caught.value) for secret in (ANN, BOB, "secret-15-chars"))


def test_keys_are_written_as_hashes() -> None:
    """What is written can be read again, and holds no key as itself."""
    text = format_keys(KEYS)
    assert parse_keys(text) == KEYS
    assert is_hashed(text)
    assert not any(secret in text for secret in (ANN, BOB))
    assert not is_hashed(f"bob:{hash_key(BOB)}, ann:{ANN}")


def test_a_key_is_not_shown() -> None:
    """The repr of a key has its name alone."""
    assert repr(KEYS[0]) == "Key(name='ann')"


def test_a_key_that_is_made_is_accepted() -> None:
    """No two keys are the same, and each is long enough and of plain characters."""
    keys = {make_key() for _ in range(100)}
    assert len(keys) == 100
    for key in keys:
        assert find_key(parse_keys(f"new:{hash_key(key)},plain:{key}x"), key)
