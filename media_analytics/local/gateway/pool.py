"""Connections for users, and HTTP sessions.

Belongs here: how many statements a user runs at once, which connection a request gets, when a session gets one of its
own and when it ends. Does not belong here: HTTP, statements. A connection costs 0.2 ms to open, so one that a request
changed is closed rather than cleaned.
"""

import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from media_analytics.local.gateway import reader
from media_analytics.local.gateway.chdb_connection import ChdbConnection, identifier, quoted
from media_analytics.local.gateway.config import GatewayConfig, User
from media_analytics.local.gateway.errors import ClickHouseError

DEFAULT_SESSION_SECONDS, LONGEST_SESSION_SECONDS = 60, 3600
# Connections kept open for requests that leave no trace on them.
_SPARE_CONNECTIONS = 10


@dataclass
class Session:
    """An HTTP session. It holds no connection until a statement changes something that must last."""

    seconds: float
    expires_at: float
    busy: bool = False
    connection: ChdbConnection | None = None


@dataclass
class Lease:
    """A connection for one request.

    `lasting`: the statement changes the session itself. `changed`: the request left something on the connection.
    `undo`: what a session that keeps the connection runs to forget what was for this request only.
    """

    connection: ChdbConnection
    session: Session | None
    changed: bool
    lasting: bool = False
    undo: list[bytes] = field(default_factory=list)


class Sessions:
    """The HTTP sessions of one user. Used from the event loop only."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._by_id: dict[str, Session] = {}

    def enter(self, session_id: str, timeout: str | None, must_exist: bool) -> Session:
        """Take a session for one request.

        Raises:
            ClickHouseError: 372 not there, 373 in use by another request, 374 the timeout is wrong, 202 too many.
        """
        self.sweep()
        seconds = _session_seconds(timeout)
        session = self._by_id.get(session_id)
        if session is None:
            if must_exist:
                raise ClickHouseError(372, "SESSION_NOT_FOUND", f"Session {session_id} not found.")
            if len(self._by_id) >= self._limit:
                self._drop_oldest()
            session = self._by_id[session_id] = Session(seconds, time.monotonic() + seconds)
        if session.busy:
            raise ClickHouseError(
                373, "SESSION_IS_LOCKED", f"Session {session_id} is locked by a concurrent client."
            )
        session.busy, session.seconds = True, seconds
        return session

    def leave(self, session_id: str, close: bool) -> None:
        """Give it back; its time starts anew."""
        session = self._by_id[session_id]
        session.busy = False
        session.expires_at = time.monotonic() + session.seconds
        if close:
            self._close(session_id)

    def sweep(self) -> None:
        """End the sessions whose time is over."""
        now = time.monotonic()
        for session_id in [k for k, s in self._by_id.items() if not s.busy and s.expires_at < now]:
            self._close(session_id)

    def close(self) -> None:
        """End all."""
        for session_id in list(self._by_id):
            self._close(session_id)

    def _drop_oldest(self) -> None:
        """Make room: sessions without a connection of their own lose nothing when they end."""
        idle = [(s.connection is not None, s.expires_at, k) for k, s in self._by_id.items() if not s.busy]
        if not idle or min(idle)[0]:
            raise ClickHouseError(
                202, "TOO_MANY_SIMULTANEOUS_QUERIES", f"Too many sessions (limit {self._limit})."
            )
        self._close(min(idle)[2])

    def _close(self, session_id: str) -> None:
        session = self._by_id.pop(session_id)
        if session.connection is not None:
            session.connection.close()


class UserPool:
    """One user's threads, connections and sessions. `open` and `release` run in its `desk`."""

    def __init__(self, config: GatewayConfig, user: User, catalog: reader.Catalog) -> None:
        self.user = user
        self.catalog = catalog
        # Statements run in `threads`; more wait. What prepares and ends them is short and has threads of its own.
        self.threads = ThreadPoolExecutor(user.concurrency, thread_name_prefix=f"chdb-{user.name}")
        self.desk = ThreadPoolExecutor(4, thread_name_prefix=f"desk-{user.name}")
        self.sessions = Sessions(config.max_sessions)
        self._data = str(config.data)
        self._lock = threading.Lock()
        self._spare: list[ChdbConnection] = []

    def open(self, session: Session | None, database: str | None, settings: Mapping[str, str]) -> Lease:
        """A connection with `database` and `settings` applied.

        Raises:
            ClickHouseError: a setting or the database is unknown, or the user may not change it.
        """
        if self.user.is_reader:
            return self._open_reader(database, settings)
        pinned = session.connection if session is not None else None
        lease = Lease(pinned or self._connection(), session, bool(settings) or database is not None)
        try:
            if pinned is not None:
                lease.undo = _restoring(pinned, database, settings)
            elif session is not None:
                lease.undo = self._forgetting(database, settings)
            if database is not None:
                lease.connection.use(database)
            lease.connection.set(settings)
        except BaseException:
            self.release(lease)
            raise
        return lease

    def release(self, lease: Lease) -> None:
        """Keep, pin or close the connection. A statement of a session that lasts pins its connection to it."""
        session = lease.session
        if session is not None and (session.connection is not None or lease.lasting):
            session.connection = lease.connection
            for sql in lease.undo:
                lease.connection.run(sql)
            return
        with self._lock:
            if not lease.lasting and not lease.changed and len(self._spare) < _SPARE_CONNECTIONS:
                self._spare.append(lease.connection)
                return
        lease.connection.close()

    def kill(self, connection: ChdbConnection) -> None:
        """Cancel what `connection` runs, from another thread and through a connection without limits."""
        through = ChdbConnection(self._data)
        try:
            connection.kill(through)
        finally:
            through.close()

    def close(self) -> None:
        """End sessions and connections. Running statements must have ended."""
        self.threads.shutdown(wait=True)
        self.desk.shutdown(wait=True)
        self.sessions.close()
        while self._spare:
            self._spare.pop().close()

    def _open_reader(self, database: str | None, settings: Mapping[str, str]) -> Lease:
        """A reader's connection is read only from its first statement on, and no session keeps it."""
        extra = reader.settings(self.user.settings, settings)
        changed = bool(settings) or database is not None
        lease = Lease(self._connection() if not changed else ChdbConnection(self._data), None, changed)
        try:
            if changed:
                lease.connection.set(dict(self.user.settings) | extra | {"readonly": "1"})
            if database is not None:
                lease.connection.use(database)
        except BaseException:
            self.release(lease)
            raise
        return lease

    def _forgetting(self, database: str | None, settings: Mapping[str, str]) -> list[bytes]:
        undo = [b"USE default"] if database is not None else []
        for name in settings:
            value = self.user.settings.get(name)
            undo.append(f"SET {name} = {'DEFAULT' if value is None else quoted(value)}".encode())
        return undo

    def _connection(self) -> ChdbConnection:
        with self._lock:
            if self._spare:
                return self._spare.pop()
        connection = ChdbConnection(self._data)
        connection.set(dict(self.user.settings) | ({"readonly": "1"} if self.user.is_reader else {}))
        return connection


def _session_seconds(timeout: str | None) -> float:
    if timeout is None:
        return DEFAULT_SESSION_SECONDS
    if not timeout.isdigit() or int(timeout) > LONGEST_SESSION_SECONDS:
        raise ClickHouseError(
            374,
            "INVALID_SESSION_TIMEOUT",
            f"Invalid session timeout: '{timeout}' (at most {LONGEST_SESSION_SECONDS} s).",
        )
    return int(timeout)


def _restoring(connection: ChdbConnection, database: str | None, settings: Mapping[str, str]) -> list[bytes]:
    """The statements that undo what this request applies for itself to a session's connection."""
    undo: list[bytes] = []
    if database is not None:
        name = connection.run(b"SELECT currentDatabase()", "RawBLOB").data.decode()
        undo.append(b"USE " + identifier(name).encode())
    for name in settings:
        try:
            value = connection.run(f"SELECT toString(getSetting({quoted(name)}))".encode(), "RawBLOB").data
        except ClickHouseError:
            undo.append(f"SET {name} = DEFAULT".encode())
        else:
            undo.append(f"SET {name} = {quoted(value.decode())}".encode())
    return undo
