"""Known rows in the real stores, and a client of the real API.

Belongs here: planting, asking. Does not belong here: assertions.
"""

import json
import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
import msgspec
import pyarrow as pa
from deltalake import write_deltalake

from media_analytics.checks.rows import arrow_schema
from media_analytics.contracts.model import TableContract
from media_analytics.contracts.registry import table
from media_analytics.modelling.minutes import MINUTE, Counts, document
from media_analytics.partitions import hour_of
from media_analytics.publication import newest_published
from media_analytics.resources import dbt
from media_analytics.resources.minute_files import MinuteFiles
from media_analytics.settings import Settings
from media_analytics_tests.builders.streams import Store
from streaming.collector.refused import Facts
from streaming.dead_letters.letters import LetterWriter

# What the planted messages say of a person.
PERSON = ("83.149.9.216", "a:v1", "v1", "Mozilla", "google.com", "secret-property", "artikel-1")
REALTIME = ("user_events", "interactions", "session_events", "security_events")
# The newest date that is published; rows of marts are planted for dates counted from it.
NEWEST = newest_published(datetime.now(UTC))


class Api:
    """Asks the API with its token."""

    def __init__(self, settings: Settings) -> None:
        assert settings.dashboard.url is not None
        assert settings.dashboard.token is not None
        self.url = settings.dashboard.url
        self.token = settings.dashboard.token.get_secret_value()
        self.http = httpx.Client(
            base_url=self.url,
            trust_env=False,
            timeout=20,
            headers={"Authorization": f"Bearer {self.token}"},
        )

    def __enter__(self) -> "Api":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.http.close()

    def get(self, path: str, **parameters: Any) -> Any:
        """The answer's document."""
        answer = self.http.get(path, params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def get_fresh(self, path: str, **parameters: Any) -> Any:
        """An answer that was asked of the store after this call began: answers are kept for 0.8 s at most."""
        time.sleep(0.9)
        return self.get(path, **parameters)


class Planted:
    """Fills the tables of a home where nothing else writes."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._store = Store(settings)
        self.files = MinuteFiles(settings)
        self._offset = 0

    def empty_live_tables(self) -> None:
        """Each test of live numbers starts with empty tables."""
        for name in REALTIME:
            self._store.command(f"TRUNCATE TABLE realtime.{name}")

    def events(self, table: str, count: int, seconds_ago: float = 20, **fields: Any) -> None:
        """Rows that arrived some seconds ago, 100 ms after receipt, and were visible 400 ms after it."""
        at = datetime.now(UTC) - timedelta(seconds=seconds_ago)
        rows = []
        for _ in range(count):
            self._offset += 1
            row = {
                "event_id": str(uuid.uuid4()),
                "event_type": "page_view",
                "brand": "bild",
                "origin": "live",
                "occurred_at": _text(at),
                "received_at": _text(at),
                "appended_at": _text(at + timedelta(milliseconds=100)),
                "inserted_at": _text(at + timedelta(milliseconds=400)),
                "source_topic": "user.raw",
                "source_partition": 0,
                "source_offset": self._offset,
            }
            rows.append(json.dumps(row | fields))
        # Unknown names would be a mistake of the test.
        self._store.command(f"INSERT INTO realtime.{table} FORMAT JSONEachRow " + "\n".join(rows))

    def copied(self, name: str) -> None:
        """A row of a copy in the warehouse, every column as its type's default."""
        self._store.command(f"INSERT INTO warehouse.{name} FORMAT JSONEachRow {{}}")

    def mart(self, name: str, rows: Sequence[Mapping[str, Any]] = (), *, exists: bool = True) -> None:
        """A model's table with these rows, as dbt's contract types it; columns not named are its types' defaults."""
        self._store.command(f"DROP TABLE IF EXISTS warehouse.{name} SYNC")
        if not exists:
            return
        columns = dbt.manifest()["nodes"][f"model.media_analytics.{name}"]["columns"].values()
        typed = ", ".join(f"{c['name']} {c['data_type']}" for c in columns)
        self._store.command(f"CREATE TABLE warehouse.{name} ({typed}) ENGINE = MergeTree ORDER BY tuple()")
        if rows:
            self.rows_of(name, rows)

    def rows_of(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """More rows of a table of the warehouse."""
        lines = "\n".join(json.dumps(row, default=str) for row in rows)
        self._store.command(f"INSERT INTO warehouse.{name} FORMAT JSONEachRow {lines}")

    def emptied(self, name: str) -> None:
        """No rows in a table of the warehouse."""
        self._store.command(f"TRUNCATE TABLE warehouse.{name}")

    def asked(self, sql: str) -> list[dict[str, Any]]:
        """What the database itself says."""
        return self._store.rows(sql)

    def delta(self, contract: TableContract, rows: list[dict[str, Any]], *, replace: bool = False) -> None:
        """Rows of a Delta table, appended or in place of all others, columns not named null."""
        path = Path(self._settings.lake.table_path(contract.layer, contract.name))
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = [dict.fromkeys(contract.column_names) | row for row in rows]
        column = contract.partition_column
        write_deltalake(
            path,
            pa.Table.from_pylist(whole, arrow_schema(contract)),
            mode="overwrite" if replace else "append",
            partition_by=[column] if column else None,
        )

    def proofs(self, *judged: dict[str, Any]) -> None:
        """The rows of ops.completeness, in place of others; a row names what differs from a complete minute."""
        rows = []
        for row in judged:
            minute = row.get("minute", minute_ago(10))
            complete = {
                "date": minute.date(), "minute": minute, "topic": "user.raw", "partition": 0, "topic_id": "t",
                "first_offset": 0, "last_offset": 99, "kafka_count": 100, "realtime_count": 100,
                "realtime_distinct": 100, "lake_count": 100, "lake_distinct": 100, "dead_letters_enricher": 0,
                "dead_letters_realtime": 0, "dead_letters_lake": 0, "erased": 0, "missing_realtime": 0,
                "missing_lake": 0, "duplicates_realtime": 0, "duplicates_lake": 0,
                "checked_at": datetime.now(UTC),
            }  # fmt: skip
            rows.append(complete | row)
        self.delta(table("ops.completeness"), rows, replace=True)

    def letters(self, *inputs: tuple[str, bytes, str, str | None]) -> None:
        """The letters of refused inputs, in place of others: route, original, rule, field. None was replayed yet."""
        self.delta(table("ops.dead_letter_replays"), [], replace=True)
        # What the collector keeps of a request with a server key.
        sender = msgspec.json.encode(Facts(True, "server 0", None, None, "198.51.100.7", "Mozilla/5.0", None))
        writer = LetterWriter("collector", self._settings.privacy.dead_letter_key)
        now = datetime.now(UTC)
        rows = []
        for n, (route, original, rule, field) in enumerate(inputs):
            letter = writer.letter(
                original,
                source=route,
                place=str(n),
                reason=rule,
                message=f"refused {original!r}",
                received_at=now,
                field=field,
                producer="server 0",
                sender=sender,
            )
            rows.append(
                letter
                | {
                    "received_at": now,
                    "letter_partition": 0,
                    "letter_offset": n,
                    "appended_at": now,
                    "letter_schema_id": 1,
                    "batch_id": "planted",
                    "loaded_at": now,
                    "appended_hour": hour_of(now),
                }
            )
        self.delta(table("bronze.dead_letters"), rows, replace=True)

    def result(self, minute: datetime, **counts: Counts) -> dict[str, Any]:
        """The document of a minute, as the analysis makes it, with no history."""
        return document(minute, counts, [], produced_at=minute + 2 * MINUTE, run_id="planted")

    def write_result(self, result: dict[str, Any]) -> None:
        """Write it where the analysis does."""
        self.files.write_result(datetime.fromisoformat(result["window_start"]), result)


def _text(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%d %H:%M:%S.%f")


def monday(weeks_ago: int) -> date:
    """The Monday of a week, so many before this one (UTC); a week begins when the one before is published."""
    today = NEWEST + timedelta(days=1)
    return today - timedelta(days=today.weekday(), weeks=weeks_ago)


def cohort(weeks_ago: int, brand: str, *returned: int) -> list[dict[str, Any]]:
    """A first week's rows: how many people came in it and in each week since. Of all traffic twice as many."""
    return [
        {
            "week_date": monday(weeks_ago - number),
            "brand": brand,
            "cohort_date": monday(weeks_ago),
            "week_number": number,
        }
        | {
            f"{name}{twin}": value * factor
            for name, value in (("cohort_visitors", returned[0]), ("returned_visitors", came))
            for twin, factor in (("", 2), ("_human", 1))
        }
        for number, came in enumerate(returned)
    ]


def minute_ago(minutes: int) -> datetime:
    """Start of the minute that many minutes ago."""
    return datetime.now(UTC).replace(second=0, microsecond=0) - minutes * MINUTE
