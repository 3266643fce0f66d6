"""A batch that must not be loaded: which check says so, with the fix, and that no table changed.

Cheap: the batch is judged before anything is committed, so no test here computes silver or gold.
"""

from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from media_analytics_tests.builders import video_rows as rows
from media_analytics_tests.integration.video_files.world import World, failure

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

D10, D11 = (date(2026, 3, day) for day in (10, 11))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("empty", ("batch_is_not_empty", "metrics", "no rows")),
        ("dates", ("one_date_in_a_dated_batch", "2026-03-11", "2026-03-10")),
        ("share", ("few_refused_rows", "2 of 20", "negative:plays 2")),
        ("removed", ("files_are_readable", "no column 'plays'", "Put the column back")),
        ("retyped", ("files_are_readable", "'plays' is string", "expected int64")),
        ("csv", ("files_are_readable", "metrics.csv", "RFC 4180")),
        ("contract", ("keeps_the_contract_of_silver", "date", "silver.metrics")),
    ],
)
def test_a_blocked_batch_publishes_nothing_and_says_the_fix(
    name: str, words: tuple[str, ...], loaded: World, tmp_path: Path
) -> None:
    folder = rows.good_folder(tmp_path / "files")
    before = loaded.versions()
    _corrupt(folder, name)
    result = loaded.load(folder, raise_on_error=False)
    assert not result.success
    told = failure(result)
    assert all(word in told for word in (*words, "nothing was published")), told
    assert loaded.versions() == before
    failed = [e for e in result.get_asset_check_evaluations() if not e.passed]
    assert [(e.asset_key.path[-1], e.check_name, e.blocking) for e in failed] == [
        ("raw_metrics", words[0], True)
    ]
    assert "nothing was published" in str(failed[0].description)
    blocked = [r for r in loaded.rows("ops.video_files") if str(folder) in r["source_file"]]
    assert {r["status"] for r in blocked} == {"blocked"}


def _corrupt(folder: Path, how: str) -> None:
    path = folder / "metrics.parquet"
    read = pq.read_table(path)
    if how == "empty":
        rows.write(folder, "metrics", [])
    elif how == "dates":
        rows.write(folder, "metrics", [rows.metrics(), rows.metrics(day=D11)], D10)
    elif how == "share":
        rows.write(folder, "metrics", [rows.metrics(f"a{n}", plays=-1 if n < 2 else 10) for n in range(20)])
    elif how == "removed":
        pq.write_table(read.drop_columns(["plays"]), path)
    elif how == "retyped":
        place = read.schema.get_field_index("plays")
        pq.write_table(read.set_column(place, "plays", read["plays"].cast(pa.string())), path)
    elif how == "csv":
        rows.write_csv(folder, "metrics", [rows.metrics()]).open("a").write("only,three,fields\n")
    else:
        rows.write(folder, "metrics", [rows.metrics(day=date(1900, 1, 1))])
