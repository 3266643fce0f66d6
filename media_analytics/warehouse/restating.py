"""Which published numbers of marts a run of dbt changes.

Belongs here: totals of marts before and after a run, and recording in `ops.restatements` what differs. Does not belong
here: when a date is published (`media_analytics/publication.py`), tables of the lake (`checks/restatements.py`),
running dbt.

dbt replaces partitions by itself, so totals are put aside before it runs. Effects of a run, in this order:
1. settle   what a run that died left (steps 4 and 5 of that run);
2. aside    totals of each mart's published dates among those of the run, in a table of their own, `before__<number>`,
            which has that name when it is whole;
3. build    dbt replaces partitions, a mart at a time;
4. record   totals that differ now, in one commit of `ops.restatements` that names the number of the table;
5. drop     the table.
A run that dies after 2 leaves the table, and the next run of models, whatever its dates, begins with it. A table whose
number the ledger knows is dropped only. So a change is recorded once, at the latest by the next run.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
import pyarrow as pa
from deltalake import CommitProperties, Transaction, write_deltalake

from media_analytics.checks.restatements import RELATIVE_TOLERANCE, RESTATEMENTS
from media_analytics.checks.rows import arrow_schema, audit_rows
from media_analytics.contracts.clickhouse import identifier, text
from media_analytics.errors import ContractError
from media_analytics.partitions import days_between
from media_analytics.publication import is_published
from media_analytics.resources.addresses import without_hadoop
from media_analytics.resources.clickhouse import ClickHouse
from media_analytics.resources.dbt import manifest
from media_analytics.resources.delta_log import DeltaLog
from media_analytics.settings import Settings
from media_analytics.warehouse.translator import LAYER, Closes, Meta

ASIDE = "before__"
# One that is not whole: its run died, and dbt had not begun.
FILLING = "filling__"
# The number of the newest table whose differences stand in the ledger, as Delta keeps it.
TRANSACTION = "media-analytics/marts"
_NUMBERS = ("Int", "UInt", "Float")
_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Mart:
    """A dbt model whose partitions are replaced by date."""

    name: str
    date_column: str
    measures: tuple[str, ...]
    closes: Closes = "day"

    @classmethod
    def of(cls, node: Mapping[str, Any]) -> "Mart | None":
        """Read a node of the manifest; None for a model without partitions of its own, or without numbers."""
        config = node["config"]
        if config["materialized"] != "incremental":
            return None
        kinds = {name: column["data_type"] for name, column in node["columns"].items()}
        measures = tuple(
            name
            for name, kind in kinds.items()
            if name not in config["order_by"] and kind.removeprefix("Nullable(").startswith(_NUMBERS)
        )
        return cls(node["name"], config["partition_by"], measures, Meta.of(node).closes) if measures else None

    @property
    def key(self) -> dg.AssetKey:
        """The asset's key."""
        return dg.AssetKey([LAYER, self.name])

    def published(self, first: date, last: date, now: datetime) -> tuple[date, date] | None:
        """First and last partition that a run of these dates may change and that were published before `now`."""
        if self.closes == "month":
            found = sorted({day.replace(day=1) for day in days_between(first, last)})
        elif self.closes == "week":
            # Another first week changes every week after it.
            found = [day for day in days_between(first - timedelta(days=6), now.date()) if day.weekday() == 0]
        else:
            found = days_between(first - timedelta(days=self.closes == "next_day"), last)
        found = [day for day in found if is_published(self._closed(day), now)]
        return (found[0], found[-1]) if found else None

    def _closed(self, day: date) -> date:
        """The last date that brings rows to a partition."""
        if self.closes == "month":
            return (day + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        if self.closes == "week":
            return day + timedelta(days=6)
        return day + timedelta(days=self.closes == "next_day")


def marts() -> list[Mart]:
    """Every model whose partitions dbt replaces."""
    found = (Mart.of(node) for node in manifest()["nodes"].values() if node["resource_type"] == "model")
    return [mart for mart in found if mart is not None]


class Restating:
    """Before and after one run of models; `cause` is why it runs. Nothing is asked before first use."""

    def __init__(
        self,
        settings: Settings,
        clickhouse: ClickHouse,
        log: DeltaLog,
        marts: Iterable[Mart],
        *,
        comment: str = "",
    ) -> None:
        """Keep what is asked. `marts` are all there are: a run that died may have had others."""
        self._settings, self._clickhouse, self._log = settings, clickhouse, log
        self._marts = {mart.name: mart for mart in marts}
        self._comment = comment

    def put_aside(self, names: Iterable[str], first: date, last: date, now: datetime, cause: str) -> None:
        """Steps 1 and 2, for the marts that a run of these dates makes.

        Raises:
            ServiceError: the store refuses a statement.
        """
        self.record(now)
        columns = self._columns()
        parts = []
        # Among the models of a run are views, and marts that it makes for the first time.
        wanted = set(names) & set(columns)
        for mart in (mart for name, mart in self._marts.items() if name in wanted):
            span = mart.published(first, last, now)
            measures = [name for name in mart.measures if name in columns[mart.name]]
            if span is not None and measures:
                days = " AND ".join(
                    f"{identifier(mart.date_column)} {sign} toDate32({text(day.isoformat())})"
                    for sign, day in zip((">=", "<="), span, strict=True)
                )
                parts.append(totals_sql(mart, measures, days))
        if not parts:
            return
        # Never below a number that the ledger knows, also when the clock went back.
        number = max((now - _EPOCH) // _MICROSECOND, self._recorded() + 1)
        filling = _name(f"{FILLING}{number}")
        self._clickhouse.run(
            f"CREATE TABLE {filling} ENGINE = MergeTree ORDER BY tuple() AS "
            f"SELECT *, {text(cause)} AS cause FROM ({' UNION ALL '.join(parts)})",
            self._comment,
        )
        self._clickhouse.run(f"RENAME TABLE {filling} TO {_name(f'{ASIDE}{number}')}", self._comment)

    def record(self, now: datetime) -> int:
        """Steps 4 and 5, for every table that stands; how many numbers changed.

        Raises:
            ServiceError: the store refuses a statement; what was put aside stands.
            ContractError: a row breaks the ledger's contract; what was put aside stands.
        """
        columns = self._columns()
        numbers = sorted(int(name.removeprefix(ASIDE)) for name in columns if name.startswith(ASIDE))
        changed = 0
        for number in numbers:
            if number > self._recorded():
                changed += self._record(number, columns, now)
            self._drop(f"{ASIDE}{number}")
        for name in columns:
            if name.startswith(FILLING):
                self._drop(name)
        return changed

    def _record(self, number: int, columns: Mapping[str, set[str]], now: datetime) -> int:
        aside = _name(f"{ASIDE}{number}")
        stands = self._clickhouse.rows(
            f"SELECT `table`, groupUniqArray(measure) FROM {aside} GROUP BY `table` ORDER BY `table`",
            comment=self._comment,
        )
        parts, compared = [], []
        for full_name, measures in stands:
            name = str(full_name).removeprefix(f"{LAYER}.")
            kept = sorted(set(measures) & columns.get(name, set()))
            if name in self._marts and kept:
                mart = self._marts[name]
                own = f"`table` = {text(str(full_name))}"
                # A model, or a measure, that is gone since then has no number that changed.
                compared.append(f"{own} AND measure IN ({', '.join(map(text, kept))})")
                days = f"SELECT date FROM {aside} WHERE {own}"
                parts.append(totals_sql(mart, kept, f"{identifier(mart.date_column)} IN ({days})"))
        if not parts:
            return 0
        names, found = self._clickhouse.named_rows(
            differences_sql(aside, " OR ".join(compared), parts), comment=self._comment
        )
        rows = [
            dict(zip(names, values, strict=True)) | {"base_version": number, "recorded_at": now}
            for values in found
        ]
        if rows:
            self._append(rows, number)
        return len(rows)

    def _append(self, rows: Sequence[Mapping[str, Any]], number: int) -> None:
        data = pa.Table.from_pylist([dict(row) for row in rows], schema=arrow_schema(RESTATEMENTS))
        verdict = audit_rows(RESTATEMENTS, data)
        if not verdict.passed:
            raise ContractError(
                f"rows of {RESTATEMENTS.full_name} break its contract: {dict(verdict.failed)}"
            )
        path = self._settings.lake.table_path(RESTATEMENTS.layer, RESTATEMENTS.name)
        properties = CommitProperties(app_transactions=[Transaction(TRANSACTION, number)])
        write_deltalake(without_hadoop(path), data, mode="append", commit_properties=properties)

    def _drop(self, table: str) -> None:
        self._clickhouse.run(f"DROP TABLE {_name(table)} SYNC", self._comment)

    def _recorded(self) -> int:
        return self._log.transaction(RESTATEMENTS, TRANSACTION)[1]

    def _columns(self) -> dict[str, set[str]]:
        """Names of columns by table of the warehouse."""
        rows = self._clickhouse.rows(
            f"SELECT `table`, groupArray(name) FROM system.columns WHERE database = {text(LAYER)} GROUP BY `table`",
            comment=self._comment,
        )
        return {str(name): set(columns) for name, columns in rows}


def totals_sql(mart: Mart, measures: Sequence[str], where: str) -> str:
    """`table, date, brand, measure, value`: each measure of a mart's dates, summed over the other dimensions."""
    summed = ", ".join(f"({text(name)}, toNullable(sum(toFloat64({identifier(name)}))))" for name in measures)
    return (
        f"SELECT {text(f'{LAYER}.{mart.name}')} AS `table`, day AS date, brand, total.1 AS measure, total.2 AS value "
        f"FROM (SELECT {identifier(mart.date_column)} AS day, brand, [{summed}] AS totals FROM {_name(mart.name)} "
        f"WHERE {where} GROUP BY day, brand) ARRAY JOIN totals AS total"
    )


def differences_sql(aside: str, compared: str, parts: Sequence[str]) -> str:
    """Totals that are not what was put aside; a value that is not there is null.

    `compared` is a condition on the rows that were put aside, `parts` are queries of the same totals now.
    """
    now = " UNION ALL ".join(f"SELECT *, true AS is_new FROM ({part})" for part in parts)
    return (
        "SELECT `table`, date, brand, measure, "
        "maxIf(value, NOT is_new) AS old_value, maxIf(value, is_new) AS new_value, "
        f"(SELECT any(cause) FROM {aside}) AS cause "
        f"FROM (SELECT `table`, date, brand, measure, value, false AS is_new FROM {aside} "
        f"WHERE {compared} UNION ALL {now}) "
        "GROUP BY `table`, date, brand, measure "
        "HAVING isNull(old_value) != isNull(new_value) OR "
        f"abs(old_value - new_value) > greatest(abs(old_value), abs(new_value)) * {RELATIVE_TOLERANCE!r} "
        "ORDER BY ALL"
    )


def _name(table: str) -> str:
    return f"{identifier(LAYER)}.{identifier(table)}"
