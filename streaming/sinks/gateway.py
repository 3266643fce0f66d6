"""ClickHouse's HTTP interface, as far as a sink needs it.

Belongs here: inserting Avro values, asking for columns and emptiness, telling a bad value from a store that is
away. Does not belong here: offsets, tokens, what to do about a failure.
"""

import json
import uuid
from collections.abc import Sequence
from typing import Any, Literal

import httpx

from media_analytics.errors import ServiceError
from media_analytics.settings import ClickHouse

DataFormat = Literal["AvroConfluent", "Avro"]
# Codes by which ClickHouse refuses values: parsing, ranges, types, constraints. Everything else is the store's state.
BAD_DATA = frozenset((6, 26, 27, 33, 38, 41, 53, 69, 70, 72, 117, 131, 321, 349, 376, 407, 469, 691, 1001))
# Codes that say this user may not: no retry heals that.
_REFUSED = frozenset((164, 192, 193, 194, 497, 516))
_INSERT_SETTINGS: dict[str, str | int] = {
    "input_format_avro_allow_missing_fields": 1,
    "input_format_parallel_parsing": 0,
    "max_threads": 1,
    "max_insert_threads": 1,
    "async_insert": 0,
    "deduplicate_insert": "enable",
    "wait_end_of_query": 1,
}


class StoreUnavailableError(ServiceError):
    """No insert is possible now: wait and try the same again."""


class BadDataError(ServiceError):
    """The store refuses a value of the insert; nothing of the insert was stored."""


class Gateway:
    """One table of a ClickHouse server.

    `data_format` is what inserts are written in: `AvroConfluent`, framed values, or `Avro`, one file with its schema.
    `timeout_seconds` bounds one insert; a slower one is sent again.
    """

    def __init__(
        self,
        clickhouse: ClickHouse,
        table: str,
        registry_url: str,
        process: str,
        data_format: DataFormat = "AvroConfluent",
        timeout_seconds: float = 120.0,
    ) -> None:
        self._table = table
        self._format = data_format
        self._process = process
        self._registry_url = registry_url
        self._http = httpx.Client(
            base_url=clickhouse.url,
            timeout=httpx.Timeout(timeout_seconds, connect=5.0),
            trust_env=False,
            headers={
                "X-ClickHouse-User": clickhouse.user,
                "X-ClickHouse-Key": clickhouse.password.get_secret_value(),
            },
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def columns(self) -> dict[str, str]:
        """Name and type of the columns that an insert fills: those without a default of their own.

        Raises:
            StoreUnavailableError: no answer, or the table does not exist yet.
        """
        rows = self._rows(f"DESCRIBE TABLE {self._table}")
        return {row["name"]: row["type"] for row in rows if not row["default_type"]}

    def is_empty(self, source: tuple[str, int] | None = None) -> bool:
        """Whether the table holds no row, or none of one partition of the first topic."""
        condition = "WHERE source_topic = '{}' AND source_partition = {} ".format(*source) if source else ""
        return not self._rows(f"SELECT 1 AS one FROM {self._table} {condition}LIMIT 1")

    def insert(self, values: Sequence[bytes], columns: Sequence[str], token: str) -> None:
        """Insert Avro values, given as parts of the body. The same token again is dropped by the store.

        Raises:
            BadDataError: a value is refused.
            StoreUnavailableError: nothing is known of the outcome, or the store cannot insert now.
        """
        names = ", ".join(f"`{name}`" for name in columns)
        self._send(
            f"INSERT INTO {self._table} ({names}) FORMAT {self._format}",
            b"".join(values),
            {
                **_INSERT_SETTINGS,
                "format_avro_schema_registry_url": self._registry_url,
                "insert_deduplication_token": token,
                "log_comment": json.dumps({"process": self._process, "table": self._table, "token": token}),
            },
        )

    def try_values(self, values: Sequence[bytes], columns: dict[str, str]) -> None:
        """Parse values as an insert would, and store nothing.

        Raises:
            BadDataError, StoreUnavailableError: as `insert`.
        """
        structure = ", ".join(f"`{name}` {kind}" for name, kind in columns.items())
        escaped = structure.replace("\\", "\\\\").replace("'", "\\'")
        self._send(
            f"INSERT INTO FUNCTION null('{escaped}') FORMAT {self._format}",
            b"".join(values),
            {**_INSERT_SETTINGS, "format_avro_schema_registry_url": self._registry_url},
        )

    def _rows(self, query: str) -> list[dict[str, Any]]:
        answer = self._send(f"{query} FORMAT JSONEachRow", b"", {})
        return [json.loads(line) for line in answer.text.splitlines()]

    def _send(self, query: str, body: bytes, settings: dict[str, str | int]) -> httpx.Response:
        query_id = f"{self._process}-{uuid.uuid4()}"
        try:
            answer = self._http.post(
                "/", params={"query": query, "query_id": query_id, **settings}, content=body
            )
        except httpx.HTTPError as error:
            raise StoreUnavailableError(
                f"ClickHouse at {self._http.base_url}: {type(error).__name__}"
            ) from error
        if answer.is_success and "X-ClickHouse-Exception-Code" not in answer.headers:
            return answer
        code = int(answer.headers.get("X-ClickHouse-Exception-Code", "0"))
        text = f"ClickHouse answered {answer.status_code}, code {code}: {answer.text[:400].strip()}"
        if code in BAD_DATA:
            raise BadDataError(text)
        if code in _REFUSED or answer.status_code in (401, 403):
            raise ServiceError(
                f"{text}; check MEDIA_ANALYTICS_CLICKHOUSE__USER and __PASSWORD and the rights of that user"
            )
        raise StoreUnavailableError(text)
