"""What dbt's adapter does to a store, on the gateway: every materialization and strategy, twice, in threads.

Would catch: a statement of the adapter that the gateway refuses, a session that loses its settings, a strategy that
doubles or loses rows the second time.
"""

import inspect
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from dbt.adapters.clickhouse.impl import ClickHouseAdapter

from media_analytics.resources.clickhouse import ClickHouse
from media_analytics.resources.dbt import PROFILE, TARGET, profile
from media_analytics_tests.services.embedded import Embedded

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(300)]

_ROWS = (
    "select toInt64(number) as id, toDate32('2026-03-01') + number % 3 as day, 'v' as value from numbers(9)"
)
# Every strategy of the adapter that is built over the rows as they are -> its configuration. Beside these there is
# `microbatch`, and no strategy at all, which is one of these.
_STRATEGIES = {
    "delete_insert": "unique_key='id'",
    "legacy": "unique_key='id'",
    "insert_overwrite": "partition_by='day'",
    # Without a key dbt inserts before it looks at the strategy; with one it is this strategy that adds rows.
    "append": "unique_key='id'",
}
# Without them a microbatch model makes a batch for each day until today.
_BATCHES = ("--event-time-start", "2026-03-01", "--event-time-end", "2026-03-04")
FILES = {
    "dbt_project.yml": (
        f"name: beside\nversion: 1.0.0\nprofile: {PROFILE}\nflags: {{send_anonymous_usage_stats: false}}\n"
    ),
    "macros/generate_schema_name.sql": (
        "{% macro generate_schema_name(name, node) %}{{ target.schema }}{% endmacro %}"
    ),
    "seeds/colours.csv": "id,name\n1,red\n2,\n3,blue\n",
    "snapshots/colours_over_time.yml": (
        "snapshots:\n  - name: colours_over_time\n    relation: ref('rows')\n"
        "    config: {unique_key: id, strategy: check, check_cols: [value]}\n"
    ),
    "models/rows.sql": "{{ config(materialized='table', order_by='id', grants={'select': ['reader']}) }} "
    + _ROWS,
    "models/seen.sql": "{{ config(materialized='view') }} select id, value from {{ ref('rows') }}",
    "models/short.sql": "{{ config(materialized='ephemeral') }} select id from {{ ref('seen') }} where id < 5",
    "models/appended.sql": (
        "{{ config(materialized='incremental', incremental_strategy='append', order_by='id') }} "
        "select id from {{ ref('short') }}"
    ),
    **{
        f"models/{name}.sql": (
            f"{{{{ config(materialized='incremental', incremental_strategy='{name}', order_by='id', {config}) }}}} "
            "select * from {{ ref('rows') }}"
        )
        for name, config in _STRATEGIES.items()
    },
    "models/unnamed.sql": (
        "{{ config(materialized='incremental', order_by='id', unique_key='id') }} select * from {{ ref('rows') }}"
    ),
    "models/by_day.sql": (
        "{{ config(materialized='incremental', incremental_strategy='microbatch', event_time='at', begin='2026-03-01', "
        "batch_size='day', lookback=0, unique_key='id', order_by='id') }} select id, toDateTime(day) as at, value "
        # dbt narrows inputs that name their time; this one is narrowed by hand.
        "from {{ ref('rows') }} {% if model.batch %} "
        "where day >= toDate32('{{ model.batch.event_time_start.date() }}') "
        "and day < toDate32('{{ model.batch.event_time_end.date() }}') {% endif %}"
    ),
    "models/models.yml": """
models:
  - name: rows
    config: {contract: {enforced: true}}
    columns:
      - {name: id, data_type: Int64, data_tests: [not_null, unique]}
      - {name: day, data_type: Date32}
      - {name: value, data_type: String, data_tests: [{accepted_values: {arguments: {values: [v]}}}]}
  - name: appended
    columns:
      - name: id
        data_tests: [{relationships: {arguments: {to: ref('rows'), field: id}}}]
sources:
  - name: adapter_test
    schema: adapter_test
    tables:
      - name: rows
        config: {loaded_at_query: "select now('UTC')", freshness: {error_after: {count: 1, period: hour}}}
unit_tests:
  - name: short_keeps_small_ids
    model: short
    given:
      - {input: ref('seen'), rows: [{id: 4, value: a}, {id: 5, value: b}]}
    expect: {rows: [{id: 4}]}
""",
}


class Adapter:
    """A small project beside ours, and a database of its own."""

    def __init__(self, folder: Path, embedded: Embedded) -> None:
        self.folder, self.clickhouse = folder, ClickHouse(embedded.settings)
        made = profile(embedded.settings)
        output = dict(made[PROFILE]["outputs"][TARGET]) | {"schema": "adapter_test"}
        files = FILES | {
            "profiles.yml": json.dumps({PROFILE: {"target": TARGET, "outputs": {TARGET: output}}})
        }
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, "utf-8")

    def dbt(self, *arguments: str) -> dict[str, str]:
        """Status of each node of a command."""
        done = subprocess.run(
            [
                str(Path(sys.executable).with_name("dbt")),
                *arguments,
                "--profiles-dir",
                ".",
                "--project-dir",
                ".",
            ],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": "/usr/bin:/bin", "HOME": str(self.folder), "TZ": "UTC"},
        )
        name = "sources.json" if arguments[0] == "source" else "run_results.json"
        file = self.folder / "target" / name
        assert file.is_file(), done.stdout[-3000:] + done.stderr[-3000:]
        results = json.loads(file.read_text("utf-8"))["results"]
        wrong = {r["unique_id"]: r.get("message") for r in results if r["status"] not in ("success", "pass")}
        assert wrong == {}, done.stdout[-3000:]
        # Kind, project and name; a unit test has its model before its name.
        names = {r["unique_id"]: r["unique_id"].split(".") for r in results}
        return {
            names[r["unique_id"]][3 if r["unique_id"].startswith("unit_test.") else 2]: r["status"]
            for r in results
        }

    def counts(self) -> dict[str, tuple[int, int]]:
        """Rows and distinct ids of every table."""
        names = ("rows", "seen", "appended", "by_day", "unnamed", *_STRATEGIES)
        found: dict[str, tuple[int, int]] = {}
        for name in names:
            rows = self.clickhouse.rows(f"SELECT count(), uniqExact(id) FROM adapter_test.{name}")
            found[name] = (int(rows[0][0]), int(rows[0][1]))
        return found


@pytest.fixture(scope="module")
def adapter(clickhouse: Embedded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Adapter]:
    yield Adapter(tmp_path_factory.mktemp("adapter"), clickhouse)
    ClickHouse(clickhouse.settings).run("DROP DATABASE IF EXISTS adapter_test SYNC")


def test_everything_the_adapter_makes_is_made_twice(adapter: Adapter) -> None:
    built = adapter.dbt("build", *_BATCHES, "--threads", "4")
    assert {"rows", "seen", "colours", "colours_over_time", "by_day", "short_keeps_small_ids"} <= set(built)
    once = dict.fromkeys(("rows", "seen", "by_day", "unnamed", *_STRATEGIES), (9, 9)) | {"appended": (5, 5)}
    assert adapter.counts() == once
    adapter.dbt("build", *_BATCHES, "--threads", "4")
    assert adapter.counts() == once | {"appended": (10, 5), "append": (18, 9)}, "only append repeats rows"
    adapter.dbt("build", "--full-refresh", *_BATCHES, "--threads", "4")
    assert adapter.counts() == once


def test_the_strategies_are_those_of_the_adapter() -> None:
    """Would catch a strategy of a newer adapter that nobody tried."""
    source = inspect.getsource(ClickHouseAdapter.validate_incremental_strategy)
    listed = re.search(r"strategy not in \(([^)]*)\)", source)
    assert listed is not None
    assert set(re.findall(r"'(\w+)'", listed[1])) == {*_STRATEGIES, "microbatch"}


def test_a_batch_of_one_date_changes_that_date_and_keeps_rows_that_are_gone(adapter: Adapter) -> None:
    """Would catch microbatch that touches more than its batch. Rows that are gone stay: no model uses it."""
    adapter.dbt("build", "--full-refresh", *_BATCHES, "--threads", "4")
    model = adapter.folder / "models" / "rows.sql"
    before = model.read_text("utf-8")
    # Of every date one row is gone and the others are new.
    model.write_text(
        before.replace("'v' as value", "'w' as value").replace("numbers(9)", "numbers(6)"), "utf-8"
    )
    adapter.dbt("run", "--select", "rows")
    adapter.dbt(
        "run", "--select", "by_day", "--event-time-start", "2026-03-02", "--event-time-end", "2026-03-03"
    )
    sql = "SELECT toDate(at), value, groupArray(id) FROM (SELECT * FROM adapter_test.by_day ORDER BY id) GROUP BY ALL"
    assert sorted((str(day), value, list(ids)) for day, value, ids in adapter.clickhouse.rows(sql)) == [
        ("2026-03-01", "v", [0, 3, 6]),
        ("2026-03-02", "v", [7]),
        ("2026-03-02", "w", [1, 4]),
        ("2026-03-03", "v", [2, 5, 8]),
    ]
    model.write_text(before, "utf-8")
    adapter.dbt("run", "--select", "rows")


def test_sources_have_a_freshness(adapter: Adapter) -> None:
    assert adapter.dbt("source", "freshness") == {"adapter_test": "pass"}


def test_a_change_is_kept_in_the_snapshot(adapter: Adapter) -> None:
    """Would catch a snapshot that overwrites."""
    model = adapter.folder / "models" / "rows.sql"
    model.write_text(
        model.read_text("utf-8").replace("'v' as value", "if(number = 4, 'w', 'v') as value"), "utf-8"
    )
    adapter.dbt("run", "--select", "rows")
    adapter.dbt("snapshot")
    sql = "SELECT value, dbt_valid_to IS NULL FROM adapter_test.colours_over_time WHERE id = 4 ORDER BY dbt_valid_from"
    assert [tuple(row) for row in adapter.clickhouse.rows(sql)] == [("v", 0), ("w", 1)]
