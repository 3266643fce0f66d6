"""Taking a backup of a home, also while its stack runs.

Belongs here: the order of things: copy what moves, let everything stand, copy what has changed since, go on, check,
name the result. Does not belong here: how a file is copied (`copying`), how processes stand (`stillness`).
"""

import os
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from deltalake import DeltaTable

from media_analytics.local import home as homes
from media_analytics.local.backup import copying, manifest
from media_analytics.local.backup.copying import Tree
from media_analytics.local.backup.manifest import BackupError, Manifest
from media_analytics.local.backup.stillness import standing_still
from media_analytics.local.environment import external_services
from media_analytics.local.files import private_folder
from media_analytics.local.home import Home
from media_analytics.local.stack_variables import read_stack_environment

# What a home holds beside its data; `faults` may hold a whole stack of its own.
LEFT_OUT = frozenset(("logs", "bench", "faults", "debug"))
# Services without data: they may lie elsewhere.
_WITHOUT_DATA = frozenset(("spark",))
_LAKE_VARIABLE = "MEDIA_ANALYTICS_LAKE__URL"
# What a running stack adds while it is copied.
_SPARE_RATIO = 1.05
Tell = Callable[[str], None]


def take(home: Home, to: Path, tell: Tell) -> Manifest:
    """Copy the home's data at one instant into the new folder `to`.

    The folder gets its name when it is whole. After a kill the next call to the same folder starts over.

    Raises:
        BackupError: the folder is not free, there is no room, a part lies elsewhere, a table of the copy is not
            whole.
    """
    _refuse_elsewhere(home)
    partial = _prepare(home, to)
    with homes.alone(home.path):
        data = private_folder(partial / manifest.DATA)
        tell(f"copying {home.path}")
        tree, made_at, still_seconds = _copy(home, data)
        tell(f"everything stood for {still_seconds:.1f} s; the backup is of {made_at:%Y-%m-%d %H:%M:%S} UTC")
        tell("checking the tables of the lake")
        check_lake(data / "lake")
        tell(f"reading {len(tree.files):,} files for their checksums")
        files = manifest.files_of(data, tree)
        made = Manifest(
            format=manifest.FORMAT,
            home_format=homes.FORMAT,
            home_id=home.home_id,
            made_at=made_at.isoformat(timespec="milliseconds"),
            still_seconds=round(still_seconds, 3),
            parts=manifest.parts_of(data, tree),
            folders=sorted(tree.folders),
            links=dict(sorted(tree.links.items())),
            files=files,
        )
        manifest.write(partial, made)
        # A power cut after the rename must find every byte.
        os.sync()
        partial.rename(to)
    return made


def check_lake(lake: Path) -> None:
    """Open the newest version of every Delta table below a folder and compare its files with their sizes.

    A process outside the stack could have written while all others stood.

    Raises:
        BackupError: a file is missing or has another size.
    """
    for log in sorted(lake.rglob("_delta_log")):
        table = log.parent
        added = DeltaTable(str(table)).get_add_actions(flatten=True)
        for name, size in zip(
            added.column("path").to_pylist(), added.column("size_bytes").to_pylist(), strict=True
        ):
            file = table / name
            found = file.stat().st_size if file.is_file() else None
            if found != size:
                raise BackupError(
                    f"the copy of {table.relative_to(lake)} is not whole: {name} has {found} bytes, the log says "
                    f"{size}; "
                    "somebody outside the stack wrote to the lake: wait for that and take the backup again"
                )


def _copy(home: Home, data: Path) -> tuple[Tree, datetime, float]:
    """The copy, the instant of its data, and for how many seconds everything stood."""
    moving = copying.copy_moving(home.path, data, LEFT_OUT)
    began = time.monotonic()
    with standing_still(home):
        made_at = datetime.now(UTC)
        tree = copying.copy_still(home.path, data, LEFT_OUT, moving)
    return tree, made_at, time.monotonic() - began


def _refuse_elsewhere(home: Home) -> None:
    variables = read_stack_environment(home.environment_file)
    elsewhere = sorted(external_services(home.ports, variables, home.kafka.brokers) - _WITHOUT_DATA)
    if variables.get(_LAKE_VARIABLE, str(home.lake)) != str(home.lake):
        elsewhere.append("lake")
    if elsewhere:
        raise BackupError(
            f"{', '.join(elsewhere)} of this stack lies elsewhere, and no instant is the same for both; back it up "
            "with its own tools: docs/runbooks/restore.md"
        )


def _prepare(home: Home, to: Path) -> Path:
    """The folder in which the backup grows, empty."""
    if to.exists():
        raise BackupError(f"{to} is there already; a backup gets a folder of its own: name a new one")
    if to.resolve().is_relative_to(home.path.resolve()):
        raise BackupError(f"{to} lies in the home that it is to save; name a folder on another disk")
    partial = to.with_name(f"{to.name}.partial")
    if partial.exists():
        if {found.name for found in partial.iterdir()} - {
            manifest.DATA,
            manifest.MANIFEST,
            manifest.CHECKSUM,
        }:
            raise BackupError(f"{partial} is not the begin of a backup; move it away, or name another folder")
        shutil.rmtree(partial)
    to.parent.mkdir(parents=True, exist_ok=True)
    needed = copying.allocated_bytes(home.path, LEFT_OUT) * _SPARE_RATIO
    refuse_full(to.parent, needed)
    return private_folder(partial)


def refuse_full(folder: Path, needed_bytes: float) -> None:
    """Insist on room.

    Raises:
        BackupError: there is less.
    """
    free = shutil.disk_usage(folder).free
    if free < needed_bytes:
        raise BackupError(
            f"{folder} has {free / 1e9:.1f} GB free, the copy needs {needed_bytes / 1e9:.1f} GB; make room or name "
            "another disk"
        )
