"""Dead letters of the collector: every refused input of a request with a valid key, within the key's budget.

Belongs here: what becomes a letter, its source and place. Does not belong here: the record and its encryption
(`streaming/dead_letters`), writing it. The `source` of a letter is the request that would send it again: the route with
the brand (and the site of a log) that the request named beside the item.
"""

import hashlib
from typing import Any
from urllib.parse import urlencode

from media_analytics.settings import Settings
from streaming.collector import metrics as names
from streaming.collector.answers import Rejection
from streaming.collector.body import Received
from streaming.collector.limits import LetterBudget
from streaming.collector.metrics import Metrics
from streaming.collector.refused import Line, facts_of
from streaming.collector.request import Context
from streaming.collector.writer import KafkaWriter, Outgoing
from streaming.dead_letters.letters import KEPT_BYTES, TOPIC, LetterWriter

_SOURCE_CHARACTERS = 1024
_FIELD_CHARACTERS = 256
_MESSAGE_CHARACTERS = 1024


def source(route: str, **named: str | None) -> str:
    """The route with what the request named beside its items; a site that is too long is left out."""
    given = {name: value for name, value in named.items() if value}
    full = f"{route}?{urlencode(given, safe=':/')}" if given else route
    return full if len(full) <= _SOURCE_CHARACTERS else route


class Letters:
    """Makes letters and counts those that the budget does not hold."""

    def __init__(self, settings: Settings, writer: KafkaWriter, metrics: Metrics) -> None:
        self._writer = writer
        self._metrics = metrics
        self._records = LetterWriter("collector", settings.privacy.dead_letter_key)
        self._budget = LetterBudget(settings.collector)

    def of_item(
        self,
        original: bytes,
        rejection: Rejection,
        *,
        route: str,
        source: str,
        context: Context,
        line: Line | None = None,
        place: str | None = None,
        event_id: str | None = None,
    ) -> list[Outgoing]:
        """The letter of one item, ready to be written; empty when the key's budget is used up.

        The same item of the same source has the same letter id, whenever it comes.
        """
        digest = hashlib.sha256(original).hexdigest()
        return self._letter(
            Received(original, len(original), digest),
            rejection,
            route,
            context,
            line,
            source=source,
            place=place or digest,
            event_id=event_id,
            line_number=line.number if line else None,
        )

    def of_request(
        self, received: Received, rejection: Rejection, *, route: str, source: str, context: Context
    ) -> list[Outgoing]:
        """The letter of a request that is refused as a whole."""
        digest = received.sha256 or hashlib.sha256(received.data).hexdigest()
        whole = Received(received.data, received.length, digest)
        return self._letter(whole, rejection, route, context, None, source=source, place=f"request|{digest}")

    def _letter(
        self,
        received: Received,
        rejection: Rejection,
        route: str,
        context: Context,
        line: Line | None,
        **facts: Any,
    ) -> list[Outgoing]:
        if not self._budget.take(context.sender.name, min(received.length, KEPT_BYTES)):
            self._metrics.add(names.LETTERS_DROPPED, route, rejection.code)
            return []
        record = self._records.letter(
            received.data,
            reason=rejection.code,
            field=rejection.field[:_FIELD_CHARACTERS] if rejection.field else None,
            message=rejection.message[:_MESSAGE_CHARACTERS],
            received_at=context.received_at,
            producer=context.sender.name,
            sender=facts_of(context, line),
            **facts,
        )
        record["original_length"] = received.length
        record["original_sha256"] = received.sha256
        record["is_replayable"] = received.length <= KEPT_BYTES
        self._metrics.add(names.LETTERS, route, rejection.code)
        message = self._writer.version(TOPIC).framed(_readable(record))
        return [(TOPIC, str(record["source"]).encode(), message)]


def _readable(record: dict[str, Any]) -> dict[str, Any]:
    """The record with texts that Avro can carry: a message may quote half a character of its input."""
    return {
        name: value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
        for name, value in record.items()
    }
