"""Generated video files are a function of their options, have the published formats, and are as dirty as stated."""

import csv
import math
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from media_analytics.errors import MediaAnalyticsError
from media_analytics.generators.video import dirt, generate, world
from media_analytics.generators.video.options import Format, Generated, Layout, Options
from media_analytics.generators.video.schemas import SCHEMAS
from media_analytics_tests.builders import settings as builder

SMALL = Options(days=10, rows=6_000, seed=7, dirty=0.04, copies=0.02)


@pytest.fixture(scope="module")
def flat(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Generated]:
    folder = tmp_path_factory.mktemp("flat") / "files"
    return folder, generate.generate(replace(SMALL, format=Format.CSV), folder)


@pytest.fixture(scope="module")
def dated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Generated]:
    folder = tmp_path_factory.mktemp("dated") / "files"
    return folder, generate.generate(replace(SMALL, layout=Layout.DATED, new_columns_from=4), folder)


def _csv_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def _bytes(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("kind", Format)
def test_the_same_options_give_the_same_bytes(kind: Format, tmp_path: Path) -> None:
    """Catches chance taken from a clock, a hash seed or the order of a set."""
    options = Options(days=2, rows=400, seed=3, format=kind, layout=Layout.DATED, dirty=0.04)
    for name, own in (("a", options), ("b", options), ("c", replace(options, seed=4))):
        generate.generate(own, tmp_path / name)
    assert _bytes(tmp_path / "a") == _bytes(tmp_path / "b")
    assert set(_bytes(tmp_path / "a").values()).isdisjoint(_bytes(tmp_path / "c").values())


def test_parquet_files_have_the_published_types(dated: tuple[Path, Generated]) -> None:
    folder, result = dated
    files = sorted(folder.rglob("*.parquet"))
    assert len(files) == result.files == 5 * SMALL.days
    for path in files:
        dataset, day = path.parts[-3], date.fromisoformat(path.parts[-2].removeprefix("date="))
        schema = pq.read_schema(path)
        new = list(schema.names[len(SCHEMAS[dataset]) :])
        assert schema.names[: len(SCHEMAS[dataset])] == SCHEMAS[dataset].names
        assert schema.types[: len(SCHEMAS[dataset])] == SCHEMAS[dataset].types
        has_new = dataset in ("delivery", "metrics") and day >= date(2026, 1, 4)
        assert bool(new) == has_new, path
        if "date" in schema.names:
            assert set(pq.read_table(path)["date"].to_pylist()) - {None} == {day}


def test_csv_files_are_rfc_4180_with_zones(flat: tuple[Path, Generated]) -> None:
    """Catches a title with a comma, a quote or a line end that breaks its row, and times without a zone."""
    folder, result = flat
    assert sorted(p.name for p in folder.iterdir()) == sorted(f"{name}.csv" for name in SCHEMAS)
    zones: Counter[str] = Counter()
    for dataset, schema in SCHEMAS.items():
        path = folder / f"{dataset}.csv"
        rows = _csv_rows(path)
        assert len(rows) == result.rows[dataset]
        assert {tuple(row) for row in rows} == {tuple(schema.names)}
        if dataset == "delivery":
            for row in rows:
                with_zone = [row["requested_at"]] if row["requested_at"].count(":") > 1 else []
                zones.update(str(datetime.fromisoformat(text).tzinfo) for text in with_zone)
        assert b"\r\n" in path.read_bytes()
    assert "None" not in zones and len(zones) >= 4
    titles = {row["title"] for row in _csv_rows(folder / "assets.csv")}
    assert {title for title in world.ODD_TITLES if "\n" in title or '"' in title} & titles


def test_rows_are_as_many_as_asked(flat: tuple[Path, Generated], dated: tuple[Path, Generated]) -> None:
    for _, result in (flat, dated):
        assert result.rows["delivery"] == SMALL.rows
        assert result.rows["metrics"] == SMALL.rows // 5
        assert result.copies["delivery"] > 0


def _wrong(dataset: str, row: dict[str, str]) -> bool:
    """Whether a CSV row must be quarantined, judged from the text alone."""
    keys = {"delivery": ("delivery_id",), "metrics": ("asset_id", "device_id", "geo_id")}
    own = keys.get(dataset, (SCHEMAS[dataset].names[0],))
    if any(not row[name].strip() for name in own):
        return True
    values: dict[str, object] = {}
    for field in SCHEMAS[dataset]:
        text = row[field.name]
        if not text:
            continue
        try:
            values[field.name] = _parsed(field.type, text)
        except ValueError:
            return True
    numbers = [v for v in values.values() if isinstance(v, (int, float))]
    if any(n < 0 or not math.isfinite(n) for n in numbers):
        return True
    if dataset == "metrics":
        return "date" not in values or values.get("completions", 0) > values.get("plays", math.inf)
    if dataset == "delivery":
        if not {"date", "requested_at", "http_status"} <= values.keys():
            return True
        at = values["requested_at"].astimezone(UTC)
        return at.date() != values["date"] or not 100 <= values["http_status"] <= 599
    return False


def _parsed(kind: pa.DataType, text: str) -> object:
    if pa.types.is_integer(kind):
        value = int(text)
        if abs(value) >= 1 << (kind.bit_width - 1):
            raise ValueError(text)
        return value
    if pa.types.is_floating(kind):
        return float(text)
    if pa.types.is_timestamp(kind):
        return datetime.fromisoformat(text)
    if pa.types.is_date(kind):
        return date.fromisoformat(text)
    if pa.types.is_boolean(kind):
        return {"true": True, "false": False}[text] if text in ("true", "false") else int("not a truth value")
    return text


def test_the_stated_rate_is_true_and_nothing_else_is_wrong(flat: tuple[Path, Generated]) -> None:
    """Counts wrong rows from the file's text: catches a kind that is no reason, and good rows that are wrong."""
    folder, result = flat
    for dataset in SCHEMAS:
        wrong = sum(_wrong(dataset, row) for row in _csv_rows(folder / f"{dataset}.csv"))
        assert wrong == result.dirty[dataset].total(), dataset
    for dataset in ("delivery", "metrics"):
        share = result.dirty[dataset].total() / result.rows[dataset]
        # Rounded down for each day's chunk.
        assert SMALL.dirty - SMALL.days / result.rows[dataset] <= share <= SMALL.dirty


def test_every_kind_of_dirt_is_present(flat: tuple[Path, Generated], dated: tuple[Path, Generated]) -> None:
    for folder_result, is_csv in ((flat, True), (dated, False)):
        for dataset in ("delivery", "metrics"):
            assert set(folder_result[1].dirty[dataset]) == dirt.names(dataset, csv=is_csv)


def test_no_dirt_when_none_is_asked_for(tmp_path: Path) -> None:
    result = generate.generate(Options(days=1, rows=200, dirty=0.0, copies=0.0), tmp_path / "clean")
    assert sum(kinds.total() for kinds in result.dirty.values()) == result.copies.total() == 0
    ids = pq.read_table(tmp_path / "clean" / "delivery.parquet")["delivery_id"].to_pylist()
    assert len(set(ids)) == len(ids) == 200


def test_catalogues_drift(tmp_path: Path) -> None:
    """Catches later rows that change nothing, are never newer, or are always newer."""
    options = Options(days=10, rows=100, assets=3_000, dirty=0.0, format=Format.CSV)
    generate.generate(options, tmp_path / "drift")
    seen: dict[str, tuple[datetime, str]] = {}
    newer_and_changed = older = 0
    for row in _csv_rows(tmp_path / "drift" / "assets.csv"):
        at = datetime.fromisoformat(row["updated_at"])
        if row["asset_id"] in seen:
            before = seen[row["asset_id"]]
            newer_and_changed += at > before[0] and row["title"] != before[1]
            older += at < before[0]
        seen[row["asset_id"]] = (at, row["title"])
    assert newer_and_changed > 100 and older > 0
    assert len(seen) == 3_000


def test_copies_are_near_and_far(dated: tuple[Path, Generated]) -> None:
    dates: dict[str, list[date]] = {}
    for path in sorted((dated[0] / "delivery").rglob("*.parquet")):
        table = pq.read_table(path, columns=["delivery_id", "date"])
        for name, day in zip(*(column.to_pylist() for column in table.columns), strict=True):
            if name and name.strip() and day:
                dates.setdefault(name, []).append(day)
    apart = {(max(days) - min(days)).days for days in dates.values() if len(days) > 1}
    assert 0 in apart and apart & set(range(1, 8)) and max(apart) > 7


def test_popularity_is_skewed_and_days_have_a_rhythm(tmp_path: Path) -> None:
    generate.generate(Options(days=1, rows=20_000, dirty=0.0, copies=0.0), tmp_path / "day")
    table = pq.read_table(tmp_path / "day" / "delivery.parquet")
    counts = sorted(Counter(table["asset_id"].to_pylist()).values(), reverse=True)
    assert sum(counts[:10]) > 0.2 * table.num_rows
    hours = Counter(at.hour for at in table["requested_at"].to_pylist())
    assert hours[19] > 5 * hours[3]
    assert table["requested_at"].to_pylist() == sorted(table["requested_at"].to_pylist())


def test_brands_are_the_settings_brands(tmp_path: Path) -> None:
    brands = builder.make(tmp_path).brands
    assert {b.name: list(b.sections) for b in world.BRANDS} == {
        n: list(b.sections) for n, b in brands.items()
    }


def test_large_days_are_written_in_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches chunks that repeat each other's ids or keys."""
    monkeypatch.setattr(generate, "CHUNK_ROWS", 500)
    generate.generate(Options(days=1, rows=5_000, dirty=0.0, copies=0.0), tmp_path / "large")
    delivery = pq.read_table(tmp_path / "large" / "delivery.parquet")
    assert len(set(delivery["delivery_id"].to_pylist())) == 5_000
    metrics = pq.read_table(tmp_path / "large" / "metrics.parquet")
    keys = set(zip(*(metrics[name].to_pylist() for name in ("asset_id", "device_id", "geo_id")), strict=True))
    assert len(keys) > 0.97 * 1_000


def test_a_folder_that_is_not_empty_is_refused(tmp_path: Path) -> None:
    (tmp_path / "old.csv").write_text("x")
    with pytest.raises(MediaAnalyticsError, match="not an empty folder"):
        generate.generate(Options(days=1, rows=10), tmp_path)


@pytest.mark.parametrize("wrong", [{"days": 0}, {"rows": 0}, {"dirty": 0.7}, {"copies": -0.1}])
def test_options_out_of_bounds_are_named(wrong: dict[str, float]) -> None:
    with pytest.raises(MediaAnalyticsError, match=next(iter(wrong))):
        Options(**wrong)
