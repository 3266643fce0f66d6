"""Files generated from contracts are what the contracts say now."""

from pathlib import Path

import pytest

from media_analytics.contracts.docs import doc_files
from media_analytics.contracts.generated import SCHEMAS, schema_files

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("path", [*schema_files()])
def test_schema_is_fresh(path: str) -> None:
    assert (ROOT / path).read_text("utf-8") == schema_files()[path], "run `media-analytics contracts schemas`"


@pytest.mark.parametrize("path", [*doc_files()])
def test_reference_is_fresh(path: str) -> None:
    assert (ROOT / path).read_text("utf-8") == doc_files()[path], "run `media-analytics contracts docs`"


def test_no_schema_is_left_of_a_topic_that_is_gone() -> None:
    assert {f"{SCHEMAS}/{p.name}" for p in (ROOT / SCHEMAS).iterdir()} == set(schema_files())


def test_a_changed_contract_would_be_noticed() -> None:
    page = doc_files()["docs/reference/tables.md"]
    for text in (
        "## silver.sessions",
        "`engaged_seconds_human`",
        "one of done, refused, failed",
        "network address",
    ):
        assert text in page
