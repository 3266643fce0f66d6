"""Progress of a sending that survives a kill.

Belongs here: one small file per sending, replaced atomically after each acknowledged request. Does not belong here:
what is sent.
"""

import os
from pathlib import Path

import msgspec

from media_analytics.errors import MediaAnalyticsError


class ProgressError(MediaAnalyticsError):
    """The progress file cannot be used."""


class Sent(msgspec.Struct):
    """What of one input was acknowledged: items in order from its start, and how they were judged."""

    items: int = 0
    accepted: int = 0
    rejected: int = 0
    is_complete: bool = False
    # What the input was, for a person who looks, and to notice a different one.
    about: dict[str, str] = {}


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
