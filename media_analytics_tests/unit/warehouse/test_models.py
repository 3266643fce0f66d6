"""Every dbt model says what it is: contract, tests, owner, the meaning of every column; limits are variables."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import yaml

from media_analytics.errors import ContractError, SettingsError
from media_analytics.partitions import SESSION_GAP
from media_analytics.resources import dbt
from media_analytics.settings import Settings
from media_analytics.warehouse.measures import sentences
from media_analytics.warehouse.translator import Meta
from spark_jobs.transforms.sessions import BOUNCE_SECONDS

MANIFEST = dbt.manifest()
NODES = MANIFEST["nodes"]
UNIT_TESTS = MANIFEST["unit_tests"].values()
MODELS = {n["name"]: n for n in NODES.values() if n["resource_type"] == "model"}
DOMAINS = {"realtime", "bi", "editorial", "video"}
# 0, 1, a week's days and the precision of instants are no decisions of the business.
_ALLOWED_NUMBERS = {"0", "1", "6", "7"}
_NUMBER = re.compile(r"(?<![\w.'\-])\d+(?:\.\d+)?(?![\w'\-])")


def test_every_domain_has_models() -> None:
    assert {name.split("_")[0] for name in MODELS} == DOMAINS | {"stg", "int"}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_says_what_it_is(name: str) -> None:
    node = MODELS[name]
    assert node["config"]["contract"]["enforced"]
    assert node["schema"] == "warehouse"
    assert node["description"].endswith(".")
    assert Meta.of(node).owner.startswith("team:")
    assert node["columns"]
    for column in node["columns"].values():
        assert column["description"].endswith("."), column["name"]
        assert column["data_type"], column["name"]
        assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", column["name"])
        if column["data_type"] == "Bool":
            assert column["name"].startswith(("is_", "has_"))
        if column["data_type"].startswith("Date32"):
            assert column["name"].endswith("date")
        if column["data_type"].startswith("DateTime"):
            assert column["name"].endswith("_at")


def test_sentences_say_the_numbers_that_count() -> None:
    """Would catch a limit that is changed and explained as before."""
    numbers = yaml.safe_load((dbt.PROJECT / "dbt_project.yml").read_text("utf-8"))["vars"]
    assert (numbers["read_through_scroll_pct"], numbers["curve_days"]) == (50, 28)
    said = {
        "sessions": f"more than {SESSION_GAP.total_seconds() / 60:.0f} minutes",
        "bounces": f"less than {BOUNCE_SECONDS:g} seconds",
        "readers_now": f"last {numbers['concurrent_minutes']} minutes",
        "last_30m": f"last {numbers['live_minutes']} minutes",
        "last_24h": f"last {numbers['live_hours']} hours",
        "read_through_readers": "half of the way",
        "read_through_ratio": "half of the way",
        "median_of_section": "last four weeks",
    }
    assert {name: words for name, words in said.items() if words not in sentences()[name]} == {}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_has_tests(name: str) -> None:
    tests = [n for n in NODES.values() if n["resource_type"] == "test"]
    assert any(MODELS[name]["unique_id"] in test["depends_on"]["nodes"] for test in tests)


# Numbers that robots are not told apart in, and why.
WITHOUT_TWIN = {
    "word_count": "of the text, not of who read it",
    "video_plays": "the video files say nothing of robots",
    "video_watch_hours": "as video_plays",
    "ad_revenue_eur": "as video_plays",
    **{f"{name}_{window}": "calls of applications say nothing of robots"
       for name in ("calls", "errors", "error_rate") for window in ("30m", "24h")},
}  # fmt: skip
# Marts of nothing but video files.
_VIDEO_FILES = ("video_", "bi_revenue")


@pytest.mark.parametrize("name", MODELS)
def test_a_measure_of_readers_has_its_human_twin(name: str) -> None:
    """Would catch a number that a page shows under People and that counts robots."""
    columns = MODELS[name]["columns"]
    measures = {c for c in columns if _is_number(columns[c]["data_type"]) and c not in dimensions(name)}
    human = {c for c in measures if c.endswith("_human")}
    assert {c for c in human if c.removesuffix("_human") not in columns} == set()
    if not name.startswith(_VIDEO_FILES):
        assert {c for c in measures - human if f"{c}_human" not in columns} <= set(WITHOUT_TWIN)


def _is_number(data_type: str) -> bool:
    return data_type.removeprefix("Nullable(").startswith(("Int", "UInt", "Float"))


def dimensions(name: str) -> set[str]:
    """The columns whose combination a row has alone, by the model's own test."""
    tests = [
        n["test_metadata"]["kwargs"]["columns"]
        for n in NODES.values()
        if n.get("attached_node") == MODELS[name]["unique_id"]
        and n["test_metadata"]["name"] == "unique_combination"
    ]
    return {column for columns in tests for column in columns}


@pytest.mark.parametrize("name", [n for n in MODELS if not n.startswith("stg_")])
def test_a_model_says_what_one_row_is(name: str) -> None:
    """Would catch a join that doubles rows; a staging view has the rows of its source."""
    assert dimensions(name)
    assert dimensions(name) <= set(MODELS[name]["columns"])


@pytest.mark.parametrize("name", MODELS)
def test_a_model_has_a_unit_test(name: str) -> None:
    """Would catch logic that only rows of a real store have tried."""
    assert name in {test["model"] for test in UNIT_TESTS}


@pytest.mark.parametrize("name", MODELS)
def test_numbers_of_the_business_are_variables(name: str) -> None:
    """Would catch a window or a limit that one model has and another has not."""
    code = re.sub(r"--.*|\{#.*?#\}", "", MODELS[name]["raw_code"])
    assert set(_NUMBER.findall(code)) <= _ALLOWED_NUMBERS


def test_the_profile_is_that_of_the_settings(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings(CLICKHOUSE__URL="https://ch.example.org", CLICKHOUSE__VARIANT="replicated")
    output = dbt.profile(settings)[dbt.PROFILE]["outputs"][dbt.TARGET]
    assert {name: output[name] for name in ("host", "port", "secure", "user", "cluster")} == {
        "host": "ch.example.org",
        "port": 8443,
        "secure": True,
        "user": "platform",
        "cluster": "{cluster}",
    }
    plain = dbt.profile(make_settings())[dbt.PROFILE]["outputs"][dbt.TARGET]
    assert (plain["host"], plain["port"], plain["secure"]) == ("127.0.0.1", 1, False)
    assert "cluster" not in plain


def _engines(nodes: Mapping[str, Any]) -> set[str]:
    """The engines of models that keep rows."""
    models = (n for n in nodes.values() if n["resource_type"] == "model")
    return {n["config"]["engine"] for n in models if n["config"]["materialized"] != "view"}


@pytest.mark.slow
def test_on_a_cluster_every_replica_holds_the_rows_of_marts(make_settings: Callable[..., Settings]) -> None:
    """Would catch a mart that is made on every server and filled on one: the others would show nothing."""
    assert _engines(NODES) == {"MergeTree()"}
    settings = make_settings(CLICKHOUSE__URL="https://ch.example.org", CLICKHOUSE__VARIANT="replicated")
    with dbt.Dbt(settings).invocation(["parse"], "engines") as invocation:
        assert invocation.wait().is_successful()
        assert _engines(invocation.get_artifact("manifest.json")["nodes"]) == {"ReplicatedMergeTree()"}


def test_a_manifest_that_was_not_made_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setattr(dbt, "MANIFEST", tmp_path / "manifest.json")
    with pytest.raises(SettingsError, match="make setup"):
        dbt.manifest()


def test_a_model_without_an_owner_is_refused() -> None:
    with pytest.raises(ContractError, match=r"dbt model x needs .*missing: refresh_minutes, owner"):
        Meta.of({"name": "x", "config": {"meta": {"partitions": "daily"}}})
