"""What a backup holds: every file with size, mode and SHA-256.

Belongs here: the model of the manifest, writing it, reading it so that a damaged one is refused. Does not belong here:
copying.
"""

import hashlib
from collections import defaultdict
from pathlib import Path

import msgspec

from media_analytics.errors import MediaAnalyticsError
from media_analytics.local.backup.copying import Tree
from media_analytics.local.files import sha256

FORMAT = 1
# In a backup: the copy of the home, what it holds, the checksum of that.
DATA, MANIFEST, CHECKSUM = "home", "manifest.json", "manifest.sha256"
# Part: the folders of a home that it is made of. What is in no part is the home's own: identity, secrets, settings.
PARTS = {
    "dagster": ("dagster", "dagster-dev"),
    "registry": ("registry",),
    "lake": ("lake",),
    "clickhouse": ("clickhouse",),
    "kafka": ("kafka", "kafka-2", "kafka-3"),
}
_OWN = "home"


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file. `mode` is that of its owner, as a number."""

    size_bytes: int
    mode: int
    sha256: str


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a store has in a backup. `disk_bytes` are those that files take: Kafka's are mostly holes."""

    files: int
    disk_bytes: int


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A backup. `made_at` is the instant of its data, in ISO 8601, UTC; `still_seconds` how long all stood then."""

    format: int
    home_format: int
    home_id: str
    made_at: str
    still_seconds: float
    parts: dict[str, Part]
    folders: list[str]
    links: dict[str, str]
    files: dict[str, File]


class BackupError(MediaAnalyticsError):
    """A backup cannot be made or used as it is."""


def files_of(data: Path, tree: Tree) -> dict[str, File]:
    """Read every copied file."""
    made = {}
    for name in sorted(tree.files):
        found = (data / name).stat()
        made[name] = File(found.st_size, found.st_mode & 0o700, sha256(data / name))
    return made


def parts_of(data: Path, tree: Tree) -> dict[str, Part]:
    """Files and bytes by part."""
    of_folder = {folder: part for part, folders in PARTS.items() for folder in folders}
    found: dict[str, list[int]] = defaultdict(list)
    for name in tree.files:
        part = of_folder.get(name.partition("/")[0], _OWN)
        found[part].append((data / name).stat().st_blocks * 512)
    return {part: Part(len(sizes), sum(sizes)) for part, sizes in sorted(found.items())}


def write(folder: Path, manifest: Manifest) -> None:
    """Write the manifest and its checksum."""
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
    (folder / MANIFEST).write_bytes(text)
    (folder / CHECKSUM).write_text(f"{hashlib.sha256(text).hexdigest()}  {MANIFEST}\n", "utf-8")
    for name in (MANIFEST, CHECKSUM):
        (folder / name).chmod(0o600)


def read(folder: Path) -> Manifest:
    """Read the manifest of a backup.

    Raises:
        BackupError: there is none, it is damaged, or another version of the platform made it.
    """
    if not (folder / MANIFEST).is_file():
        raise BackupError(
            f"{folder} is no backup: it has no {MANIFEST}; name a folder that `backup --to` has made"
        )
    text = (folder / MANIFEST).read_bytes()
    noted = (folder / CHECKSUM).read_text("utf-8").split() if (folder / CHECKSUM).is_file() else []
    if noted[:1] != [hashlib.sha256(text).hexdigest()]:
        raise BackupError(
            f"{folder / MANIFEST} is damaged: its SHA-256 is not that of {CHECKSUM}; take another backup"
        )
    found = msgspec.json.decode(text)["format"]
    if found != FORMAT:
        raise BackupError(
            f"{folder} has format {found}, this version of the platform reads {FORMAT}; use the version "
            "that made it"
        )
    return msgspec.json.decode(text, type=Manifest)
