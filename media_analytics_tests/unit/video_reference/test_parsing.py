"""What the platform's reader and the reference take for a number, a flag, a day, an instant.

Would catch a reader that cuts 1.5 down to 1, takes a time without a zone for UTC, or a number too large for another.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from media_analytics.video_files.landing import discover
from media_analytics.video_files.reading import Reading, Stamp, schema_of
from media_analytics_tests.builders.video import files
from media_analytics_tests.builders.video.reference import DATASETS, Reference
from media_analytics_tests.builders.video.sources import FIRST, good_row
from media_analytics_tests.builders.video.wrong import Text

# Of a dataset's column, texts.
Texts = Mapping[tuple[str, str], list[str]]
TEXTS: Texts = {
    ("delivery", "bytes_sent"): [
        "1",
        "+1",
        "-0",
        " 7 ",
        "1.0",
        "1.00",
        "1.",
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


# Numbers as tools write them, and texts that are nearly one.
NUMBERS = st.one_of(
    st.from_regex(
        r"[ \t]?[+-]?[0-9]{0,20}(\.0{0,3}|\.[0-9]{0,3})?([eE][+-]?[0-9]{1,2})?[ \t]?", fullmatch=True
    ),
    st.integers(-(2**64), 2**64).map(str),
    st.integers(-(2**31) - 1, 2**31).map("{}.0".format),
    st.text("0123456789+-.,eE_ naifx", max_size=8),
)
NUMBER_COLUMNS = (("delivery", "http_status"), ("delivery", "bytes_sent"), ("metrics", "watch_seconds"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _written(tmp_path_factory.mktemp("texts"), TEXTS)


def _written(folder: Path, texts: Texts) -> Path:
    """One CSV file a dataset; a row for each text, in their order."""
    for dataset in DATASETS:
        rows = [
            good_row(dataset, FIRST, str(n)) | {column: Text(text)}
            for n, (column, text) in enumerate(_of(dataset, texts))
        ]
        files.write_file(folder / f"{dataset}.csv", dataset, rows or [good_row(dataset, FIRST, "x")])
    return folder


def _of(dataset: str, texts: Texts) -> list[tuple[str, str]]:
    return [(column, text) for (of, column), all_of in texts.items() if of == dataset for text in all_of]


def _read(folder: Path) -> Iterator[tuple[str, pa.Table]]:
    stamp = Stamp("batch", datetime.now(UTC))
    for file in discover(str(folder), ()):
        yield (
            file.dataset,
            pa.Table.from_batches(list(Reading(file, stamp, schema_of(file.dataset, [])).batches())),
        )


def _differences(folder: Path, texts: Texts) -> list[str]:
    reference = Reference(folder)
    read = dict(_read(folder))
    found_ones = []
    for dataset in {dataset for dataset, _ in texts}:
        wanted = reference.connection.execute(f"SELECT * FROM typed_{dataset} ORDER BY line").to_arrow_table()
        for place, (column, text) in enumerate(_of(dataset, texts)):
            found, expected = (t[column][place].as_py() for t in (read[dataset], wanted))
            refused = bool(read[dataset]["unparsed"][place].as_py()), bool(wanted["unparsed"][place].as_py())
            if refused[0] != refused[1] or not (found == expected or str(found) == str(expected)):
                found_ones.append(
                    f"{column} {text!r}: {found!r} {refused[0]}, expected {expected!r} {refused[1]}"
                )
    reference.close()
    return found_ones


def test_the_reader_and_the_reference_take_the_same_texts(folder: Path) -> None:
    assert _differences(folder, TEXTS) == []


# One example holds many texts: reading the files anew costs more than another text.
@settings(
    max_examples=3,
    deadline=None,
    phases=[Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(texts=st.lists(NUMBERS, min_size=60, max_size=100))
def test_they_take_the_same_drawn_texts_for_numbers(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    """Every text in a column of each kind of number; catches `7.` taken for 7 by one of them, or 7.0 refused."""
    folder = tmp_path_factory.mktemp("drawn")
    drawn = dict.fromkeys(NUMBER_COLUMNS, texts)
    assert _differences(_written(folder, drawn), drawn) == []


def test_what_did_not_parse_is_kept_as_it_was(folder: Path) -> None:
    rows = dict(_read(folder))["delivery"].to_pylist()
    kept = {value for row in rows for _, value in row["unparsed"] or ()}
    assert {"1.5", "2026-03-01T12:00:00", "2026/03/01", "9223372036854775808"} <= kept
    assert "1.0" not in kept
