"""Progress of a sending that survives a kill.

Belongs here: one small file per sending, replaced atomically after each acknowledged request. Does not belong here:
what is sent.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from media_analytics.errors import MediaAnalyticsError
from streaming.sender.post import Reply


class ProgressError(MediaAnalyticsError):
    """The progress file cannot be used."""


class Sent(msgspec.Struct):
    """What of one input was acknowledged: items in order from its start, and how they were judged."""

    items: int = 0
    accepted: int = 0
    rejected: int = 0
    # What the input was, for a person who looks, and to notice a different one.
    about: dict[str, str] = {}

    def advanced(self, items: int, reply: Reply, about: dict[str, str]) -> "Sent":
        """The progress after one more acknowledged request; `items` counts from the start of the input."""
        return Sent(items, self.accepted + reply.accepted, self.rejected + reply.rejected, about)


@contextmanager
def held(path: Path) -> Iterator[Sent]:
    """The recorded progress, for one process at a time; the system lets go of it when that process ends.

    Raises:
        ProgressError: another process sends the same input, or the file is damaged.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ProgressError(
                "another process is sending the same input; wait for it, or end it first"
            ) from None
        yield load(path)


def load(path: Path) -> Sent:
    """The recorded progress; nothing sent when there is no file.

    Raises:
        ProgressError: the file is damaged.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Sent)
    except FileNotFoundError:
        return Sent()
    except msgspec.DecodeError as error:
        raise ProgressError(f"{path} is damaged ({error}); delete it to send everything again") from error


def save(path: Path, sent: Sent) -> None:
    """Replace the progress; when this returns it is on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    with new.open("wb") as file:
        file.write(msgspec.json.encode(sent))
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
