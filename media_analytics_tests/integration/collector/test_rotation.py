"""Visitor keys rotate by configuration: which identity a reader has before and after."""

import hashlib
import hmac
import json
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from media_analytics_tests.integration.collector.process import Collector, read_topic
from media_analytics_tests.services.embedded import Embedded

pytestmark = pytest.mark.integration


def _send(home: Embedded, log: Path, keys: list[dict[str, str]]) -> list[str]:
    """Three readers of one address and browser, through a collector with these keys; their visitor ids."""
    now = datetime.now(UTC).isoformat()
    common: dict[str, Any] = {
        "event_type": "page_view",
        "brand": "bild",
        "occurred_at": now,
        "ip": "198.51.100.7",
        "user_agent": "browser",
    }
    people: list[dict[str, str]] = [{}, {"anonymous_id": "a1"}, {"customer_id": "c1"}]
    ids = [str(uuid.uuid4()) for _ in people]
    collector = Collector(home, log, PRIVACY__VISITOR_KEYS=json.dumps(keys)).start()
    items = [common | person | {"event_id": i} for person, i in zip(people, ids, strict=True)]
    answer = httpx.post(f"{collector.url}/v1/events/user", json=items, trust_env=False, timeout=30)
    assert answer.json()["accepted"] == len(people), answer.text
    assert collector.stop() == 0
    stored = {r["event_id"]: r["visitor_id"] for r in read_topic(home, "user.raw")}
    return [stored[i] for i in ids]


def _hashed(key: str) -> str:
    return "h:" + hmac.digest(key.encode(), b"198.51.100.7\x00browser", hashlib.sha256).hex()[:32]


def test_a_new_key_renames_readers_without_an_id_and_nobody_else(home: Embedded, tmp_path: Path) -> None:
    """Would catch a key that counts before its day, and a rotation that also moves customers."""
    today = datetime.now(UTC).date()
    first = {"valid_from": "2000-01-01", "key": "first"}
    announced = {"valid_from": str(today + timedelta(days=2)), "key": "second"}
    in_force = {"valid_from": str(today - timedelta(days=1)), "key": "second"}
    known = ["a:a1", "c:c1"]
    assert _send(home, tmp_path / "log", [first]) == [_hashed("first"), *known]
    assert _send(home, tmp_path / "log", [first, announced]) == [_hashed("first"), *known]
    assert _send(home, tmp_path / "log", [first, in_force]) == [_hashed("second"), *known]
    assert _send(home, tmp_path / "log", [in_force]) == [_hashed("second"), *known]
