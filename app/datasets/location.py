"""A location, which is a path or a URI: its storage, and the path in it."""

import os
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from app.datasets.local_storage import LocalStorage
from app.datasets.names import is_uri
from app.datasets.remote_storage import connect
from app.datasets.storage import Storage


def find_storage(location: str) -> tuple[Storage, str]:
    """Find the storage of a path or URI, and the path in it; raises OSError, DatasetError."""
    if not is_uri(location):
        return LocalStorage(), location
    if location.lower().startswith("file://"):
        return LocalStorage(), os.fsdecode(unquote_to_bytes("/" + location[7:].lstrip("/")))
    parts = urlsplit(location.replace("#", "%23"))
    storage, head = connect(f"{parts.scheme}://{parts.netloc}", parts.query)
    return storage, (head + unquote(parts.path)).rstrip("/")
