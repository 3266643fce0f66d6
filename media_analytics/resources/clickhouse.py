"""What batch work asks the serving store.

Belongs here: one client with the run's limits and comments. Does not belong here: queries of one table or check, and
inserts into tables that the sink writes.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from io import IOBase
from typing import Any

import clickhouse_connect
import pyarrow as pa
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from media_analytics.errors import ServiceError
from media_analytics.settings import Settings

# Bounds of one query of batch work: a check must never starve the live numbers.
MAX_EXECUTION_SECONDS = 60
MAX_MEMORY_BYTES = 2 * 1024**3
# One statement that copies partitions; the client gives up at 300 s.
MAX_LOAD_SECONDS = 280
# A run copies up to 366 days; without this an insert may touch 100 partitions.
_LOADS = {"max_partitions_per_insert_block": 0}


class ClickHouse:
    """Queries as the platform user, or as the reader, who may do nothing else. Connects at the first query."""

    def __init__(self, settings: Settings, *, as_reader: bool = False) -> None:
        """Keep the settings; connect later."""
        self._settings = settings
        self._as_reader = as_reader

    @cached_property
    def _client(self) -> Client:
        settings = self._settings.clickhouse
        user, password = (
            (settings.reader_user, settings.reader_password)
            if self._as_reader
            else (settings.user, settings.password)
        )
        return clickhouse_connect.get_client(
            dsn=settings.url,
            username=user,
            password=password.get_secret_value(),
            autogenerate_session_id=False,
        )

    def rows(
        self, sql: str, parameters: Mapping[str, Any] | None = None, comment: str = ""
    ) -> Sequence[Sequence[Any]]:
        """Rows of a query; see `named_rows`."""
        return self.named_rows(sql, parameters, comment)[1]

    def named_rows(
        self,
        sql: str,
        parameters: Mapping[str, Any] | None = None,
        comment: str = "",
        settings: Mapping[str, Any] | None = None,
    ) -> tuple[Sequence[str], Sequence[Sequence[Any]]]:
        """Column names and rows of a query. `comment` (run, asset, partition) stands in the store's query log.

        `settings` are settings of the store for this query.

        Raises:
            ServiceError: the store does not answer or refuses the query.
        """
        with self._explained():
            result = self._client.query(
                sql,
                parameters=dict(parameters or {}),
                settings=self._limits(comment) | dict(settings or {}),
                tz_mode="aware",
            )
        return result.column_names, result.result_rows

    def run(self, sql: str, comment: str = "", settings: Mapping[str, Any] | None = None) -> None:
        """Run a statement that changes tables of batch work, within the limits of loads.

        Raises:
            ServiceError: the store does not answer or refuses the statement.
        """
        limits = self._limits(comment) | {"max_execution_time": MAX_LOAD_SECONDS, **_LOADS}
        with self._explained():
            self._client.command(sql, settings=limits | dict(settings or {}))

    def arrow(self, sql: str, parameters: Mapping[str, Any] | None = None, comment: str = "") -> pa.Table:
        """The result of a query as an Arrow table, texts as strings: for many rows.

        Raises:
            ServiceError: the store does not answer or refuses the query.
        """
        with self._explained():
            return self._client.query_arrow(
                sql, parameters=dict(parameters or {}), settings=self._limits(comment), use_strings=True
            )

    def first_rows(
        self, sql: str, most: int, parameters: Mapping[str, Any] | None = None
    ) -> tuple[pa.Table, bool]:
        """The first rows of a query, at most so many, as it orders them, and whether there are more.

        Raises:
            ServiceError: the store does not answer or refuses the query.
        """
        # As a header: a format in the statement is a name that the reader may not use.
        wanted = {"X-ClickHouse-Format": "ArrowStream"}
        found: list[pa.RecordBatch] = []
        count = 0
        with (
            self._explained(),
            self._client.raw_stream(
                sql,
                parameters=dict(parameters or {}),
                settings=self._limits(""),
                transport_settings=wanted,
            ) as answer,
            self._stream(answer) as batches,
        ):
            for batch in batches:
                found.append(batch)
                count += batch.num_rows
                if count > most:
                    break
            rows = pa.Table.from_batches(found, batches.schema).slice(0, most)
        return rows, count > rows.num_rows

    @staticmethod
    def _stream(answer: IOBase) -> pa.RecordBatchStreamReader:
        try:
            return pa.ipc.open_stream(answer)
        except pa.ArrowInvalid as error:
            raise ServiceError(
                "the store answered in another format than asked for: leave FORMAT out of the statement"
            ) from error

    def _limits(self, comment: str) -> dict[str, Any]:
        if self._as_reader:
            # The store has limits of its own for readers, and the client refuses to send a setting it calls readonly.
            return {}
        return {
            "max_execution_time": MAX_EXECUTION_SECONDS,
            "max_memory_usage": MAX_MEMORY_BYTES,
            "log_comment": comment,
        }

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except ClickHouseError as error:
            raise ServiceError(
                f"ClickHouse at {self._settings.clickhouse.url} refused a query: {str(error)[:500]}; see "
                "`media-analytics status` and MEDIA_ANALYTICS_CLICKHOUSE__URL"
            ) from error
