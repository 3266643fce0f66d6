"""What lies in a landing folder.

Belongs here: the two layouts (flat, dated), addresses, which files belong to which data set and batch, hashes. Does not
belong here: what a file holds (`reading.py`), which files were loaded before (`ledger.py`).
"""

import hashlib
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pyarrow as pa
from pyarrow import fs

from media_analytics.contracts.tables.video_raw import DATASETS
from media_analytics.errors import MediaAnalyticsError
from media_analytics.resources.addresses import without_hadoop
from media_analytics.settings import ObjectStore

FORMATS = ("parquet", "csv")
LAYOUT = (
    "expected either `<dataset>.parquet` or `<dataset>.csv` in the folder, or `<dataset>/date=YYYY-MM-DD/*.parquet` or "
    f"`*.csv` below it, with the data sets {', '.join(DATASETS)}"
)
ACCESS = (
    "for an s3a:// address set MEDIA_ANALYTICS_VIDEO__STORE (JSON: endpoint, access_key_id, secret_access_key), or the "
    "AWS variables of the process that loads"
)
_DATED = re.compile(r"date=(\d{4}-\d{2}-\d{2})$")
_BLOCK = 1 << 20
# A file that changed less than this before it was looked at can change again without another stamp.
_STILL_NS = 5 * 10**9


class LandingError(MediaAnalyticsError):
    """The folder is not what a landing folder looks like."""


@dataclass(frozen=True, order=True)
class SourceFile:
    """A file of a data set. `address` is its identity: a later file of the same address replaces it.

    `stamp` tells cheaply whether the file can have changed: it is compared with itself only, never with a clock. While
    `is_still`, no later change keeps the stamp.
    """

    address: str
    dataset: str
    format: str
    folder_date: date | None
    size: int
    stamp: str
    is_still: bool = field(compare=False)
    store: ObjectStore | None = field(default=None, compare=False, repr=False)

    @property
    def batch(self) -> tuple[str, date | None]:
        """The files that are judged together: a data set's flat files, or its files of one date."""
        return (self.dataset, self.folder_date)

    @property
    def unit(self) -> str:
        """What is published together or not at all: the flat files of a folder, or all data sets of one date."""
        return self.folder_date.isoformat() if self.folder_date else "flat"

    def opened(self) -> tuple[fs.FileSystem, str]:
        """The file system it is on, and its path there."""
        return opened(self.address, self.store)


def absolute(path: str) -> str:
    """The address by which files below `path` are known: an absolute path, or a URL without trailing slashes."""
    if "://" in path:
        return path.rstrip("/")
    return str(Path(path).expanduser().resolve())


def opened(address: str, store: ObjectStore | None = None) -> tuple[fs.FileSystem, str]:
    """The file system of an address, and the path in it. `store` is where `s3a://` addresses are, if it is named."""
    scheme, _, inner = address.rpartition("://")
    if not scheme:
        return fs.LocalFileSystem(), address
    if store is None or not scheme.startswith("s3"):
        system, inner = fs.FileSystem.from_uri(without_hadoop(address))
        return system, str(inner)
    key, secret = store.access_key_id, store.secret_access_key.get_secret_value()
    named = fs.S3FileSystem(
        endpoint_override=store.endpoint, region=store.region, access_key=key, secret_key=secret
    )
    return named, inner


def discover(path: str, dates: Iterable[date] = (), store: ObjectStore | None = None) -> list[SourceFile]:
    """Every file of a landing folder, in order of address. With `dates`, dated folders of other dates are left out.

    Raises:
        LandingError: the folder is not there or cannot be looked at, holds no file of a data set, or a dated folder's
            date is none.
    """
    address = absolute(path)
    still_before = time.time_ns() - _STILL_NS
    try:
        system, root = opened(address, store)
        is_folder = system.get_file_info(root).type == fs.FileType.Directory
        infos = _files(system, root) if is_folder else []
    except (OSError, pa.ArrowException) as error:
        told = str(error).partition("\n")[0][:300]
        raise LandingError(f"{address} cannot be looked at: {told}; {ACCESS}") from error
    if not is_folder:
        raise LandingError(f"{address} is no folder; {LAYOUT}")
    wanted = set(dates)
    found = [
        file
        for info in infos
        if (file := _source_file(address, root, info, store, still_before)) is not None
        and (file.folder_date is None or not wanted or file.folder_date in wanted)
    ]
    if not found:
        raise LandingError(f"{address} holds no file to load; {LAYOUT}")
    return sorted(found)


def sha256(file: SourceFile) -> str:
    """SHA-256 of the file's bytes, in hex."""
    system, path = file.opened()
    digest = hashlib.sha256()
    with system.open_input_stream(path) as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _files(system: fs.FileSystem, root: str) -> Sequence[fs.FileInfo]:
    """Files of the folder itself, and those two folders below the data sets' names."""
    infos = list(system.get_file_info(fs.FileSelector(root)))
    for dataset in DATASETS:
        below = fs.FileSelector(f"{root}/{dataset}", allow_not_found=True, recursive=True)
        infos += system.get_file_info(below)
    return [info for info in infos if info.type == fs.FileType.File]


def _source_file(
    address: str, root: str, info: fs.FileInfo, store: ObjectStore | None, still_before: int
) -> SourceFile | None:
    relative = info.path.removeprefix(root).strip("/")
    parts = relative.split("/")
    if info.extension not in FORMATS or parts[-1].startswith((".", "_")):
        return None
    day: date | None = None
    if len(parts) == 1:
        dataset = parts[0].removesuffix(f".{info.extension}")
        if dataset not in DATASETS:
            return None
    else:
        dataset = parts[0]
        if len(parts) != 3 or not (match := _DATED.match(parts[1])):
            raise LandingError(f"{address}/{relative} is in no dated folder; {LAYOUT}")
        try:
            day = date.fromisoformat(match.group(1))
        except ValueError:
            raise LandingError(f"{address}/{relative}: {match.group(1)} is no date; {LAYOUT}") from None
    stamp, changed_ns = _stamp(address, info)
    is_still = changed_ns < still_before
    return SourceFile(
        f"{address}/{relative}", dataset, info.extension, day, int(info.size), stamp, is_still, store
    )


def _stamp(address: str, info: fs.FileInfo) -> tuple[str, int]:
    """What changes with every change of the file, and when it changed last in nanoseconds since 1970.

    A local file's change time cannot be set back, its mtime can.
    """
    if "://" in address:
        return f"{info.size} {info.mtime_ns}", info.mtime_ns
    status = Path(info.path).stat()
    stamp = f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino}"
    return stamp, status.st_ctime_ns
