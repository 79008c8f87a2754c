"""The folder with HAProxy's file and sockets, which Serve puts below one for all users."""

import os
from pathlib import Path

from app.errors import StartupError

FILES = (
    "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC",
    "RAY_SERVE_HAPROXY_SOCKET_PATH",
    "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH",
    "RAY_SERVE_HAPROXY_SERVER_STATE_BASE",
    "RAY_SERVE_HAPROXY_SERVER_STATE_FILE",
)
"""Variables that say where the files are; without them all are below /tmp/haproxy-serve."""


def make_private(folder: Path) -> None:
    """Keep other users out of the folder with HAProxy's file and its admin socket.

    Raises:
        StartupError: another user owns it or the folder above, and could replace the file.
    """
    for one in (folder, folder.parent):
        if one.is_symlink() or one.stat().st_uid not in (0, os.geteuid()):
            message = (
                f"{one} belongs to another user. Set {', '.join(FILES)} to paths in a folder of "
                "your own, before Serve starts."
            )
            raise StartupError(message)
    folder.chmod(0o700)
