"""Files generated from contracts are what the contracts say now."""

from pathlib import Path

import pytest

from media_analytics.contracts.dbt import dbt_files
from media_analytics.contracts.docs import doc_files
from media_analytics.contracts.generated import SCHEMAS, schema_files
from media_analytics.dashboard.reading.catalogue import REPORTS
from media_analytics.warehouse.measures import columns, measure_files, sentences

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("path", [*schema_files()])
def test_schema_is_fresh(path: str) -> None:
    assert (ROOT / path).read_text("utf-8") == schema_files()[path], "run `media-analytics contracts schemas`"


PAGES = doc_files() | dbt_files() | measure_files()


@pytest.mark.parametrize("path", PAGES)
def test_reference_is_fresh(path: str) -> None:
    assert (ROOT / path).read_text("utf-8") == PAGES[path], "run `media-analytics contracts docs`"


def test_every_measure_has_one_sentence_and_every_sentence_a_column() -> None:
    """Would catch a sentence nobody shows, a name said twice, and a measure that explains itself elsewhere."""
    used = {name for of_model in columns().values() for names in of_model.values() for name in names}
    reported = {name for of in REPORTS.values() for m in of.measures for name in m.sentences("human")}
    assert used | reported == set(sentences())
    said = list(sentences().values())
    assert len(said) == len(set(said))
    lonely = {
        f"{model}.{column}"
        for model, its_columns in columns().items()
        for column, names in its_columns.items()
        if not names and not model.startswith("stg_")
    }
    assert lonely == set()


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
