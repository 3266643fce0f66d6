"""One HTTP request, read as ClickHouse reads it.

Belongs here: which query arguments are the protocol's own and which are settings, and the statement with its data.
Does not belong here: running it.
"""

import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl

from media_analytics.local.gateway import statement
from media_analytics.local.gateway.errors import ClickHouseError
from media_analytics.local.gateway.multipart import Form, boundary, own_arguments, read_form
from media_analytics.local.gateway.spool import Spool

_OWN_ARGUMENTS = frozenset(
    {"query", "database", "default_format", "user", "password", "query_id", "session_id"}
    | {"session_timeout", "session_check", "close_session", "compress", "decompress"}
    | {"buffer_size", "wait_end_of_query", "stacktrace", "quota_key", "role"}
    | {"client_protocol_version", "send_progress_in_http_headers"}
    | {"http_headers_progress_interval_ms", "enable_http_compression"}
    | {"http_zlib_compression_level", "cancel_http_readonly_queries_on_client_close"}
    | {"add_http_cors_header", "http_response_headers", "jwt"}
)
# The statement of an insert must end within this many bytes (ClickHouse's max_query_size).
_HEAD_BYTES = 256 * 1024


@dataclass(frozen=True)
class Request:
    """Headers in lower case, query arguments, and what they mean."""

    method: str
    path: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    form: Form = field(default_factory=Form)

    @property
    def query_id(self) -> str:
        """The client's id of this query, or a new one."""
        return self.query.get("query_id") or self.headers.get("x-clickhouse-query-id") or str(uuid.uuid4())

    @property
    def database(self) -> str | None:
        """The database to run in, if the client names one."""
        return self.query.get("database") or self.headers.get("x-clickhouse-database") or None

    @property
    def default_format(self) -> str:
        """The output format when the statement has no FORMAT.

        Raises:
            ClickHouseError: the name cannot be a format's name.
        """
        name = self.query.get("default_format") or self.headers.get("x-clickhouse-format") or "TabSeparated"
        if not name.isidentifier():
            raise ClickHouseError(73, "UNKNOWN_FORMAT", f"Unknown format {name}.")
        return name

    @property
    def params(self) -> dict[str, str]:
        """Values of `{name:Type}` placeholders, in ClickHouse's escaped form."""
        return {k.removeprefix("param_"): v for k, v in self.query.items() if k.startswith("param_")}

    @property
    def settings(self) -> dict[str, str]:
        """Every other argument is a setting for this query."""
        own = _OWN_ARGUMENTS | own_arguments(self.form.tables)
        return {k: v for k, v in self.query.items() if k not in own and not k.startswith("param_")}

    def flag(self, name: str) -> bool:
        """A switch of the protocol, such as `wait_end_of_query=1`."""
        return self.query.get(name, "0") not in ("", "0", "false")


@dataclass
class Work:
    """A statement, and the data of an insert beside it."""

    sql: bytes
    insert: statement.Insert | None = None
    data: Spool | None = None

    def close(self) -> None:
        """Free the data."""
        if self.data is not None:
            self.data.close()


def parse_query(raw: bytes) -> dict[str, str]:
    """Query arguments; the last of a repeated name wins."""
    return dict(
        parse_qsl(
            raw.decode("utf-8", "surrogateescape"),
            keep_blank_values=True,
            max_num_fields=10_000,
            errors="surrogateescape",
        )
    )


async def with_form(
    request: Request, body: AsyncIterator[bytes], new_spool: Callable[[], Spool], limit: int
) -> Request:
    """The request with the fields of its multipart body as arguments; any other request as it is."""
    mark = boundary(request.headers.get("content-type", ""))
    if mark is None:
        return request
    form = await read_form(mark, body, new_spool, limit)
    return replace(request, query=dict(request.query) | form.fields, form=form)


async def read_work(
    request: Request, body: AsyncIterator[bytes], new_spool: Callable[[], Spool], limit: int
) -> Work:
    """Read the body. The statement is the argument `query`, a line break and the body, as in ClickHouse.

    The data of an insert goes to a spool, unread; everything else is the statement.

    Raises:
        ClickHouseError: the statement is empty or larger than `limit`.
    """
    head = request.query.get("query", "").encode("utf-8", "surrogateescape")
    head += b"\n" if head else b""
    is_insert: bool | None = None
    async for chunk in body:
        head += chunk
        if is_insert is None and len(head) >= _HEAD_BYTES:
            is_insert = statement.verb(head) == b"INSERT"
        if is_insert:
            found = statement.split_insert(head)
            if found is not None:
                return await _spool(head, found, body, new_spool())
        if len(head) > limit:
            raise ClickHouseError(223, "QUERY_IS_TOO_LARGE", f"The statement is larger than {limit} bytes.")
    if not head.strip():
        raise ClickHouseError(
            62, "SYNTAX_ERROR", "Syntax error: failed at position 1 (end of query): Empty query."
        )
    found = statement.split_insert(head)
    if found is None:
        return Work(head)
    return await _spool(head, found, body, new_spool())


async def _spool(head: bytes, insert: statement.Insert, body: AsyncIterator[bytes], spool: Spool) -> Work:
    work = Work(head[: insert.clause_end], insert, spool)
    try:
        spool.write(head[insert.data_at :])
        async for chunk in body:
            spool.write(chunk)
    except BaseException:
        spool.close()
        raise
    return work
