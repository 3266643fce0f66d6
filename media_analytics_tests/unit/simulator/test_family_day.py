"""The other families of a simulated day: a function of their arguments, caused by readers, within their contracts."""

import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from media_analytics.contracts.audit import arrow_schema
from media_analytics.contracts.registry import TOPICS
from media_analytics_tests.builders import settings as builder
from streaming.codecs.families import families
from streaming.simulator.accounts import Accounts
from streaming.simulator.day import Day, make_day
from streaming.simulator.family_day import FAMILIES, FamilyDay, make_families
from streaming.simulator.newsroom import Item

EVENTS = 20_000
DAY = date(2026, 11, 20)
BRANDS = {"bild", "welt", "business_insider", "politico", "sport_bild"}


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> Day:
    return make_day(1, DAY, EVENTS, builder.make(tmp_path_factory.mktemp("settings")).brands)


@pytest.fixture(scope="module")
def made(readers: Day, tmp_path_factory: pytest.TempPathFactory) -> dict[str, FamilyDay]:
    return make_families(1, DAY, readers, builder.make(tmp_path_factory.mktemp("settings")).brands)


def valid(part: FamilyDay) -> list[Item]:
    """Valid items, each once: a malformed one breaks exactly one of these."""
    found = {
        item["event_id"]: item
        for item in part.items
        if item["brand"] in BRANDS
        and item["event_type"] != "Nothing We Know"
        and item["occurred_at"].startswith("2026-11-")
        and item.get("consent") != ["everything"]
        and len(item["event_id"]) == 36
        and "colour" not in item
    }
    return list(found.values())


def test_the_same_arguments_give_the_same_items(
    made: dict[str, FamilyDay], readers: Day, tmp_path: Path
) -> None:
    """A second run must send nothing, so it must find the items it sent."""
    brands = builder.make(tmp_path).brands
    assert make_families(1, DAY, make_day(1, DAY, EVENTS, brands), brands) == made
    other = make_families(2, DAY, make_day(2, DAY, EVENTS, brands), brands)
    for family in FAMILIES:
        assert not {i["event_id"] for i in valid(other[family])} & {
            i["event_id"] for i in valid(made[family])
        }


def test_making_the_other_families_leaves_the_readers_day_as_it_is(readers: Day, tmp_path: Path) -> None:
    """The numbers of the user family are published; a shared dict or stream of chance would change them."""
    brands = builder.make(tmp_path).brands
    untouched = make_day(1, DAY, EVENTS, brands)
    before = json.dumps(untouched.items)
    make_families(1, DAY, untouched, brands)
    assert json.dumps(untouched.items) == before


def test_counts_are_what_is_in_the_items(made: dict[str, FamilyDay]) -> None:
    for family, part in made.items():
        assert len(valid(part)) == part.events, family
        assert len(part.items) == part.events + part.copies + part.malformed, family
    assert sum(part.malformed for part in made.values()) > 0
    assert sum(part.copies for part in made.values()) > 0


@pytest.mark.parametrize("family", FAMILIES)
def test_every_valid_item_keeps_the_contract(made: dict[str, FamilyDay], family: str) -> None:
    """A value that the contract forbids would be a rejection that nobody meant."""
    contract = TOPICS[families()[family].topic]
    schema = pa.schema([field.with_nullable(True) for field in arrow_schema(contract)])
    times = [f.name for f in schema if pa.types.is_timestamp(f.type)]
    rows = []
    for item in valid(made[family]):
        ours = {"received_at": item["occurred_at"], "origin": "live"}
        row = item | ours | {name: datetime.fromisoformat((item | ours)[name]) for name in times}
        assert set(item) <= set(schema.names), set(item) - set(schema.names)
        rows.append({name: row.get(name) for name in schema.names})
    frame = pa.Table.from_pylist(rows, schema).to_pandas(types_mapper=pd.ArrowDtype)
    contract.schema.validate(frame, lazy=True)


def test_customers_log_in_around_their_visits(made: dict[str, FamilyDay], readers: Day) -> None:
    """A session of somebody who read nothing, or a heartbeat without a log-in, would not be this product's data."""
    read = {(item["brand"], item["customer_id"]) for _, item in readers.timed if "customer_id" in item}
    sessions = valid(made["session"])
    assert {(i["brand"], i["customer_id"]) for i in sessions} <= read
    begun = {i["session_ref"] for i in sessions if i["event_type"] == "login"}
    assert {i["session_ref"] for i in sessions if i["event_type"] in ("heartbeat", "logout")} <= begun | {
        i["session_ref"] for i in sessions if i["event_type"] == "tier_changed"
    }
    kinds = Counter(i["event_type"] for i in sessions)
    assert kinds["login"] > kinds["logout"] > 0
    assert kinds["tier_changed"] > 0


def test_articles_appear_once_change_in_order_and_end_with_the_headline_that_readers_see(
    made: dict[str, FamilyDay], readers: Day
) -> None:
    """Revisions out of order would give intervals that overlap."""
    seen = {item["content_id"]: item["title"] for _, item in readers.timed if "content_id" in item}
    by_article: dict[str, list[Item]] = {}
    for item in sorted(valid(made["content"]), key=lambda i: i["occurred_at"]):
        by_article.setdefault(item["content_id"], []).append(item)
    assert {i["brand"] for items in by_article.values() for i in items} == BRANDS
    for content_id, items in by_article.items():
        assert [i["revision"] for i in items] == list(range(1, len(items) + 1))
        assert items[0]["event_type"] == "published"
        assert items[0]["published_at"] == items[0]["occurred_at"]
        changed = [i for i in items if i["event_type"] == "headline_changed"]
        if changed and content_id in seen:
            assert changed[-1]["title"] == seen[content_id] != items[0]["title"]
    hours = Counter(i["occurred_at"][11:13] for i in valid(made["content"]) if i["event_type"] == "published")
    assert not {"00", "01", "02", "03"} & set(hours)


def test_one_kind_of_call_fails_for_a_quarter_of_an_hour() -> None:
    """Without an incident the anomaly page would have nothing to show; with errors everywhere neither."""
    accounts = Accounts("seed")
    cause: Item = {"event_type": "page_view", "brand": "bild", "anonymous_id": "a"}
    midnight = datetime.combine(DAY, datetime.min.time(), UTC)
    calls: Counter[tuple[str, int]] = Counter()
    errors: Counter[tuple[str, int]] = Counter()
    for second in range(86_400):
        for _, _, item in accounts.after(midnight + timedelta(seconds=second), cause):
            place = (item["event_type"], second // 300)
            calls[place] += 1
            errors[place] += item["status"] == "error"
            assert ("error_code" in item) == (item["status"] == "error")
    assert 0.008 < sum(errors.values()) / sum(calls.values()) < 0.02
    (kind, middle), _ = errors.most_common(1)[0]
    near = [(kind, middle + n) for n in (-2, -1, 0, 1, 2)]
    assert sum(errors[p] for p in near) / sum(calls[p] for p in near) > 0.08
    quiet = {p for p in calls if p[0] != kind or abs(p[1] - middle) > 3}
    assert sum(errors[p] for p in quiet) / sum(calls[p] for p in quiet) < 0.013


def test_security_has_robots_and_failed_log_ins_with_addresses(made: dict[str, FamilyDay]) -> None:
    found = valid(made["security"])
    assert {"login_failed", "bot_challenge"} <= {i["event_type"] for i in found}
    assert all("ip" in i and "user_agent" in i and 1 <= i["severity"] <= 5 for i in found)


def test_consent_is_decided_by_customers_and_withdrawn_by_some(made: dict[str, FamilyDay]) -> None:
    found = valid(made["compliance"])
    kinds = Counter(i["event_type"] for i in found)
    assert kinds["consent_given"] > kinds["consent_withdrawn"] > 0
    assert all(i["customer_id"] for i in found)
    # One whose consent is empty: the event must still name its customer.
    assert any(i.get("consent") == [] for i in found)


def test_items_are_sent_in_order_of_time(made: dict[str, FamilyDay]) -> None:
    for part in made.values():
        times = [i["occurred_at"] for i in part.items if i["occurred_at"].startswith("2026-11-")]
        assert all(a <= b for a, b in pairwise(times))
        assert times[0] >= datetime.combine(DAY, datetime.min.time(), UTC).isoformat()[:10]
