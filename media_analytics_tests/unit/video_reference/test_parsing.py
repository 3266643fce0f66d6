"""What the platform's reader and the reference take for a number, a flag, a day, an instant.

Would catch a reader that cuts 1.5 down to 1, takes a time without a zone for UTC, or a number too large for another.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from media_analytics.video_files.landing import discover
from media_analytics.video_files.reading import Reading, Stamp, schema_of
from media_analytics_tests.builders.video import files
from media_analytics_tests.builders.video.reference import DATASETS, Reference
from media_analytics_tests.builders.video.sources import FIRST, good_row
from media_analytics_tests.builders.video.wrong import Text

TEXTS: dict[tuple[str, str], list[str]] = {
    ("delivery", "bytes_sent"): [
        "1",
        "+1",
        "-0",
        " 7 ",
        "1.0",
        "1.00",
        "1.5",
        "1e3",
        "0x1",
        "1_0",
        "9223372036854775807",
        "9223372036854775808",
        "-1",
        "",
        "  ",
        "NaN",
        "007",
        "1,000",
    ],
    ("delivery", "http_status"): ["200", "2147483648", "-2147483648", "200.0", "+200", "2 00"],
    ("delivery", "requested_at"): [
        "2026-03-01T12:00:00Z",
        "2026-03-01 12:00:00+00:00",
        "2026-03-01T12:00:00+0000",
        "2026-03-01T12:00:00.123456789Z",
        "2026-03-01T12:00:00,5Z",
        "2026-03-01T12:00Z",
        "2026-03-01T12:00:00",
        "2026-03-01",
        "2026-03-01T24:00:00Z",
        "2026-03-01T12:00:60Z",
        "2026-02-30T12:00:00Z",
        "2026-03-01t12:00:00z",
        "20260301T120000Z",
        "2026-03-01T12:00:00+01",
        "2026-03-01T12:00:00 +01:00",
        "1772366400",
        "2026-03-01T12:00:00 Z",
        "2026-03-01T12:00:00+25:00",
        "2026-03-01T12:00:00-00:00",
    ],
    ("delivery", "date"): [
        "2026-03-01",
        " 2026-03-01 ",
        "2026-3-1",
        "2026/03/01",
        "20260301",
        "2026-03-01T00:00:00Z",
        "01.03.2026",
        "2026-02-29",
    ],
    ("metrics", "watch_seconds"): [
        "nan",
        "NaN",
        "inf",
        "Infinity",
        "-inf",
        "+Inf",
        "1.",
        ".5",
        "1e5",
        "1E-5",
        "1,5",
        "1f",
        "0x1p3",
        " 1.5 ",
        "--1",
        "infinit",
        "1d",
        "1e400",
    ],
    ("assets", "is_premium"): ["true", "True", "TRUE", "false", "t", "1", "yes", "0", "Y", " true ", "wahr"],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One CSV file a dataset; a row for each text, in the order of `TEXTS`."""
    made = tmp_path_factory.mktemp("texts")
    for dataset in DATASETS:
        texts = [(column, text) for (of, column), all_of in TEXTS.items() if of == dataset for text in all_of]
        rows = [
            good_row(dataset, FIRST, str(n)) | {column: Text(text)} for n, (column, text) in enumerate(texts)
        ]
        files.write_file(made / f"{dataset}.csv", dataset, rows or [good_row(dataset, FIRST, "x")])
    return made


def _read(folder: Path) -> Iterator[tuple[str, pa.Table]]:
    stamp = Stamp("batch", datetime.now(UTC))
    for file in discover(str(folder), ()):
        yield (
            file.dataset,
            pa.Table.from_batches(list(Reading(file, stamp, schema_of(file.dataset, [])).batches())),
        )


def test_the_reader_and_the_reference_take_the_same_texts(folder: Path) -> None:
    reference = Reference(folder)
    read = dict(_read(folder))
    differences = []
    for dataset in {dataset for dataset, _ in TEXTS}:
        wanted = reference.connection.execute(f"SELECT * FROM typed_{dataset} ORDER BY line").to_arrow_table()
        texts = [(column, text) for (of, column), all_of in TEXTS.items() if of == dataset for text in all_of]
        for place, (column, text) in enumerate(texts):
            found, expected = (t[column][place].as_py() for t in (read[dataset], wanted))
            refused = bool(read[dataset]["unparsed"][place].as_py()), bool(wanted["unparsed"][place].as_py())
            if refused[0] != refused[1] or not (found == expected or str(found) == str(expected)):
                differences.append(
                    f"{column} {text!r}: {found!r} {refused[0]}, expected {expected!r} {refused[1]}"
                )
    assert differences == []


def test_what_did_not_parse_is_kept_as_it_was(folder: Path) -> None:
    rows = dict(_read(folder))["delivery"].to_pylist()
    kept = {value for row in rows for _, value in row["unparsed"] or ()}
    assert {"1.5", "2026-03-01T12:00:00", "2026/03/01", "9223372036854775808"} <= kept
    assert "1.0" not in kept
