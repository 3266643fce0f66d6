"""What happens around a reader's events: log-ins, guards, consent and application calls.

Belongs here: items for `/v1/events/` of `session`, `security`, `compliance` and `interactions`, each caused by an event
of the user family and at most some seconds after it. Does not belong here: the user family itself (`sessions.py`),
content (`newsroom.py`).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from streaming.simulator import world
from streaming.simulator.chance import Chance, Weighted

Item = dict[str, Any]
# Family, time, item.
Caused = tuple[str, datetime, Item]
_SESSION_GAP = timedelta(minutes=30)
_HEARTBEAT = timedelta(minutes=5)
_INCIDENT = timedelta(minutes=15)
# A live stream goes on for days; its memory does not grow.
_REMEMBERED = 20_000
_SHARE_OF_ERRORS = 0.01
_SHARE_OF_ERRORS_IN_INCIDENT = 0.2


@dataclass(slots=True)
class _Account:
    """A customer of one brand, as the account service knows them."""

    tier: str
    device_id: str
    seen_at: datetime
    beat_at: datetime
    session_ref: str | None = None
    has_answered: bool = False


class Accounts:
    """Plays the services around readers; a function of the seed and of the items it is shown, in order."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._chance = Chance(f"{seed}|accounts")
        self._tiers = Weighted(
            [t for t, _ in world.ACCOUNT_TIERS], [share for _, share in world.ACCOUNT_TIERS]
        )
        self._calls = Weighted([c for c, _ in world.INTERACTIONS], [share for _, share in world.INTERACTIONS])
        self._accounts: dict[tuple[str, str], _Account] = {}
        self._incidents: dict[str, tuple[str, datetime]] = {}

    def after(self, moment: datetime, cause: Item) -> Iterator[Caused]:
        """What an event of the user family causes."""
        chance = self._chance
        if "customer_id" in cause:
            yield from self._customer(moment, cause)
        elif "anonymous_id" not in cause and cause["event_type"] == "page_view" and chance.happens(0.01):
            # Robots, and readers who hide as well as robots.
            kind, severity, rule = chance.one_of(world.GUARDS)
            yield "security", moment, self._guarded(cause, kind, severity, rule)
        if cause["event_type"] in ("page_view", "click") and chance.happens(0.25):
            yield "interactions", moment + timedelta(seconds=chance.between(0, 5)), self._call(moment, cause)

    def _customer(self, moment: datetime, cause: Item) -> Iterator[Caused]:
        chance = self._chance
        key = (cause["brand"], cause["customer_id"])
        account = self._accounts.get(key)
        if account is None:
            account = _Account(self._tiers.choose(chance), chance.uuid(), moment - 2 * _SESSION_GAP, moment)
            if len(self._accounts) >= _REMEMBERED:
                del self._accounts[next(iter(self._accounts))]
            self._accounts[key] = account
        if moment - account.seen_at > _SESSION_GAP:
            account.session_ref = None
            if chance.happens(0.35):
                yield from self._login(moment, cause, account)
            yield from self._decision(moment, cause, account)
        elif account.session_ref is not None and moment - account.beat_at >= _HEARTBEAT:
            account.beat_at = moment
            yield "session", moment, self._session(cause, account, "heartbeat")
        account.seen_at = moment
        if cause["event_type"] in ("subscription_start", "subscription_cancel"):
            is_start = cause["event_type"] == "subscription_start"
            account.tier = cause["tier"] if is_start else "registered"
            account.session_ref = account.session_ref or chance.uuid()
            yield "session", moment + timedelta(seconds=1), self._session(cause, account, "tier_changed")
        elif account.session_ref is not None and chance.happens(0.02):
            yield "session", moment + timedelta(seconds=2), self._session(cause, account, "logout")
            account.session_ref = None

    def _login(self, moment: datetime, cause: Item, account: _Account) -> Iterator[Caused]:
        """Some readers mistype, few so often that the account is locked, and some log in from somewhere odd."""
        chance = self._chance
        failures = 1 + int(chance.exponential(0.9)) if chance.happens(0.08) else 0
        for number in range(min(failures, 5)):
            at = moment + timedelta(seconds=0.2 + number * 0.4)
            item = self._guarded(cause, "login_failed", 1 + min(number, 2), "wrong_password")
            yield "security", at, item
        now = moment + timedelta(seconds=2.5)
        if failures >= 5:
            yield "security", now, self._guarded(cause, "account_locked", 4, "five_failures")
            return
        if chance.happens(0.01):
            yield "security", now, self._guarded(cause, "suspicious_login", 3, "new_country")
        account.session_ref, account.beat_at = chance.uuid(), moment
        yield "session", now, self._session(cause, account, "login")

    def _decision(self, moment: datetime, cause: Item, account: _Account) -> Iterator[Caused]:
        """What a person decides about their data: at the first visit, and rarely later."""
        chance, consent = self._chance, cause.get("consent")
        now = moment + timedelta(seconds=1)
        if not account.has_answered:
            account.has_answered = True
            if consent:
                yield "compliance", now, self._compliance(cause, "consent_given", consent)
            elif consent is not None:
                yield "compliance", now, self._compliance(cause, "consent_withdrawn", list(world.PURPOSES))
        elif consent and chance.happens(0.02):
            yield "compliance", now, self._compliance(cause, "consent_withdrawn", [chance.one_of(consent)])
        if chance.happens(0.004):
            kind = "erasure_requested" if chance.happens(0.4) else "export_requested"
            yield "compliance", now, self._compliance(cause, kind, [])

    def _session(self, cause: Item, account: _Account, kind: str) -> Item:
        return self._item(cause, kind) | {
            "session_ref": account.session_ref,
            "tier": account.tier,
            "device_id": account.device_id,
        }

    def _guarded(self, cause: Item, kind: str, severity: int, rule: str) -> Item:
        return self._item(cause, kind) | {
            "ip": cause["ip"],
            "user_agent": cause["user_agent"],
            "severity": severity,
            "rule": rule,
        }

    def _compliance(self, cause: Item, kind: str, purposes: list[str]) -> Item:
        return self._item(cause, kind) | {
            "purposes": purposes,
            "jurisdiction": self._chance.one_of(world.JURISDICTIONS),
            "request_id": self._chance.uuid(),
        }

    def _call(self, moment: datetime, cause: Item) -> Item:
        chance = self._chance
        kind = self._calls.choose(chance)
        begin = self._incident(moment)
        is_hit = kind == begin[0] and begin[1] <= moment < begin[1] + _INCIDENT
        is_error = chance.happens(_SHARE_OF_ERRORS_IN_INCIDENT if is_hit else _SHARE_OF_ERRORS)
        # A log-normal time, as calls over a network take; an error is often a timeout.
        item = self._item(cause, kind)
        item["status"] = "error" if is_error else "success"
        item["latency_ms"] = int(40 * math.exp(chance.between(-1, 1) + chance.between(-1, 1)))
        if is_error:
            item["error_code"] = chance.one_of(world.ERROR_CODES)
            item["latency_ms"] += 2000 if item["error_code"] == "timeout" else 0
        return item

    def _incident(self, moment: datetime) -> tuple[str, datetime]:
        """The one kind of call that fails for a quarter of an hour of the day, and from when."""
        day = moment.date().isoformat()
        if day not in self._incidents:
            chance = Chance(f"{self._seed}|{day}|incident")
            midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
            begin = midnight + timedelta(hours=8 + chance.below(12), minutes=chance.below(60))
            self._incidents = {day: (self._calls.choose(chance), begin)}
        return self._incidents[day]

    def _item(self, cause: Item, kind: str) -> Item:
        item: Item = {"event_id": self._chance.uuid(), "event_type": kind, "brand": cause["brand"]}
        return item | {n: cause[n] for n in ("customer_id", "anonymous_id", "consent") if n in cause}
