"""Tokens whose part a kill cut off are forgotten; all others stay."""

from pathlib import Path

import pytest

from media_analytics.errors import ServiceError
from media_analytics.local.gateway import deduplication


def table(data: Path, parts: tuple[str, ...], *logs: str) -> Path:
    """A table's folder as ClickHouse lays it out; its newest log."""
    folder = data / "store" / "0a1" / "0a1b2c3d-0000-4000-8000-000000000000"
    for part in parts:
        (folder / part).mkdir(parents=True)
    written = folder / "deduplication_logs"
    written.mkdir(parents=True)
    for number, text in enumerate(logs, start=9):
        (written / f"deduplication_log_{number}.txt").write_text(text, "utf-8")
    return written / f"deduplication_log_{8 + len(logs)}.txt"


def test_a_token_without_its_part_is_dropped_in_the_newest_log(tmp_path: Path) -> None:
    """Log 10 is newer than log 9, though its name sorts before it."""
    newest = table(
        tmp_path,
        ("20260101_1_1_0", "tmp_insert_20260101_2_2_0"),
        "1\t20260101_1_1_0\tfirst\n",
        "1\t20260101_2_2_0\tsecond\n",
    )
    assert newest.name == "deduplication_log_10.txt"
    assert deduplication.forget_unfinished(tmp_path) == 1
    assert newest.read_text("utf-8") == "1\t20260101_2_2_0\tsecond\n2\t20260101_2_2_0\tsecond\n"
    assert deduplication.forget_unfinished(tmp_path) == 0


@pytest.mark.parametrize("part", ["all_1_9_2", "all_1_9_2_14", "all_4_4_0"])
def test_the_token_of_a_merged_or_changed_part_stays(tmp_path: Path, part: str) -> None:
    newest = table(tmp_path, (part,), "1\tall_4_4_0\ttoken\n")
    assert deduplication.forget_unfinished(tmp_path) == 0
    assert newest.read_text("utf-8") == "1\tall_4_4_0\ttoken\n"


def test_a_part_of_another_partition_does_not_hold_the_rows(tmp_path: Path) -> None:
    table(tmp_path, ("20260101_1_9_1",), "1\t20260102_4_4_0\ttoken\n")
    assert deduplication.forget_unfinished(tmp_path) == 1


def test_a_token_that_was_dropped_and_a_name_of_another_form_are_left_alone(tmp_path: Path) -> None:
    newest = table(tmp_path, (), "1\tall_1_1_0\told\n2\tall_1_1_0\told\n1\tsomething\tother\n")
    before = newest.read_text("utf-8")
    assert deduplication.forget_unfinished(tmp_path) == 0
    assert newest.read_text("utf-8") == before


def test_a_table_without_tokens_and_an_empty_home(tmp_path: Path) -> None:
    assert deduplication.forget_unfinished(tmp_path) == 0
    table(tmp_path, ("all_1_1_0",))
    assert deduplication.forget_unfinished(tmp_path) == 0


def test_the_folder_is_held_by_one(tmp_path: Path) -> None:
    data = tmp_path / "clickhouse"
    held = deduplication.lock(data)
    with pytest.raises(ServiceError, match=r"another gateway serves .*media-analytics down"):
        deduplication.lock(data)
    held.close()
    deduplication.lock(data).close()
