"""API keys: each a name for the log and the SHA-256 of a key. It knows no HTTP and no settings.

Only hashes are kept. A key is long and random, so a fast hash does not help to guess it; a slow
one, as for passwords, would let unauthenticated clients spend CPU time.
"""

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field

MIN_KEY_LENGTH = 16

_HASH = "sha256:"
_ENTRY = re.compile(
    r"(?P<name>[\w.-]{1,64}):"
    r"(?:sha256:(?P<hash>[0-9a-fA-F]{64})|(?P<key>[\w.~+/-]+=*))",  # what a Bearer token may be
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Key:
    """A key's name for the log, and its SHA-256, 32 bytes."""

    name: str
    digest: bytes = field(repr=False)


def parse_keys(text: str) -> tuple[Key, ...]:
    """Read keys from `name:key` or `name:sha256:HASH`, several with commas.

    Raises:
        ValueError: an entry is wrong; names its number and never its content.
    """
    entries = text.split(",")
    keys = tuple(_parse_entry(entry.strip(), number) for number, entry in enumerate(entries, 1))
    if len({key.name for key in keys}) < len(keys):
        raise ValueError("two entries have the same name")
    return keys


def find_key(keys: Iterable[Key], given: str) -> Key | None:
    """Find the given key, in a time that does not depend on how much of it matches."""
    digest = _digest(given)
    found = [key for key in keys if secrets.compare_digest(key.digest, digest)]  # compares with all
    return found[0] if found else None


def make_key() -> str:
    """Make a key of 256 random bits, 43 characters."""
    return secrets.token_urlsafe(32)


def format_keys(keys: Iterable[Key]) -> str:
    """Format keys for `parse_keys`, as hashes."""
    return ",".join(f"{key.name}:{_HASH}{key.digest.hex()}" for key in keys)


def is_hashed(text: str) -> bool:
    """Tell whether all entries hold hashes instead of keys."""
    return all(entry.partition(":")[2].startswith(_HASH) for entry in text.split(","))


def hash_key(key: str) -> str:
    """Hash a key, in the format of `parse_keys`."""
    return _HASH + _digest(key).hex()


def _digest(key: str) -> bytes:
    """Compute a key's SHA-256."""
    return hashlib.sha256(key.encode()).digest()


def _parse_entry(entry: str, number: int) -> Key:
    """Parse one entry."""
    match = _ENTRY.fullmatch(entry)
    if match is None:
        raise ValueError(
            f"entry {number} is neither name:key nor name:sha256:HASH of 64 hex digits"
        )
    name, digest, key = match["name"], match["hash"], match["key"]
    if digest:
        return Key(name, bytes.fromhex(digest))
    if len(key) < MIN_KEY_LENGTH:
        raise ValueError(f"the key of entry {number} has fewer than {MIN_KEY_LENGTH} characters")
    return Key(name, _digest(key))
