"""What a Delta log says, read without Spark.

Belongs here: the notes that commits carry, the version of a transaction, files per partition. Does not
belong here: reading or writing rows, and the lake of batch assets (`media_analytics.resources.lake`).
"""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError


def delta_uri(path: str) -> str:
    """The address as the log reader takes it."""
    return path.replace("s3a://", "s3://", 1)


def exists(path: str) -> bool:
    """Whether a Delta table is there."""
    return bool(DeltaTable.is_deltatable(delta_uri(path)))


def version(path: str) -> int | None:
    """The newest version, or None when there is no table."""
    try:
        return int(DeltaTable(delta_uri(path)).version())
    except TableNotFoundError:
        return None


def notes(path: str, limit: int | None = None) -> Iterator[tuple[int, dict[str, Any]]]:
    """Version and note of each commit that carries one, newest first."""
    for commit in DeltaTable(delta_uri(path)).history(limit):
        try:
            note = json.loads(commit.get("userMetadata") or "null")
        except json.JSONDecodeError:
            continue
        if isinstance(note, dict):
            yield int(commit["version"]), note


def transaction_version(path: str, application: str) -> int | None:
    """The number of the last batch an application wrote, kept by Delta for ever."""
    found = DeltaTable(delta_uri(path)).transaction_version(application)
    return None if found is None else int(found)


def files_per_partition(path: str, column: str) -> dict[str, int]:
    """How many files each partition consists of."""
    actions = DeltaTable(delta_uri(path)).get_add_actions(flatten=True)
    return dict(Counter(str(value) for value in actions[f"partition.{column}"].to_pylist()))
