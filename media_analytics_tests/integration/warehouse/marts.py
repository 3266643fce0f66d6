"""A small warehouse with marts: traffic in the copies and in the live table, dbt as the platform calls it.

Belongs here: filling what models read, running models, reading and comparing their rows. Does not belong here: traffic
(`traffic.py`), what a mart must hold (`builders/reference_marts.py`).
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import clickhouse_connect
import dagster as dg
import pyarrow as pa

from media_analytics.build import build_defs
from media_analytics.contracts.audit import arrow_schema
from media_analytics.contracts.clickhouse import create_database_sql, create_table_sql
from media_analytics.contracts.registry import TABLES, table
from media_analytics.resources.dbt import Dbt, manifest
from media_analytics.warehouse.translator import Meta, Scheme, key_of
from media_analytics_tests.builders.reference_marts import Table
from media_analytics_tests.integration.warehouse.traffic import Row, Traffic, as_arrow
from media_analytics_tests.integration.warehouse.world import RANGE, Warehouse
from media_analytics_tests.services.embedded import Embedded


@dataclass
class Marts(Warehouse):
    """A warehouse whose copies hold traffic, and dbt; `variables` are those of every invocation by hand."""

    variables: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def empty(cls, clickhouse: Embedded, name: str, **variables: Any) -> Iterator["Marts"]:
        """Copies and live tables without rows, and no models; `name` is the lake's folder."""
        # The gateway reads below its home's lake only.
        lake = Path(clickhouse.settings.lake.url) / name
        with dg.DagsterInstance.ephemeral() as instance:
            made = cls(clickhouse.settings_with(LAKE__URL=str(lake)), instance, variables)
            for node in models():
                name = ".".join(key_of(node).path)
                kind = "VIEW" if node["config"]["materialized"] == "view" else "TABLE"
                made.clickhouse.run(f"DROP {kind} IF EXISTS {name}")
            made.create(*(c for c in TABLES.values() if c.copy_of is not None))
            for contract in (c for c in TABLES.values() if c.layer == "realtime"):
                made.clickhouse.run(create_database_sql(contract))
                made.clickhouse.run(create_table_sql(contract))
            made.clickhouse.run("TRUNCATE TABLE realtime.user_events")
            yield made

    def hold(self, traffic: Traffic, days: Sequence[date]) -> None:
        """Publish and copy what the lake holds of days; tables without dates as a whole."""
        for name, rows in traffic.tables().items():
            copy = table(f"warehouse.{name}")
            own = [r for r in rows if copy.partition_column is None or r["date"] in set(days)]
            self.publish(copy, as_arrow(copy, own), days if copy.partition_column else ())
            loaded = self.load(copy, *days)
            assert (loaded.differences, loaded.failed) == ({}, {})

    def arrive(self, events: Sequence[Row]) -> None:
        """Add events to the live table, every third one twice; they happened long ago and arrive now."""
        now = datetime.now(UTC)
        names = [n for n in table("realtime.user_events").column_names if any(n in e for e in events)]
        rows = [e | {"appended_at": now} for e in events]
        rows += [
            r | {"received_at": now, "referrer_medium": "copy", "source_offset": -n}
            for n, r in enumerate(rows[::3])
        ]
        schema = pa.schema([f for f in arrow_schema(table("realtime.user_events")) if f.name in names])
        stored = pa.Table.from_pylist([{n: r.get(n) for n in names} for r in rows], schema=schema)
        own = self.settings.clickhouse
        client = clickhouse_connect.get_client(
            dsn=own.url, username=own.user, password=own.password.get_secret_value()
        )
        client.insert_arrow("realtime.user_events", stored)

    def by_date(self, days: Sequence[date]) -> None:
        """Models of some days, without their tests."""
        dates = {"first_date": str(days[0]), "last_date": str(days[-1])}
        self.dbt("run", "--select", "config.meta.partitions:daily", **dates)

    def dbt(self, *arguments: str, **variables: str) -> None:
        """One invocation; variables are those of a run."""
        chosen = ["--vars", json.dumps({**self.variables, **variables})]
        with Dbt(self.settings).invocation([*arguments, *chosen], "test") as invocation:
            invocation.wait()
            assert invocation.is_successful()

    def materialize(
        self, scheme: Scheme, days: Sequence[date] = (), tags: Mapping[str, str] | None = None
    ) -> dg.ExecuteInProcessResult:
        """Every model of a scheme in one run, as the platform requests it: `days` are its first and last."""
        keys = [key_of(node) for node in models() if Meta.of(node).partitions == scheme]
        ends = dict(zip(RANGE, (str(days[0]), str(days[-1])), strict=True)) if days else {}
        job = build_defs(self.settings).resolve_implicit_global_asset_job_def()
        return job.execute_in_process(
            instance=self.instance, asset_selection=keys, tags=ends | dict(tags or {}), raise_on_error=False
        )

    def rows(self, model: str) -> Table:
        """A model's rows by the columns that order it."""
        names, rows = self.clickhouse.named_rows(f"SELECT * FROM warehouse.{model}")
        found = [dict(zip(names, row, strict=True)) for row in rows]
        key = stored_models()[model]
        by_key = {tuple(row.pop(name) for name in key): row for row in found}
        assert len(by_key) == len(found), f"{model} holds rows twice"
        return by_key


def models() -> list[Mapping[str, Any]]:
    """Nodes of the manifest that are models."""
    return [node for node in manifest()["nodes"].values() if node["resource_type"] == "model"]


def stored_models() -> Mapping[str, Sequence[str]]:
    """Models that keep rows, each with the columns that order it."""
    return {
        node["name"]: node["config"]["order_by"]
        for node in models()
        if node["config"]["materialized"] not in ("view", "ephemeral")
    }


def same(found: Table, expected: Table) -> None:
    """Every cell, floats up to their last digits."""
    assert found.keys() == expected.keys()
    wrong = {
        (key, name): (found[key][name], value)
        for key, row in expected.items()
        for name, value in row.items()
        if not _equal(found[key][name], value)
    }
    assert wrong == {}


def _equal(found: Any, expected: Any) -> bool:
    if isinstance(expected, float) and found is not None:
        return math.isclose(found, expected, rel_tol=1e-9)
    return bool(found == expected)
