"""One statement from request to answer.

Belongs here: the order of things: session, connection, what chDB says the statement is, running it, streaming its
result, cancelling it when the client leaves. Does not belong here: HTTP routes (`app.py`), how chDB is called.
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from media_analytics.local.gateway import reader, statement
from media_analytics.local.gateway.chdb_connection import ChdbConnection, Kind, Outcome, identifier
from media_analytics.local.gateway.errors import ClickHouseError
from media_analytics.local.gateway.multipart import create_table
from media_analytics.local.gateway.pipes import ResultPipe
from media_analytics.local.gateway.pool import Lease, Session, UserPool
from media_analytics.local.gateway.reply import BUFFER_SECONDS, Reply, content_type
from media_analytics.local.gateway.request import Request, Work

_SELECTING = frozenset({b"SELECT", b"WITH", b"FROM"})
T = TypeVar("T")


async def answer(
    request: Request, work: Work, pool: UserPool, reply: Reply, gone: "asyncio.Future[object]"
) -> None:
    """Run `work` and write its answer, all but its end: connection and session are free before the client hears
    of it. `gone` is done when the client has left.

    Raises:
        ClickHouseError: the statement was refused or failed.
    """
    session_id = request.query.get("session_id") or None
    if session_id is None:
        await _answer(request, work, pool, reply, gone, None)
        return
    session = pool.sessions.enter(
        session_id, request.query.get("session_timeout"), request.flag("session_check")
    )
    try:
        await _answer(request, work, pool, reply, gone, session)
    finally:
        pool.sessions.leave(session_id, close=request.flag("close_session"))


async def _answer(
    request: Request,
    work: Work,
    pool: UserPool,
    reply: Reply,
    gone: "asyncio.Future[object]",
    session: Session | None,
) -> None:
    lease = await _in_thread(pool, lambda: pool.open(session, request.database, request.settings))
    try:
        kind = await _in_thread(pool, lambda: _judge(pool, lease, work))
        if request.form.tables:
            await _in_thread(pool, lambda: _create_tables(lease, request))
        verb = statement.verb(work.sql)
        is_reading = kind.query_class == "READ_ONLY"
        if is_reading and verb in _SELECTING:
            await _select(request, work, pool, reply, gone, lease)
        else:
            await _other(request, work, pool, reply, gone, lease, is_reading)
    finally:
        await asyncio.shield(_in_thread(pool, lambda: pool.release(lease)))


def _judge(pool: UserPool, lease: Lease, work: Work) -> Kind:
    """What chDB's parser says the statement is; refuse what this user may not send."""
    kind = lease.connection.classify(work.sql)
    if kind.statements > 1:
        raise ClickHouseError(62, "SYNTAX_ERROR", "Syntax error (Multi-statements are not allowed).")
    if pool.user.is_reader:
        reader.check(lease.connection, work.sql, kind)
    lease.lasting = kind.query_class == "CONTROL"
    return kind


def _create_tables(lease: Lease, request: Request) -> None:
    """Make the request's external tables; they live as long as the request."""
    lease.changed = True
    for table in request.form.tables:
        lease.connection.run(create_table(table, request.query))
        lease.undo.append(f"DROP TEMPORARY TABLE {identifier(table.name)}".encode())


async def _select(
    request: Request, work: Work, pool: UserPool, reply: Reply, gone: "asyncio.Future[object]", lease: Lease
) -> None:
    """Stream a result: chDB writes it into a pipe, in any format, and waits when the client is slow."""
    pipe = ResultPipe()
    sql, name = statement.with_target(work.sql, pipe.path, request.default_format)
    _describe(reply, name)

    def run() -> Outcome:
        try:
            return lease.connection.run(sql, name, request.params)
        finally:
            pipe.close_write()

    job = asyncio.get_running_loop().run_in_executor(pool.threads, run)
    pump = asyncio.ensure_future(_pump(pipe, reply))
    try:
        await asyncio.wait({pump, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not pump.done():
            raise ClickHouseError(394, "QUERY_WAS_CANCELLED", "The client has left.")
        _summarise(reply, await job)
    finally:
        pump.cancel()
        await asyncio.wait({pump})
        pipe.close_read()
        await _stop(pool, lease.connection, job)


async def _pump(pipe: ResultPipe, reply: Reply) -> None:
    while (data := await pipe.read(BUFFER_SECONDS)) != b"":
        if data is None:
            await reply.flush_due()
        else:
            await reply.write(data)


async def _other(
    request: Request,
    work: Work,
    pool: UserPool,
    reply: Reply,
    gone: "asyncio.Future[object]",
    lease: Lease,
    is_reading: bool,
) -> None:
    """Everything whose answer is small: DDL, inserts, SHOW, SET."""
    sql = work.sql
    if work.insert is not None and work.data is not None:
        sql = statement.with_source(work.sql, work.insert, work.data.path)
    job = asyncio.get_running_loop().run_in_executor(
        pool.threads, lambda: lease.connection.run(sql, request.default_format, request.params)
    )
    try:
        await asyncio.wait({job, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not job.done():
            raise ClickHouseError(394, "QUERY_WAS_CANCELLED", "The client has left.")
        outcome = await job
        _summarise(reply, outcome)
        if is_reading or outcome.data:
            _describe(reply, statement.output_format(work.sql)[0] or request.default_format)
        await reply.write(outcome.data)
    finally:
        await _stop(pool, lease.connection, job)


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
    return await asyncio.get_running_loop().run_in_executor(pool.threads, work)
