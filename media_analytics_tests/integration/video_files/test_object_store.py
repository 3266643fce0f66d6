"""Files over `s3a://` on a real S3-compatible server."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from media_analytics.video_files.landing import LandingError, SourceFile, discover, sha256
from media_analytics.video_files.reading import PROVENANCE, Reading, Stamp, schema_of
from media_analytics_tests.builders import video_rows as rows
from media_analytics_tests.integration.video_files.conftest import DAYS
from media_analytics_tests.integration.video_files.world import World
from media_analytics_tests.services import object_store

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]


def _read(file: SourceFile) -> pa.Table:
    reading = Reading(file, Stamp("batch", rows.NOON), schema_of(file.dataset, []))
    return pa.Table.from_batches(list(reading.batches())).drop_columns(list(PROVENANCE))


def test_files_of_an_object_store_are_those_of_a_folder(tmp_path: Path) -> None:
    """Both layouts and formats; catches a path, a hash or a stamp that only a local file has."""
    folder = rows.good_folder(tmp_path / "files")
    rows.write_csv(folder, "delivery", [rows.delivery("r2")], rows.DAY)
    here = discover(str(folder))
    with object_store.running() as store:
        store.put(folder, "landing/video")
        there = discover("s3a://landing/video/", store=store.settings)
        assert [f.address for f in there] == [
            f"s3a://landing/video{f.address.removeprefix(str(folder))}" for f in here
        ]
        assert [(f.dataset, f.unit, f.size, sha256(f)) for f in there] == [
            (f.dataset, f.unit, f.size, sha256(f)) for f in here
        ]
        for ours, theirs in zip(here, there, strict=True):
            assert _read(theirs).equals(_read(ours))
        before = {f.address: sha256(f) for f in there}
        rows.write(folder, "metrics", [rows.metrics(plays=9)])
        store.put(folder, "landing/video")
        again = discover("s3a://landing/video", store=store.settings)
        assert [f.dataset for f in again if sha256(f) != before[f.address]] == ["metrics"]
        with pytest.raises(LandingError, match="is no folder"):
            discover("s3a://landing/nothing", store=store.settings)
    with pytest.raises(LandingError, match=r"cannot be looked at: .*MEDIA_ANALYTICS_VIDEO__STORE"):
        discover("s3a://landing/video", store=store.settings)


def _dated_csv(folder: Path, days: Sequence[date]) -> Path:
    """The rows of `good_folder` as CSV: catalogues flat, facts in the folders of their dates."""
    for dataset, row in (("assets", rows.asset()), ("devices", rows.device()), ("geo", rows.geo())):
        rows.write_csv(folder, dataset, [row])
    for number, day in enumerate(days):
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        rows.write_csv(folder, "delivery", [rows.delivery(f"r{number}", noon)], day)
        rows.write_csv(folder, "metrics", [rows.metrics(day=day)], day)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "files", "one"),
    [
        (rows.good_folder, 5, "assets.parquet"),
        (_dated_csv, 3 + 2 * len(DAYS), f"delivery/date={DAYS[0]}/part.csv"),
    ],
)
def test_a_load_from_an_object_store_gives_the_tables_of_a_load_from_a_folder(
    make: Callable[[Path, Sequence[date]], Path],
    files: int,
    one: str,
    world: World,
    loaded: World,
    tmp_path: Path,
) -> None:
    """Down to gold; catches a step that looks for the files again, an address that the ledger does not find."""
    make(tmp_path / "files", DAYS)
    with object_store.running() as store:
        store.put(tmp_path / "files", "landing/video")
        video = world.settings.video.model_copy(update={"store": store.settings})
        world.settings = world.settings.model_copy(update={"video": video})
        world.load("s3a://landing/video")
        assert world.hashes() == loaded.hashes()
        found = {r["source_file"] for r in world.rows("ops.video_files")}
        assert f"s3a://landing/video/{one}" in found and len(found) == files
        versions = world.versions()
        world.load("s3a://landing/video/")
        assert world.versions() == versions, "the same contents: nothing to do"
