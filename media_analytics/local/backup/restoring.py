"""Putting a backup back into a home.

Belongs here: refusing what would lose something, copying and checking every file beside the home, one rename at the
end. Does not belong here: starting the stack (`up` does, as after a power cut).
"""

import json
import os
import shutil
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from media_analytics.local import home as homes
from media_analytics.local import leftovers
from media_analytics.local.backup import copying, manifest
from media_analytics.local.backup.manifest import BackupError, Manifest
from media_analytics.local.backup.taking import refuse_full
from media_analytics.local.files import private_folder, sha256, write_atomically

Tell = Callable[[str], None]


def restore(backup: Path, home: Path, tell: Tell, *, replace: bool) -> tuple[Manifest, Path | None]:
    """Make `home` what it was; returns the manifest and where the replaced home is now, if there was one.

    Nothing of `home` is touched before every file is there and has its checksum. After a kill call it again: what was
    copied is thrown away, the home is either the old one, absent, or the restored one.

    Raises:
        BackupError: the backup is damaged, the home is not empty or runs, or there is no room.
    """
    found = manifest.read(backup)
    homes.check_format(backup / manifest.DATA, found.home_format)
    _refuse_target(home, replace=replace)
    making = home.with_name(f"{home.name}.restoring")
    if making.exists():
        shutil.rmtree(making)
    home.parent.mkdir(parents=True, exist_ok=True)
    refuse_full(home.parent, copying.allocated_bytes(backup / manifest.DATA, frozenset()))
    tell(f"copying and checking {len(found.files):,} files of {found.made_at}")
    _copy(backup / manifest.DATA, private_folder(making), found)
    for name in homes.FOLDERS:
        private_folder(making / name)
    _new_identity(making)
    os.sync()
    moved = None
    if home.exists() and not any(home.iterdir()):
        home.rmdir()
    elif home.exists():
        moved = home.with_name(f"{home.name}.replaced-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
        home.rename(moved)
    making.rename(home)
    return found, moved


def _refuse_target(home: Path, *, replace: bool) -> None:
    if leftovers.find_at(home):
        raise BackupError(f"the stack in {home} runs; stop it first: `media-analytics down`")
    if home.exists() and any(home.iterdir()) and not replace:
        raise BackupError(
            f"{home} is not empty; --replace moves it aside (nothing is deleted), or name another folder in "
            f"{homes.HOME_VARIABLE}"
        )


def _copy(data: Path, target: Path, found: Manifest) -> None:
    for name in found.folders:
        private_folder(_inside(target, name))
    for name, file in found.files.items():
        source, copy = data / name, _inside(target, name)
        if not source.is_file():
            raise BackupError(f"the backup is damaged: {source} is missing; take another backup")
        copying.copy_file(source, copy)
        copy.chmod(file.mode)
        if copy.stat().st_size != file.size_bytes or sha256(copy) != file.sha256:
            raise BackupError(
                f"the backup is damaged: {source} is not what its manifest says; take another backup"
            )
    for name, to in found.links.items():
        _inside(target, name).symlink_to(to)


def _inside(target: Path, name: str) -> Path:
    """A path of the manifest below the target.

    Raises:
        BackupError: it leads elsewhere.
    """
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise BackupError(f"the manifest names {name}, which is no path inside a home; take another backup")
    return target / name


def _new_identity(home: Path) -> None:
    """Another id: a copy that is started must not take the processes of its original for leftovers and end them."""
    file = home / "home.json"
    identity = json.loads(file.read_text("utf-8")) | {"home_id": uuid.uuid4().hex}
    write_atomically(file, json.dumps(identity, indent=2) + "\n")
