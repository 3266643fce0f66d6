"""One chDB connection: the only module that touches chDB.

Belongs here: opening, running one statement, asking chDB's parser what a statement is, cancelling. Does not belong
here: HTTP, users, pools. A connection is used by one thread at a time; `kill` is called from another one.
"""

import re
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

from chdb import _chdb as _module

from media_analytics.local.gateway.errors import ClickHouseError, from_chdb

# Its type stubs name a few of its functions only. The public classes lack `classify_query`.
_chdb: Any = _module

_SETTING = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


@dataclass(frozen=True)
class Outcome:
    """What a statement gave: its bytes and the counts of the summary header."""

    data: bytes
    read_rows: int
    read_bytes: int
    written_rows: int
    written_bytes: int
    result_rows: int
    elapsed_seconds: float


@dataclass(frozen=True)
class Kind:
    """chDB's reading of a text: READ_ONLY, MUTATING, MUTATING_GLOBAL, CONTROL or UNKNOWN, and how many statements."""

    query_class: str
    statements: int


def disable_signal_handlers() -> None:
    """Leave signals to the server; chDB would otherwise install its own. Call before the first connection."""
    _chdb.set_signal_handlers_enabled(0)


class ChdbConnection:
    """A chDB connection with its current database and settings."""

    def __init__(self, path: str) -> None:
        self._native: Any = _chdb.connect(path)
        self._guard = threading.Lock()
        self._thread: int | None = None

    def run(
        self, sql: bytes, output_format: str = "TabSeparated", params: Mapping[str, str] | None = None
    ) -> Outcome:
        """Run one statement in the calling thread.

        Raises:
            ClickHouseError: chDB refused or failed; a killed statement is code 394.
        """
        with self._running():
            try:
                result = self._native.query(sql, output_format, params=dict(params or {}))
            except RuntimeError as error:
                raise from_chdb(str(error)) from None
        return _outcome(result)

    def stream(
        self, sql: bytes, output_format: str, params: Mapping[str, str]
    ) -> Generator[Outcome, None, None]:
        """Run a SELECT and give its result block by block; chDB waits while the caller does.

        Raises:
            ClickHouseError: as `run`, also in the middle.
        """
        with self._running():
            try:
                stream = self._native.send_query(sql, output_format, params=dict(params))
                try:
                    while True:
                        block = self._native.streaming_fetch_result(stream)
                        if block is None:
                            return
                        yield _outcome(block)
                        # The last block has no rows, but may hold totals or extremes.
                        if block.rows_read() == 0:
                            return
                finally:
                    self._native.streaming_cancel_query(stream)
            except RuntimeError as error:
                raise from_chdb(str(error)) from None

    @contextmanager
    def _running(self) -> Iterator[None]:
        with self._guard:
            self._thread = threading.get_native_id()
        try:
            yield
        finally:
            # A kill in progress holds the guard, so it can never reach this thread's next statement.
            with self._guard:
                self._thread = None

    def kill(self, through: Self) -> bool:
        """Cancel the running statement by a KILL QUERY on another connection. False when nothing runs any more."""
        with self._guard:
            if self._thread is None:
                return False
            through.run(f"KILL QUERY WHERE has(thread_ids, {self._thread}) ASYNC".encode())
            return True

    def classify(self, sql: bytes) -> Kind:
        """Ask chDB's parser what the text is, without running it."""
        try:
            found = self._native.classify_query(sql)
        except RuntimeError as error:
            raise from_chdb(str(error)) from None
        return Kind(found["query_class"].name, found["statement_count"])

    def set(self, settings: Mapping[str, str]) -> None:
        """Apply settings to this connection.

        Raises:
            ClickHouseError: unknown name (115), wrong value, or the connection is read only (164).
        """
        if settings:
            self.run(("SET " + ", ".join(f"{_name(k)} = {quoted(v)}" for k, v in settings.items())).encode())

    def use(self, database: str) -> None:
        """Change the current database."""
        self.run(b"USE " + identifier(database).encode())

    def on_progress(self, callback: Callable[[dict[str, int]], None] | None) -> None:
        """Call `callback` with chDB's counters while statements run."""
        self._native.set_progress_callback(callback)

    def close(self) -> None:
        """Close it; temporary tables and settings are gone."""
        self._native.close()


def _outcome(result: Any) -> Outcome:
    return Outcome(
        data=result.bytes(),
        read_rows=result.storage_rows_read(),
        read_bytes=result.storage_bytes_read(),
        written_rows=result.rows_written(),
        written_bytes=result.bytes_written(),
        result_rows=result.rows_read(),
        elapsed_seconds=result.elapsed(),
    )


def quoted(text: str) -> str:
    """A ClickHouse string literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def identifier(name: str) -> str:
    """A ClickHouse identifier."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def _name(setting: str) -> str:
    if not _SETTING.match(setting):
        raise ClickHouseError(
            115, "UNKNOWN_SETTING", f"Setting {setting} is neither a builtin setting nor one that can be set."
        )
    return setting
