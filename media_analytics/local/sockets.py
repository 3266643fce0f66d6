"""Where the socket files of a home lie.

Belongs here: the limit of the kernel on the length of a socket's path and the way round it. Does not belong here:
who listens on a socket.
"""

import os
import stat
import tempfile
from pathlib import Path

from media_analytics.errors import ServiceError
from media_analytics.local.home import Home

# Linux takes 107 bytes, macOS 103; supervisord binds a name with its process id appended first.
LIMIT_BYTES = 90


def socket_path(home: Home, name: str) -> Path:
    """`<home>/run/<name>.sock`, or a file in a private folder of the system's temporary one when that is too long.

    Raises:
        ServiceError: the private folder belongs to somebody else.
    """
    path = home.run / f"{name}.sock"
    if len(os.fsencode(path)) <= LIMIT_BYTES:
        return path
    folder = Path(tempfile.gettempdir()) / f"ma-{os.getuid()}-{home.home_id[:12]}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise ServiceError(
            f"{folder} is not a private folder of yours; remove it, or put the home into a folder with a shorter "
            f"path than {home.path}"
        )
    return folder / f"{name}.sock"
