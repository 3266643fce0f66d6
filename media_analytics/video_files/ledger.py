"""ops.video_files: which content of which file was loaded.

Belongs here: reading and writing the ledger. Does not belong here: what makes a file loaded or blocked (`loading.py`).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import pyarrow as pa
from deltalake import CommitProperties, write_deltalake

from media_analytics.checks.rows import arrow_schema, audit_rows
from media_analytics.contracts.model import TableContract
from media_analytics.contracts.registry import table
from media_analytics.errors import ContractError
from media_analytics.resources.addresses import without_hadoop
from media_analytics.resources.delta_log import DeltaLog
from media_analytics.settings import Settings
from media_analytics.video_files.landing import SourceFile

CONTRACT = table("ops.video_files")
LOADED, BLOCKED = "loaded", "blocked"


@dataclass(frozen=True)
class Entry:
    """What became of one content of a file."""

    file: SourceFile
    content_sha256: str
    status: str
    batch_id: str
    rows: int = 0
    unparsed_rows: int = 0
    unknown_columns: tuple[str, ...] = ()
    message: str | None = None


@dataclass(frozen=True)
class Standing:
    """Newest content by address: the one whose rows stand in bronze, and the one that was blocked after it.

    `stamps` are those of the files whose rows stand, as they were when they were read.
    """

    loaded: Mapping[str, str]
    blocked: Mapping[str, str]
    stamps: Mapping[str, str | None] = field(default_factory=dict)


def standing(log: DeltaLog) -> Standing:
    """What the ledger says of every file."""
    columns = ["source_file", "content_sha256", "file_stamp", "status", "loaded_at"]
    rows = log.rows(CONTRACT, columns).to_pylist()
    loaded: dict[str, str] = {}
    blocked: dict[str, str] = {}
    stamps: dict[str, str | None] = {}
    for row in sorted(rows, key=lambda r: r["loaded_at"]):
        address, content = row["source_file"], row["content_sha256"]
        if row["status"] == LOADED:
            loaded[address], stamps[address] = content, row["file_stamp"]
            blocked.pop(address, None)
        else:
            blocked[address] = content
    return Standing(loaded, blocked, stamps)


def record(settings: Settings, entries: Sequence[Entry], run_id: str, now: datetime) -> int:
    """Append entries; the table's version.

    Raises:
        ContractError: they break the contract; nothing was written.
    """
    return append(settings, CONTRACT, [_row(entry, run_id, now) for entry in entries], run_id)


def append(
    settings: Settings, contract: TableContract, rows: Sequence[Mapping[str, Any]], run_id: str
) -> int:
    """Append rows to a small table after its contract was checked on them; its version.

    Raises:
        ContractError: they break the contract; nothing was written.
    """
    data = pa.Table.from_pylist([dict(row) for row in rows], schema=arrow_schema(contract))
    verdict = audit_rows(contract, data)
    if not verdict.passed:
        raise ContractError(f"rows of {contract.full_name} break its contract: {dict(verdict.failed)}")
    uri = without_hadoop(settings.lake.table_path(contract.layer, contract.name))
    note = {"userMetadata": json.dumps({"run_id": run_id})}
    write_deltalake(uri, data, mode="append", commit_properties=CommitProperties(custom_metadata=note))
    return DeltaLog(settings).version(contract)


def _row(entry: Entry, run_id: str, now: datetime) -> dict[str, Any]:
    folder_date: date | None = entry.file.folder_date
    return {
        "source_file": entry.file.address,
        "content_sha256": entry.content_sha256,
        "file_stamp": entry.file.stamp if entry.file.is_still else None,
        "dataset": entry.file.dataset,
        "folder_date": folder_date,
        "status": entry.status,
        "message": entry.message,
        "rows": entry.rows,
        "unparsed_rows": entry.unparsed_rows,
        "unknown_columns": list(entry.unknown_columns),
        "batch_id": entry.batch_id,
        "run_id": run_id,
        "loaded_date": now.date(),
        "loaded_at": now,
    }
