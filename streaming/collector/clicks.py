"""One item of the clickstream to one `user.raw` record.

Belongs here: system D's shape and how its fields map to ours. Does not belong here: the rules (`rules.py`), ids
(`identity.py`).
"""

from typing import Any

import msgspec

from streaming.collector import identity, rules
from streaming.collector.access import Access
from streaming.collector.answers import Rejection
from streaming.collector.identity import Visitors
from streaming.collector.items import Int32, decoded
from streaming.collector.request import Context

_TYPES = {"click": "click", "view": "page_view", "purchase": "purchase"}
# field of the record -> where a click has it
_FIELDS = {
    "page_url": "event.page",
    **{
        name: f"event.{name}"
        for name in ("user_agent", "ip", "customer_id", "query", "product", "referrer", "position")
    },
}


class _ClickEvent(msgspec.Struct):
    timestamp: str | float
    user_agent: str | None = None
    ip: str | None = None
    customer_id: str | int | None = None
    page: str | None = None
    query: str | None = None
    product: str | int | None = None
    referrer: str | None = None
    position: Int32 | None = None


class _Click(msgspec.Struct):
    id: str | int
    type: str
    package_id: str | int
    event: _ClickEvent
    brand: str | None = None


_decoder = msgspec.json.Decoder(_Click)


class ClickMapper:
    """Turns clicks into records for the codec of `user.raw`."""

    def __init__(self, access: Access, visitors: Visitors, times: rules.Times) -> None:
        self._access = access
        self._visitors = visitors
        self._times = times

    def record(self, raw: msgspec.Raw, context: Context) -> dict[str, Any]:
        """The record of an item of `/v1/clickstream`.

        Raises:
            Rejection: with the field and the rule.
        """
        item: _Click = decoded(_decoder, raw)
        try:
            return self._record(item, context)
        except Rejection as rejection:
            # The client knows its own names only.
            name = _FIELDS.get(rejection.field or "", rejection.field)
            raise Rejection(rejection.code, name, rejection.message, rejection.kind) from None

    def _record(self, item: _Click, context: Context) -> dict[str, Any]:
        event = item.event
        event_type = _TYPES.get(item.type)
        if event_type is None:
            raise Rejection(
                "unknown_event_type",
                "type",
                f"type is {item.type[:64]!r}; expected one of click, view, purchase",
            )
        brand = self._access.brand(item.brand, context.brand, context.sender)
        moment = (
            rules.iso_instant("event.timestamp", event.timestamp)
            if isinstance(event.timestamp, str)
            else rules.epoch_instant("event.timestamp", event.timestamp)
        )
        package_id = rules.text("package_id", str(item.package_id))
        record: dict[str, Any] = {
            "event_id": identity.click_id(package_id, rules.text("id", str(item.id))),
            "event_type": event_type,
            "brand": brand,
            "occurred_at": self._times.occurred(
                "event.timestamp", moment, context.received_at, is_import=False
            ),
            "received_at": context.received_us,
            "origin": "live",
            "customer_id": None,
            "anonymous_id": None,
            "consent": None,
            "properties": {},
            "is_truncated": False,
        }
        if event.position is not None:
            record["position"] = rules.user_number("position", event.position)
        if event.customer_id not in (None, ""):
            record["customer_id"] = rules.text("customer_id", str(event.customer_id))
        for name, value in (("page_url", event.page), ("query", event.query), ("referrer", event.referrer)):
            record[name] = value if value is None else rules.text(name, value)
        if event.product is not None:
            record["product"] = rules.text("product", str(event.product))
        agent = event.user_agent
        if agent is None and not context.sender.is_server:
            # A browser sends for itself; a server's own header says nothing about the reader.
            agent = context.agent
        record["user_agent"] = rules.text("user_agent", agent) if agent else None
        given = event.ip if context.sender.is_server else None
        record["ip"] = context.peer if given is None else rules.address("ip", given)
        record["visitor_id"] = self._visitors.visitor_id(
            customer_id=record["customer_id"],
            anonymous_id=None,
            host=record["ip"],
            user_agent=record["user_agent"],
            received_at=context.received_at,
            is_import=False,
        )
        return record
