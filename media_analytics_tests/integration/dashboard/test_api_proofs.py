"""The API's completeness, freshness and dead letters, over real Delta tables with known rows."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from media_analytics.cli import app
from media_analytics.errors import MediaAnalyticsError
from media_analytics.modelling.minutes import MINUTE
from media_analytics_tests.integration.dashboard.planted import Api, Planted, minute_ago
from media_analytics_tests.services.embedded import Embedded

pytestmark = pytest.mark.integration
SECRET = "reader@example.org"


def test_completeness_adds_up_by_store_and_names_what_is_red(api: Api, planted: Planted) -> None:
    """Catches a store added to the other, a minute outside the time, a red minute that is not named, an old version."""
    minute = minute_ago(10)
    planted.proofs(
        {"partition": 0, "minute": minute},
        {"partition": 1, "minute": minute, "lake_count": 97, "lake_distinct": 97, "missing_lake": 3,
         "first_offset": 500, "last_offset": 599},
        {"topic": "content.events", "minute": minute_ago(20), "missing_realtime": None,
         "duplicates_realtime": None, "realtime_count": None, "realtime_distinct": None},
        {"minute": minute_ago(60 * 30), "missing_lake": 7},
    )  # fmt: skip
    found = api.get_fresh("/v1/completeness")
    assert found["is_complete"] is False
    proofs = {(p["topic"], p["store"]): p for p in found["proofs"]}
    assert set(proofs) == {("user.raw", "realtime"), ("user.raw", "lake"), ("content.events", "lake")}
    lake = proofs[("user.raw", "lake")]
    assert (lake["messages"], lake["missing"], lake["duplicates"], lake["minutes"]) == (200, 3, 0, 2)
    assert [(r["partition"], r["first_offset"], r["last_offset"], r["missing"]) for r in lake["red"]] == [
        (1, 500, 599, 3)
    ]
    assert proofs[("user.raw", "realtime")]["red"] == []
    assert datetime.fromisoformat(lake["judged_through"]) == minute + MINUTE
    assert api.get("/v1/completeness", hours=48)["proofs"][1]["missing"] == 10
    page = api.get("/v1/completeness/minutes", limit=2)
    assert [(m["topic"], m["partition"]) for m in page["items"]] == [("user.raw", 1), ("user.raw", 0)]
    rest = api.get("/v1/completeness/minutes", limit=2, cursor=page["next"])
    assert [(m["topic"], m["realtime_count"]) for m in rest["items"]] == [("content.events", None)]
    assert api.get("/v1/completeness/minutes", topic="content.events")["items"] == rest["items"]
    planted.proofs({"partition": 0})
    assert api.get_fresh("/v1/completeness")["is_complete"] is True


def test_the_command_says_the_same_and_nothing_when_nothing_was_judged(
    home: Embedded, planted: Planted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a red minute with exit code 0, and "complete" where nothing was judged."""
    for name, value in home.environment.items():
        monkeypatch.setenv(name, value)

    def ask() -> tuple[dict[str, Any], BaseException | None]:
        answer = CliRunner().invoke(app, ["completeness", "--json", "--since", "1h"])
        return json.loads(answer.stdout), answer.exception

    planted.proofs({"minute": minute_ago(10), "lake_count": 97, "lake_distinct": 97, "missing_lake": 3})
    found, error = ask()
    assert found["is_complete"] is False
    assert isinstance(error, MediaAnalyticsError)
    assert "user.raw in lake" in str(error)
    planted.proofs({"minute": minute_ago(10)})
    found, error = ask()
    assert (found["is_complete"], error) == (True, None)
    planted.proofs({"minute": minute_ago(60 * 3)})
    found, error = ask()
    assert (found["is_complete"], found["proofs"], error) == (None, [], None)


def test_freshness_is_the_age_of_rows_and_its_limits_are_the_contracts(api: Api, planted: Planted) -> None:
    """Catches an empty table that counts as fresh, an age of the wrong store, a limit of another table."""
    planted.proofs({})
    planted.events("interactions", 1, seconds_ago=25 * 60, event_type="play", status="success", latency_ms=1)
    planted.copied("content")
    tables = {t["table"]: t for t in api.get_fresh("/v1/freshness")["items"]}
    proven = tables["ops.completeness"]
    assert (proven["state"], proven["warn_seconds"], proven["fail_seconds"]) == ("fresh", 1800, 2700)
    assert 0 <= proven["age_seconds"] < 60
    late = tables["realtime.interactions"]
    assert late["state"] == "late"
    assert late["age_seconds"] == pytest.approx(25 * 60, abs=20)
    assert (tables["gold.reader_sessions"]["state"], tables["gold.reader_sessions"]["age_seconds"]) == (
        "empty",
        None,
    )
    copied = tables["warehouse.content"]
    assert copied["state"] == "fresh"
    assert 0 <= copied["age_seconds"] < 60
    assert tables["warehouse.subscriptions"]["state"] == "empty"
    states = [t["state"] for t in api.get("/v1/freshness")["items"]]
    order = ["stale", "late", "empty", "fresh"]
    assert states == sorted(states, key=order.index)


def test_dead_letters_come_in_groups_and_show_nobody(api: Api, planted: Planted) -> None:
    """Catches a group by message, a letter counted twice, an original or its quotation in an answer."""
    body = json.dumps({"event_type": "page_view", "brand": "bold", "customer_id": SECRET}).encode()
    planted.letters(
        ("/v1/events/user", body, "unknown_brand", "brand"),
        ("/v1/events/user", body + b" ", "unknown_brand", "brand"),
        ("/v1/events/content", b"{", "not_json", None),
    )
    groups = api.get_fresh("/v1/dead-letters/groups")["items"]
    assert [(g["family"], g["rule"], g["field"], g["producer"], g["letters"]) for g in groups] == [
        ("user", "unknown_brand", "brand", "server 0", 2),
        ("content", "not_json", None, "server 0", 1),
    ]
    letters = api.get(f"/v1/dead-letters/groups/{groups[0]['group']}")["items"]
    assert [one["original_length"] for one in letters] in (
        [len(body), len(body) + 1],
        [len(body) + 1, len(body)],
    )
    assert {one["stage"] for one in letters} == {"collector"}
    assert set(letters[0]["payload"]) == {"event_type", "brand", "customer_id"}
    first = api.get(f"/v1/dead-letters/groups/{groups[0]['group']}", limit=1)
    second = api.get(f"/v1/dead-letters/groups/{groups[0]['group']}", limit=1, cursor=first["next"])
    assert [one["letter_id"] for one in first["items"] + second["items"]] == [
        one["letter_id"] for one in letters
    ]
    assert second["next"] is None
    assert SECRET not in json.dumps([groups, letters])
    assert api.get("/v1/dead-letters/groups/00000000")["items"] == []
    assert api.http.get("/v1/dead-letters/groups/nonsense").status_code == 422
    planted.letters(("/v1/events/user", body, "unknown_brand", "brand"))
    assert [g["letters"] for g in api.get_fresh("/v1/dead-letters/groups")["items"]] == [1]


REFUSED = {
    "event_type": "page_view",
    "brand": "bold",
    "page_url": "https://www.bild.de/1",
    "anonymous_id": "a1",
}
PATCH = '[[change]]\nset = "brand"\nvalue = "bild"'


def test_a_patch_is_tried_before_it_is_replayed(api: Api, planted: Planted) -> None:
    """Catches a trial that ignores the patch, or judges another group; a wrong patch that is our fault, not its own."""
    sent = REFUSED | {"occurred_at": datetime.now(UTC).isoformat()}
    planted.letters(
        ("/v1/events/user", json.dumps(sent).encode(), "unknown_brand", "brand"),
        ("/v1/events/user", json.dumps(sent | {"position": "x"}).encode(), "unknown_brand", "brand"),
        ("/v1/events/content", b"{", "not_json", None),
    )
    code = api.get_fresh("/v1/dead-letters/groups")["items"][0]["group"]
    trials = f"/v1/dead-letters/groups/{code}/trials"
    plain = api.http.post(trials, json={}).json()
    assert (plain["letters"], plain["passed"]) == (2, 0)
    assert plain["failed"] == [{"rule": "unknown_brand", "field": "brand", "letters": 2}]
    patched = api.http.post(trials, json={"patch": PATCH}).json()
    assert (patched["letters"], patched["passed"], patched["events"]) == (2, 1, 1)
    assert [(f["field"], f["letters"]) for f in patched["failed"]] == [("position", 1)]
    for wrong in ("[[change]]", "not toml"):
        answer = api.http.post(trials, json={"patch": wrong})
        assert answer.status_code == 422, wrong
        assert "patch" in answer.json()["detail"]
    assert api.http.post(trials, json={"patch": "#" * 70_000}).status_code == 422
    # No Dagster runs here: that is said, and is not the request's fault.
    answer = api.http.post(f"/v1/dead-letters/groups/{code}/replays", json={"patch": PATCH})
    assert (answer.status_code, "Dagster" in answer.json()["detail"]) == (503, True)
    assert api.http.get("/v1/dead-letters/replays/nonsense").status_code == 422


def test_time_ahead_of_this_clock_has_no_negative_age(api: Api, planted: Planted) -> None:
    """Catches an age below zero where a row's clock is ahead."""
    ahead = (datetime.now(UTC) + timedelta(minutes=2)).strftime("%Y-%m-%d %H:%M:%S.%f")
    planted.events("session_events", 1, appended_at=ahead)
    tables = {t["table"]: t for t in api.get_fresh("/v1/freshness")["items"]}
    assert tables["realtime.session_events"]["age_seconds"] == 0
