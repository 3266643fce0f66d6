"""One statement from request to answer.

Belongs here: the order of things: session, connection, what chDB says the statement is, running it, cancelling it
when the client leaves. Does not belong here: HTTP routes (`app.py`), how chDB is called, how results flow.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from media_analytics.local.gateway import accounts, reader, results, statement
from media_analytics.local.gateway.chdb_connection import ChdbConnection, Kind, Outcome, identifier
from media_analytics.local.gateway.errors import ClickHouseError
from media_analytics.local.gateway.multipart import create_table
from media_analytics.local.gateway.pipes import Source
from media_analytics.local.gateway.pool import Lease, Session, UserPool
from media_analytics.local.gateway.reply import BUFFER_SECONDS, Reply, content_type
from media_analytics.local.gateway.request import Request, Work

_SELECTING = frozenset({b"SELECT", b"WITH", b"FROM"})
T = TypeVar("T")


@dataclass(frozen=True)
class Exchange:
    """A request with its statement, who asks, where the answer goes, and a future that is done when the client left."""

    request: Request
    work: Work
    pool: UserPool
    reply: Reply
    gone: "asyncio.Future[Any]"


async def answer(exchange: Exchange) -> None:
    """Run the statement and write its answer, all but the end: session and connection are free before that.

    Raises:
        ClickHouseError: the statement was refused or failed.
    """
    request, sessions = exchange.request, exchange.pool.sessions
    if not exchange.pool.user.is_reader:
        sql = accounts.without_account_tables(exchange.work.sql)
        exchange = replace(exchange, work=replace(exchange.work, sql=sql))
    session_id = request.query.get("session_id") or None
    if session_id is None:
        await _answer(exchange, None)
        return
    session = sessions.enter(session_id, request.query.get("session_timeout"), request.flag("session_check"))
    try:
        await _answer(exchange, session)
    finally:
        sessions.leave(session_id, close=request.flag("close_session"))


async def _answer(exchange: Exchange, session: Session | None) -> None:
    request, work, pool = exchange.request, exchange.work, exchange.pool
    lease = await _in_thread(pool, lambda: pool.open(session, request.database, request.settings))
    try:
        kind = await _in_thread(pool, lambda: _judge(exchange, lease))
        if request.form.tables:
            await _in_thread(pool, lambda: _create_tables(lease, request))
        if not pool.user.is_reader and accounts.changes_accounts(work.sql):
            accounts.note_ignored(work.sql)
            return
        is_reading = kind.query_class == "READ_ONLY"
        if is_reading and statement.verb(work.sql) in _SELECTING:
            await _select(exchange, lease)
        else:
            await _other(exchange, lease, is_reading)
    finally:
        await asyncio.shield(_in_thread(pool, lambda: pool.release(lease)))


def _judge(exchange: Exchange, lease: Lease) -> Kind:
    """What chDB's parser says the statement is; refuse what this user may not send."""
    sql, pool = exchange.work.sql, exchange.pool
    kind = lease.connection.classify(sql)
    if kind.statements > 1:
        raise ClickHouseError(62, "SYNTAX_ERROR", "Syntax error (Multi-statements are not allowed).")
    if pool.user.is_reader:
        if exchange.request.form.tables:
            raise ClickHouseError(164, "READONLY", "External tables cannot be created in readonly mode.")
        reader.check(lease.connection, pool.catalog, sql, kind, exchange.request.params)
    lease.lasting = kind.query_class == "CONTROL"
    return kind


def _create_tables(lease: Lease, request: Request) -> None:
    """Make the request's external tables; they live as long as the request."""
    lease.changed = True
    for table in request.form.tables:
        lease.connection.run(create_table(table, request.query))
        lease.undo.append(f"DROP TEMPORARY TABLE {identifier(table.name)}".encode())


async def _select(exchange: Exchange, lease: Lease) -> None:
    """Stream a result; chDB waits when the client is slow."""
    request, reply = exchange.request, exchange.reply
    is_pinned = lease.session is not None and lease.session.connection is not None
    name, source, run = results.prepare(
        lease.connection, exchange.work.sql, request.default_format, request.params, is_pinned
    )
    _describe(reply, name)
    job = _start(exchange.pool, run)
    pump = asyncio.ensure_future(_pump(source, reply))
    try:
        await asyncio.wait({pump, exchange.gone}, return_when=asyncio.FIRST_COMPLETED)
        if not pump.done():
            raise ClickHouseError(394, "QUERY_WAS_CANCELLED", "The client has left.")
        _summarise(reply, await job)
    finally:
        pump.cancel()
        await asyncio.wait({pump})
        source.close_read()
        await _stop(exchange.pool, lease.connection, job)


async def _pump(source: Source, reply: Reply) -> None:
    while (data := await source.read(BUFFER_SECONDS)) != b"":
        if data is None:
            await reply.flush_due()
        else:
            await reply.write(data)


async def _other(exchange: Exchange, lease: Lease, is_reading: bool) -> None:
    """Everything whose answer is small: DDL, inserts, SHOW, SET."""
    request, work, reply = exchange.request, exchange.work, exchange.reply
    sql = work.sql
    if work.insert is not None and work.data is not None:
        sql = statement.with_source(work.sql, work.insert, work.data.path)
    job = _start(exchange.pool, lambda: lease.connection.run(sql, request.default_format, request.params))
    try:
        await asyncio.wait({job, exchange.gone}, return_when=asyncio.FIRST_COMPLETED)
        if not job.done():
            raise ClickHouseError(394, "QUERY_WAS_CANCELLED", "The client has left.")
        outcome = await job
        _summarise(reply, outcome)
        if is_reading or outcome.data:
            _describe(reply, statement.output_format(work.sql)[0] or request.default_format)
        await reply.write(outcome.data)
    finally:
        await _stop(exchange.pool, lease.connection, job)


def _start(pool: UserPool, run: Callable[[], Outcome]) -> "asyncio.Future[Outcome]":
    return asyncio.get_running_loop().run_in_executor(pool.threads, run)


async def _stop(pool: UserPool, connection: ChdbConnection, job: "asyncio.Future[Outcome]") -> None:
    """Kill the statement if it still runs, and wait until it has ended: its files and connection are then free."""
    while not job.done():
        await asyncio.to_thread(pool.kill, connection)
        await asyncio.wait({job}, timeout=0.05)
    if not job.cancelled():
        job.exception()


def _describe(reply: Reply, name: str) -> None:
    reply.headers["X-ClickHouse-Format"] = name
    reply.headers["Content-Type"] = content_type(name)


def _summarise(reply: Reply, outcome: Outcome) -> None:
    reply.summary = {
        "read_rows": outcome.read_rows,
        "read_bytes": outcome.read_bytes,
        "written_rows": outcome.written_rows,
        "written_bytes": outcome.written_bytes,
        "total_rows_to_read": outcome.read_rows,
        "result_rows": outcome.written_rows or outcome.result_rows,
        "result_bytes": len(outcome.data) or outcome.written_bytes,
        "elapsed_ns": int(outcome.elapsed_seconds * 1e9),
    }


async def _in_thread(pool: UserPool, work: Callable[[], T]) -> T:
    """Short calls of chDB, beside the threads that run statements."""
    return await asyncio.get_running_loop().run_in_executor(pool.desk, work)
