"""Drawn source sets: what must not depend on how files are cut, and that differences are found."""

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from media_analytics_tests.builders.video import compare, files
from media_analytics_tests.builders.video.reference import DATASETS, GOLD, SILVER, Reference
from media_analytics_tests.builders.video.sources import SourceSet, joined, source_sets

# A few: the sets themselves are checked here, what they find is found against the platform. They are small already.
EXAMPLES = settings(
    max_examples=3,
    deadline=None,
    phases=[Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def _answer(tmp_path: Path, sources: SourceSet, kind: str, **how: object) -> Reference:
    folder = tmp_path / str(len(list(tmp_path.iterdir())))
    files.write(sources, folder, kind, **how)
    return Reference(folder)


@EXAMPLES
@given(sources=source_sets(typed=True))
def test_formats_layouts_and_cuts_give_the_same_tables(
    tmp_path_factory: pytest.TempPathFactory, sources: SourceSet
) -> None:
    """Catches CSV read otherwise than Parquet, ties that depend on the layout, extra columns that matter."""
    tmp_path = tmp_path_factory.mktemp("cuts")
    expected = _answer(tmp_path, sources, "parquet", dated=False)
    for kind, dated, parts, extra in (
        ("csv", False, 1, None),
        ("csv", True, 3, "new"),
        ("parquet", True, 2, None),
    ):
        found = _answer(tmp_path, sources, kind, dated=dated, parts=parts, extra=extra)
        for name, key in SILVER.items():
            compare.assert_same(name, expected.silver(name), found.silver(name), key)
        for name, key in GOLD.items():
            compare.assert_same(name, expected.gold(name), found.gold(name), key)


@EXAMPLES
@given(sources=source_sets())
def test_wrong_rows_are_refused_for_their_reason(
    tmp_path_factory: pytest.TempPathFactory, sources: SourceSet
) -> None:
    reference = _answer(tmp_path_factory.mktemp("wrong"), sources, "csv", dated=False)
    for dataset in DATASETS:
        refused = {line - 1: reasons for _, line, reasons in reference.quarantined(dataset)}
        wanted = {place: reason for (of, place), reason in sources.wrong.items() if of == dataset}
        assert refused.keys() == wanted.keys()
        assert all(reason in refused[place] for place, reason in wanted.items())
        assert len(refused) <= 0.05 * len(sources.rows[dataset])


@EXAMPLES
@given(sets=st.lists(source_sets(most_rows=4), min_size=2, max_size=2))
def test_joined_sets_do_not_touch_each_other(
    tmp_path_factory: pytest.TempPathFactory, sets: list[SourceSet]
) -> None:
    """What lets a whole batch of examples run through Spark at once: each keeps the rows it has alone."""
    tmp_path = tmp_path_factory.mktemp("joined")
    together = _answer(tmp_path, joined(sets), "csv", dated=False)
    alone = [
        _answer(tmp_path, joined([*[SourceSet()] * n, part]), "csv", dated=False)
        for n, part in enumerate(sets)
    ]
    for name, key in GOLD.items():
        parts = pa.concat_tables([reference.gold(name) for reference in alone])
        compare.assert_same(name, parts, together.gold(name), key)


def test_differences_are_named() -> None:
    expected = pa.table({"date": [1, 2, 3], "plays": [1, None, 3], "rate": [0.1, 0.2, None]})
    actual = pa.table(
        {
            "date": [1, 3, 3, 4],
            "rate": [0.1 * (1 + 1e-8), None, None, 0.0],
            "plays": [1, None, None, 4],
            "more": [1] * 4,
        }
    )
    assert compare.differences(expected, actual, ["date"]) == [
        "date=3: 2 rows of this key",
        "date=2: missing",
        "date=4: not expected",
        f"date=1: rate is {0.1 * (1 + 1e-8)!r}, expected 0.1",
        "date=3: plays is None, expected 3",
    ]
    with pytest.raises(AssertionError, match="t: 5 differences"):
        compare.assert_same("t", expected, actual, ["date"])
    assert compare.same(0.1, 0.1 * (1 + 1e-10)) and compare.same(3, 3.0)
    assert not compare.same(None, 0.0) and not compare.same(0.0, 1e-12) and not compare.same(2, 3)
    assert compare.differences(expected, actual.drop_columns("rate"), ["date"]) == ["no column rate"]
