"""Files of closed minutes on the lake's store.

Belongs here: where extract and result of a minute lie, writing a file so that a reader sees all of it or nothing, the
note of how far the results have come. Does not belong here: what the files say, tables.

`extracts/interactions/minute=2026-01-31T12-00/part.parquet`,
`results/interactions/minute=2026-01-31T12-00/result.json` and `results/interactions/_progress.json` (readers of folders
skip names with an underscore).
"""

import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from media_analytics.resources.addresses import without_hadoop
from media_analytics.settings import Settings

EXTRACTS = "extracts/interactions"
RESULTS = "results/interactions"
_MINUTE = "%Y-%m-%dT%H-%M"
_READERS = 8


@dataclass(frozen=True)
class Progress:
    """The first and the newest minute that have a result; all between them have one, too."""

    first: datetime
    latest: datetime


class MinuteFiles:
    """The files of one installation. Nothing is opened before first use."""

    def __init__(self, settings: Settings) -> None:
        """Keep the address; open files later."""
        self._url = settings.lake.url.rstrip("/")

    def extract_url(self, minute: datetime) -> str:
        """The address of an extract, as Spark takes it."""
        return f"{self._url}/{_extract(minute)}"

    def write_extract(self, minute: datetime, rows: pa.Table) -> None:
        """Write or replace the extract of a minute. Equal rows give equal bytes."""
        sink = pa.BufferOutputStream()
        pq.write_table(rows, sink, compression="zstd")
        self._write(_extract(minute), sink.getvalue())

    def extract_rows(self, minute: datetime) -> int | None:
        """Rows of an extract, from its footer; None when there is none."""
        system, root = self._open()
        path = f"{root}/{_extract(minute)}"
        if system.get_file_info(path).type == fs.FileType.NotFound:
            return None
        return int(pq.ParquetFile(path, filesystem=system).metadata.num_rows)

    def write_result(self, minute: datetime, result: Mapping[str, Any]) -> None:
        """Write or replace the result of a minute, then the note of progress when it is the newest."""
        self._write(_result(minute), json.dumps(result, separators=(",", ":")).encode())
        progress = self.progress()
        if progress is None or minute > progress.latest:
            first = minute if progress is None else progress.first
            note = {"first": first.isoformat(), "latest": minute.isoformat()}
            self._write(f"{RESULTS}/_progress.json", json.dumps(note).encode())

    def results(self, minutes: Iterable[datetime]) -> list[dict[str, Any] | None]:
        """The results of minutes, None for one that has none."""
        with ThreadPoolExecutor(_READERS) as pool:
            texts = list(pool.map(lambda minute: self._read(_result(minute)), minutes))
        return [None if text is None else json.loads(text) for text in texts]

    def progress(self) -> Progress | None:
        """How far the results have come; None before the first."""
        text = self._read(f"{RESULTS}/_progress.json")
        if text is None:
            return None
        note = json.loads(text)
        return Progress(*(datetime.fromisoformat(note[name]).astimezone(UTC) for name in ("first", "latest")))

    def _open(self) -> tuple[fs.FileSystem, str]:
        if "://" in self._url:
            system, root = fs.FileSystem.from_uri(without_hadoop(self._url))
            return system, root
        return fs.LocalFileSystem(), self._url

    def _read(self, name: str) -> bytes | None:
        system, root = self._open()
        try:
            with system.open_input_file(f"{root}/{name}") as file:
                return bytes(file.readall())
        except FileNotFoundError:
            return None

    def _write(self, name: str, content: bytes | pa.Buffer) -> None:
        """An object store shows an object when it is complete; a folder needs a second name and a rename."""
        system, root = self._open()
        path = f"{root}/{name}"
        if isinstance(system, fs.LocalFileSystem):
            folder, _, file = path.rpartition("/")
            system.create_dir(folder)
            hidden = f"{folder}/.{file}.new"
            with system.open_output_stream(hidden) as stream:
                stream.write(content)
            system.move(hidden, path)
            return
        with system.open_output_stream(path) as stream:
            stream.write(content)


def _extract(minute: datetime) -> str:
    return f"{EXTRACTS}/minute={minute:{_MINUTE}}/part.parquet"


def _result(minute: datetime) -> str:
    return f"{RESULTS}/minute={minute:{_MINUTE}}/result.json"
