"""What can be known of a Delta table without Spark: the tail of its log, its partitions, rows of small tables.

Belongs here: reading commit files one by one after a known version (a cost that does not grow with the table), file
statistics, ledgers. Does not belong here: reading events, and anything that writes.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError
from pyarrow import fs

from media_analytics.contracts.model import TableContract
from media_analytics.resources.addresses import without_hadoop
from media_analytics.settings import Settings

# A reader that is further behind takes the whole table instead: this many commits are about a second of reading.
LARGEST_TAIL = 5000
# Commits among which the newest change of rows is looked for; the others are compactions and the like.
_RECENT_COMMITS = 100


@dataclass(frozen=True)
class AddedFile:
    """A file that brought or replaced rows. Bounds are those of the file's statistics, as JSON has them."""

    version: int
    partition: str | None
    rows: int
    minimum: Mapping[str, Any] = field(default_factory=dict)
    maximum: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Tail:
    """Changes after a version. Not `is_complete`: commits in between are gone; take the table as a whole."""

    version: int
    added: tuple[AddedFile, ...]
    # Partition values of which a commit added or removed rows; removing alone changes a partition, too.
    changed: Mapping[str, int]
    is_complete: bool


class DeltaLog:
    """Reads the logs of the lake's tables."""

    def __init__(self, settings: Settings) -> None:
        """Keep the address; open files later."""
        self._settings = settings

    def tail(self, contract: TableContract, after: int, limit: int = LARGEST_TAIL) -> Tail:
        """What the commits after version `after` (-1: all of them) changed, compactions left out."""
        system, root = self._open(contract)
        added: list[AddedFile] = []
        changed: dict[str, int] = {}
        version = after
        while version - after < limit:
            actions = _actions(system, f"{root}/_delta_log/{version + 1:020d}.json")
            if actions is None:
                break
            version += 1
            for action in actions:
                change = action.get("add") or action.get("remove")
                if change is None or not change.get("dataChange", True):
                    continue
                partition = _partition(contract, change)
                if partition is not None:
                    changed[partition] = version
                if "add" in action:
                    added.append(_added(version, partition, change))
        return Tail(version, tuple(added), changed, self._is_complete(system, root, version, after, limit))

    def recently_changed(self, contract: TableContract, limit: int = LARGEST_TAIL) -> dict[str, int]:
        """Newest version that changed each partition, over the last `limit` commits that the log still holds."""
        system, root = self._open(contract)
        newest = self._table(contract).version()
        changed: dict[str, int] = {}
        for version in range(newest, max(-1, newest - limit), -1):
            actions = _actions(system, f"{root}/_delta_log/{version:020d}.json")
            if actions is None:
                break
            for partition in _changed_partitions(contract, actions):
                changed.setdefault(partition, version)
        return changed

    def version(self, contract: TableContract) -> int:
        """The newest version.

        Raises:
            TableNotFoundError: there is no table.
        """
        return int(self._table(contract).version())

    def noted(self, contract: TableContract, name: str) -> Any:
        """What the newest commit that says `name` in its note says; None when none of the last hundred does."""
        for commit in self._table(contract).history(_RECENT_COMMITS):
            try:
                note = json.loads(commit.get("userMetadata") or "null")
            except json.JSONDecodeError:
                continue
            if isinstance(note, dict) and name in note:
                return note[name]
        return None

    def committed_at(self, contract: TableContract, version: int) -> datetime | None:
        """When a version was committed; None when the log does not hold its commit any more."""
        system, root = self._open(contract)
        for action in _actions(system, f"{root}/_delta_log/{version:020d}.json") or []:
            if "commitInfo" in action:
                return datetime.fromtimestamp(action["commitInfo"]["timestamp"] / 1000, UTC)
        return None

    def newest_change(self, contract: TableContract, after: int = -1) -> tuple[int, datetime | None]:
        """The newest version, and when the newest commit after `after` that changed rows was made, if one did.

        Costs one look when nothing is new. With -1 the newest commits are looked at, up to a hundred; a table that does
        not exist, or was only created, has no change. Commits that were cleaned away meanwhile are not seen: begin
        again with -1 from time to time.
        """
        system, root = self._open(contract)
        if after >= 0:
            version, changed = after, None
            while (actions := _actions(system, f"{root}/_delta_log/{version + 1:020d}.json")) is not None:
                version, changed = version + 1, _changed_at(actions) or changed
            return version, changed
        try:
            newest = self.version(contract)
        except TableNotFoundError:
            return -1, None
        for version in range(newest, max(-1, newest - _RECENT_COMMITS), -1):
            actions = _actions(system, f"{root}/_delta_log/{version:020d}.json")
            if actions is None:
                break
            if (changed := _changed_at(actions)) is not None:
                return newest, changed
        return newest, None

    def rows(
        self,
        contract: TableContract,
        columns: Sequence[str],
        partitions: Sequence[str] | None = None,
        version: int | None = None,
        where: pc.Expression | None = None,
    ) -> pa.Table:
        """Columns of a small table, without Spark: for ledgers, not for events.

        `partitions` (ISO text) or `where` narrow the rows; files that cannot hold any are not read.
        """
        data = self._table(contract, version).to_pyarrow_dataset()
        column = contract.partition_column
        if partitions is None or column is None:
            return data.to_table(list(columns), filter=where)
        kind = data.schema.field(column).type
        return data.to_table(list(columns), filter=pc.field(column).isin(pa.array(partitions).cast(kind)))

    def row_counts(self, contract: TableContract, version: int | None = None) -> dict[str, int]:
        """Rows by partition value, from file statistics alone; partitions without rows are absent."""
        column = contract.partition_column
        actions = pa.table(self._table(contract, version).get_add_actions(flatten=True))
        counted: dict[str, int] = {}
        values = actions[f"partition.{column}"].to_pylist() if column else [""] * actions.num_rows
        for value, rows in zip(values, actions["num_records"].to_pylist(), strict=True):
            counted[str(value)] = counted.get(str(value), 0) + int(rows or 0)
        return {value: rows for value, rows in counted.items() if rows}

    def snapshot(self, contract: TableContract) -> Tail:
        """The table as if the newest commit had written all its partitions: too much is due, nothing is lost."""
        table, column = self._table(contract), contract.partition_column
        values = {str(part[column]) for part in table.partitions()} if column else set()
        return Tail(table.version(), (), dict.fromkeys(values, table.version()), True)

    def transaction(self, contract: TableContract, application: str) -> tuple[int, int]:
        """The table's version, and the newest transaction of an application in it (-1 if none)."""
        table = self._table(contract)
        number = table.transaction_version(application)
        return table.version(), -1 if number is None else int(number)

    def _table(self, contract: TableContract, version: int | None = None) -> DeltaTable:
        path = self._settings.lake.table_path(contract.layer, contract.name)
        return DeltaTable(without_hadoop(path), version=version)

    def _open(self, contract: TableContract) -> tuple[fs.FileSystem, str]:
        path = self._settings.lake.table_path(contract.layer, contract.name)
        if "://" in path:
            system, root = fs.FileSystem.from_uri(without_hadoop(path))
            return system, str(root)
        return fs.LocalFileSystem(), path

    @staticmethod
    def _is_complete(system: fs.FileSystem, root: str, version: int, after: int, limit: int) -> bool:
        """Whether the newest commit was reached: a cleaned log has later files, or a checkpoint beyond `version`."""
        if version - after >= limit:
            return False
        if version > after:
            return True
        newest = -1
        hint = f"{root}/_delta_log/_last_checkpoint"
        if system.get_file_info(hint).type == fs.FileType.File:
            with system.open_input_stream(hint) as stream:
                newest = int(json.loads(stream.read())["version"])
        return newest <= version


def _actions(system: fs.FileSystem, path: str) -> list[dict[str, Any]] | None:
    try:
        with system.open_input_stream(path) as stream:
            text = stream.read()
    except FileNotFoundError:
        return None
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def _changed_at(actions: list[dict[str, Any]]) -> datetime | None:
    """When a commit that added or removed rows was made; None for one that did not."""
    changes = (action.get("add") or action.get("remove") for action in actions)
    if not any(c is not None and c.get("dataChange", True) for c in changes):
        return None
    millis = next((a["commitInfo"].get("timestamp") for a in actions if "commitInfo" in a), None)
    return None if millis is None else datetime.fromtimestamp(millis / 1000, UTC)


def _changed_partitions(contract: TableContract, actions: list[dict[str, Any]]) -> set[str]:
    changes = (action.get("add") or action.get("remove") for action in actions)
    found = (_partition(contract, c) for c in changes if c is not None and c.get("dataChange", True))
    return {partition for partition in found if partition is not None}


def _partition(contract: TableContract, change: Mapping[str, Any]) -> str | None:
    column = contract.partition_column
    values = change.get("partitionValues") or {}
    return values.get(column) if column is not None else None


def _added(version: int, partition: str | None, add: Mapping[str, Any]) -> AddedFile:
    stats = json.loads(add["stats"]) if add.get("stats") else {}
    return AddedFile(
        version=version,
        partition=partition,
        rows=int(stats.get("numRecords", 0)),
        minimum=stats.get("minValues", {}),
        maximum=stats.get("maxValues", {}),
    )
