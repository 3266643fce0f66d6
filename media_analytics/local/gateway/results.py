"""The result of a SELECT, on its way from chDB to the client.

Belongs here: the two ways rows leave chDB. Formats whose blocks can simply follow each other are fetched block by
block; every other format is written by chDB into a pipe. Does not belong here: other statements, cancelling.
"""

import time
from collections.abc import Callable
from contextlib import closing

from media_analytics.local.gateway import statement
from media_analytics.local.gateway.chdb_connection import ChdbConnection, Outcome
from media_analytics.local.gateway.pipes import Relay, ResultPipe, Source

# Blocks of these formats may be joined; of others a block is a document of its own, or repeats a header.
_JOINABLE = frozenset(
    {
        "Native",
        "RowBinary",
        "TabSeparated",
        "TSV",
        "TabSeparatedRaw",
        "TSVRaw",
        "CSV",
        "JSONEachRow",
        "JSONLines",
        "NDJSON",
        "JSONCompactEachRow",
        "JSONStringsEachRow",
        "JSONCompactStringsEachRow",
    }
)
# These settings put something around the whole of a joinable format.
_ENCLOSING = (b"output_format_json_array_of_rows",)
# Small blocks are joined before they are handed over, for at most this long.
_JOIN_BYTES, _JOIN_SECONDS = 256 * 1024, 0.1

Run = Callable[[], Outcome]


def prepare(
    connection: ChdbConnection, sql: bytes, default_format: str, params: dict[str, str], is_pinned: bool
) -> tuple[str, Source, Run]:
    """The format of a SELECT's result, where it will be read, and the work of the thread that produces it."""
    written, _ = statement.output_format(sql)
    name = written or default_format
    # A session may have set an enclosing setting; its connection is only trusted with formats that have none.
    encloses = any(word in sql for word in _ENCLOSING) or (is_pinned and name.startswith(("JSON", "ND")))
    if name in _JOINABLE and not encloses:
        relay = Relay()
        return name, relay, lambda: _blocks(connection, sql, name, params, relay)
    pipe = ResultPipe()
    target, name = statement.with_target(sql, pipe.path, default_format)
    return name, pipe, lambda: _through(connection, target, name, params, pipe)


def _through(
    connection: ChdbConnection, sql: bytes, name: str, params: dict[str, str], pipe: ResultPipe
) -> Outcome:
    try:
        return connection.run(sql, name, params)
    finally:
        pipe.close_write()


def _blocks(
    connection: ChdbConnection, sql: bytes, name: str, params: dict[str, str], relay: Relay
) -> Outcome:
    began = handed = time.monotonic()
    held = bytearray()
    read_rows = read_bytes = result_rows = total = 0
    try:
        # Closed here and now: a stream that waits for the garbage collector keeps its query alive.
        with closing(connection.stream(sql, name, params)) as blocks:
            for block in blocks:
                held += block.data
                total += len(block.data)
                read_rows += block.read_rows
                read_bytes += block.read_bytes
                result_rows += block.result_rows
                now = time.monotonic()
                if len(held) >= _JOIN_BYTES or now - handed >= _JOIN_SECONDS:
                    relay.write(bytes(held))
                    held.clear()
                    handed = now
        if total == 0 and name == "Native":
            # No block, no header: a client learns the columns from an empty block, which `run` gives.
            held += connection.run(sql, name, params).data
        if held:
            relay.write(bytes(held))
    finally:
        relay.write(b"")
    return Outcome(b"", read_rows, read_bytes, 0, 0, result_rows, time.monotonic() - began)
