"""What one gateway process is told.

Belongs here: address, folders, users with their limits, and the numbers that bound it. Does not belong here: reading
the environment (`__main__.py` passes settings in).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

from media_analytics.errors import SettingsError
from media_analytics.settings import Settings

# chDB's defaults that differ from a server's, set back, and the one server default that loses the answer of an insert.
_SERVER_DEFAULTS = {
    "async_insert": "0",
    "implicit_select": "0",
    "allow_introspection_functions": "0",
}

# What the reader may use. The pool adds `readonly` last: after it chDB refuses every change of a setting.
READER_LIMITS = {
    "max_execution_time": "30",
    "timeout_overflow_mode": "throw",
    "max_memory_usage": str(1024**3),
    "max_result_rows": "1000000",
    "max_result_bytes": str(256 * 1024**2),
    "result_overflow_mode": "throw",
    "max_rows_to_read": "1000000000",
    "read_overflow_mode": "throw",
    "max_threads": "2",
    "max_ast_depth": "500",
    "max_ast_elements": "20000",
    "max_expanded_ast_elements": "100000",
    "max_subquery_depth": "50",
    "format_display_secrets_in_show_and_select": "0",
    "allow_ddl": "0",
}


@dataclass(frozen=True)
class User:
    """A login. `concurrency` bounds its statements at once; more wait."""

    name: str
    password: str = field(repr=False)
    settings: Mapping[str, str]
    concurrency: int
    is_reader: bool


@dataclass(frozen=True)
class GatewayConfig:
    """Everything the gateway needs to start."""

    host: str
    port: int
    data: Path
    scratch: Path
    # chDB reads Delta tables below its working folder only, so that is the lake's. Its default database also finds
    # files there as tables; `reader.py` refuses them to readers.
    working: Path
    home_id: str
    users: tuple[User, ...]
    # A statement (without its data) up to this size is accepted.
    max_statement_bytes: int = 16 * 1024 * 1024
    # Sessions that hold a connection of their own (SET, USE, temporary tables).
    max_sessions: int = 256


def home_id(home: Path) -> str:
    """Identifies the home a process serves: the first 16 hex digits of the SHA-256 of its resolved path."""
    return hashlib.sha256(str(home.resolve()).encode()).hexdigest()[:16]


def gateway_config(settings: Settings) -> GatewayConfig:
    """The configuration that the platform's settings describe.

    Raises:
        SettingsError: the address has no port, or is not on loopback.
    """
    address = urlsplit(settings.clickhouse.url)
    if address.port is None or address.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise SettingsError(
            f"clickhouse.url is {settings.clickhouse.url!r}; the embedded gateway serves loopback only: "
            "set MEDIA_ANALYTICS_CLICKHOUSE__URL to http://127.0.0.1:<port>"
        )
    clickhouse = settings.clickhouse
    admin = User(
        clickhouse.user,
        clickhouse.password.get_secret_value(),
        MappingProxyType(dict(_SERVER_DEFAULTS)),
        concurrency=10,
        is_reader=False,
    )
    reader = User(
        clickhouse.reader_user,
        clickhouse.reader_password.get_secret_value(),
        MappingProxyType(_SERVER_DEFAULTS | READER_LIMITS),
        concurrency=6,
        is_reader=True,
    )
    lake, scratch = settings.lake.url, settings.home / "clickhouse-scratch"
    return GatewayConfig(
        host="127.0.0.1" if address.hostname == "localhost" else address.hostname,
        port=address.port,
        data=settings.home / "clickhouse",
        scratch=scratch,
        working=scratch / "empty" if "://" in lake else Path(lake),
        home_id=home_id(settings.home),
        users=(admin, reader),
    )
