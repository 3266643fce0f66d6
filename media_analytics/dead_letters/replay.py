"""Letters become events again, once.

Belongs here: the order of a replay's effects, what a run does with what an earlier one left. Does not belong here:
rules (`reviver.py`), Dagster (`assets/ops/dead_letter_replays.py`).

Effects, in this order; a test stops the process between every two of them:

0. settle    events that an earlier run announced: those whose message is in its topic are recovered, others dropped
1. judge     a batch of letters, patched, by the rules of now (no effect outside the process)
2. announce  one commit: what will be sent, and from which offsets on it can stand in its topic
3. send      the messages, each with the name of its event as a header; acknowledged by all in-sync replicas
4. recover   one commit: where each event stands

Without transactions, because the offsets of first topics are contiguous (completeness counts them). A crash before 2
has done nothing. After 2 the next run's settling finds out which messages were sent; only the others are sent then.
One run at a time replays (its pool). What a dead process had handed to its network and the broker had not written when
the next run looked would be sent again: it has the same `event_id`, which silver and all numbers hold once.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from media_analytics.dead_letters.groups import Selection
from media_analytics.dead_letters.ledger import (
    ANNOUNCED,
    RECOVERED,
    REPLAYS,
    Known,
    Ledger,
    Place,
    key_of,
    place_of,
    table_of,
)
from media_analytics.dead_letters.reviver import Event, Failure, Reviver
from media_analytics.dead_letters.shelf import Shelf
from media_analytics.dead_letters.standing import HEADER, Standing
from media_analytics.errors import ContractError, ServiceError
from media_analytics.micro_batches.judge import Judge
from media_analytics.resources.kafka import KafkaLog
from media_analytics.settings import Settings
from streaming.dead_letters.patches import Patch
from streaming.runtime import effects

BATCH_LETTERS = 200
SEND_SECONDS = 60.0


@dataclass
class Outcome:
    """What became of the selected letters. `passed` would become events, or did; `failed` by rule and field as shown.

    `settled` and `dropped` count events that an earlier run had announced and not finished.
    """

    letters: int = 0
    recovered_before: int = 0
    not_meant: int = 0
    passed: int = 0
    events: int = 0
    failed: Counter[tuple[str, str | None]] = field(default_factory=Counter)
    settled: int = 0
    dropped: int = 0

    def facts(self) -> dict[str, Any]:
        """The same for JSON: failures by rule and field, most first."""
        still = [{"rule": rule, "field": name, "letters": n} for (rule, name), n in self.failed.most_common()]
        return {**{name: value for name, value in vars(self).items() if name != "failed"}, "failed": still}


Judged = tuple[Mapping[str, Any], list[Event]]


def with_where(selection: Selection, patch: Patch) -> Selection | None:
    """The letters that both a person and the patch mean; None when they exclude each other."""
    where, named = patch.where, {}
    for name in ("family", "rule", "field", "producer", "group"):
        asked, patched = getattr(selection, name), getattr(where, name)
        if asked is not None and patched is not None and asked != patched:
            return None
        named[name] = asked if patched is None else patched
    return Selection(selection.since, letters=selection.letters, **named)


def judged(
    letters: Iterable[Mapping[str, Any]], known: Known, reviver: Reviver, patch: Patch, outcome: Outcome
) -> Iterator[Judged]:
    """Letters that become events, with these; everything is counted in `outcome`.

    A letter whose record is an event again by the letter of another stage comes without events.
    """
    places = set(known.places)
    for letter in letters:
        outcome.letters += 1
        if letter["letter_id"] in known.letters:
            outcome.recovered_before += 1
            continue
        place = place_of(letter)
        if place is not None and place in places:
            outcome.passed += 1
            yield letter, []
            continue
        found = reviver.events(letter, patch)
        if found is None:
            outcome.not_meant += 1
        elif isinstance(found, Failure):
            outcome.failed[(found.rule, found.field)] += 1
        else:
            outcome.passed += 1
            outcome.events += len(found)
            if place is not None:
                places.add(place)
            yield letter, found


def tried(settings: Settings, selection: Selection, patch: Patch) -> Outcome:
    """What a replay would do now; nothing is changed anywhere.

    Raises:
        ServiceError: the registry does not answer.
    """
    outcome = Outcome()
    meant = with_where(selection, patch)
    if meant is None:
        return outcome
    reviver = Reviver(settings)
    try:
        known = Ledger(settings).known(meant.since)
        for _ in judged(Shelf(settings).letters(meant), known, reviver, patch, outcome):
            pass
    finally:
        reviver.close()
    return outcome


class Replay:
    """One run of a replay."""

    def __init__(
        self,
        settings: Settings,
        kafka: KafkaLog,
        now: Callable[[], datetime],
        run_id: str,
        requested_by: str,
        hook: effects.Hook = effects.nothing,
    ) -> None:
        self._settings = settings
        self._kafka = kafka
        self._now = now
        self._facts = {"run_id": run_id, "requested_by": requested_by[:256]}
        self._hook = hook
        self._ledger = Ledger(settings)
        self._standing = Standing(settings, kafka)
        self._judge = Judge(REPLAYS)
        self._topic_ids: dict[str, str] = {}
        # Rows of events by the place of the record they were.
        self._places: dict[Place, Mapping[str, Any]] = {}

    def run(self, selection: Selection | None, patch: Patch) -> Outcome:
        """Replay what is selected (nothing when None), after what an earlier run left is settled.

        Raises:
            ServiceError: Kafka or the registry does not answer; what was done stays, and a repeated run goes on.
        """
        outcome = Outcome()
        self._settle(outcome)
        self._hook("settle")
        meant = None if selection is None else with_where(selection, patch)
        if meant is None:
            return outcome
        reviver = Reviver(self._settings)
        try:
            known = self._ledger.known(meant.since)
            self._places = dict(known.places)
            found = judged(Shelf(self._settings).letters(meant), known, reviver, patch, outcome)
            while batch := list(islice(found, BATCH_LETTERS)):
                self._hook("judge")
                self._send(batch, known, patch)
        finally:
            reviver.close()
        return outcome

    def _settle(self, outcome: Outcome) -> None:
        left = self._ledger.announced(self._now())
        standing: dict[str, tuple[int, int]] = {}
        for topic in sorted({str(row["target_topic"]) for row in left}):
            of_topic = [row for row in left if row["target_topic"] == topic]
            standing |= self._standing.places(topic, of_topic)
        done = [self._recovered(row, standing[key_of(row)]) for row in left if key_of(row) in standing]
        gone = [row for row in left if key_of(row) not in standing]
        self._ledger.update(done)
        self._ledger.drop(gone)
        outcome.settled, outcome.dropped = len(done), len(gone)

    def _send(self, batch: Sequence[Judged], known: Known, patch: Patch) -> None:
        """Effects 2 to 4 of a batch."""
        topics = sorted({event.topic for _, events in batch for event in events})
        firsts = {topic: json.dumps(self._kafka.end_offsets(topic)) for topic in topics}
        rows: list[dict[str, Any]] = []
        messages: dict[str, Event] = {}
        for letter, events in batch:
            place = place_of(letter)
            for item, event in enumerate(events):
                if (letter["letter_id"], item) in known.events:
                    continue
                row = self._row(letter, item, len(events), event, firsts[event.topic], patch)
                rows.append(row)
                messages[key_of(row)] = event
                if place is not None:
                    self._places[place] = row
            if not events and place is not None:
                # The letter of another stage about a record that is an event again.
                rows.append(
                    {**self._places[place], "letter_id": letter["letter_id"], **self._announcing(patch)}
                )
        if problems := self._judge.problems(table_of(rows)):
            raise ContractError(
                f"{REPLAYS.full_name}: nothing was sent, its rows would break the contract: {problems}"
            )
        self._ledger.append(rows)
        self._hook("announce")
        sent = self._produced(messages)
        self._hook("send")
        done = [
            self._recovered(row, sent[key_of(row)] if key_of(row) in sent else _stands(row)) for row in rows
        ]
        self._ledger.update(done)
        self._places |= {place: row for row in done if (place := place_of(row)) is not None}
        self._hook("recover")

    def _row(
        self,
        letter: Mapping[str, Any],
        item: int,
        items: int,
        event: Event,
        first_offsets: str,
        patch: Patch,
    ) -> dict[str, Any]:
        names = ("letter_id", "source_topic", "source_partition", "source_offset")
        return {
            **{name: letter[name] for name in names},
            "item": item,
            "items": items,
            "event_id": event.event_id,
            "target_topic": event.topic,
            "target_topic_id": self._topic_id(event.topic),
            "target_partition": None,
            "target_offset": None,
            "first_offsets": first_offsets,
            **self._announcing(patch),
        }

    def _announcing(self, patch: Patch) -> dict[str, Any]:
        now = self._now()
        facts = {"replay_date": now.date(), "status": ANNOUNCED, "announced_at": now, "recovered_at": None}
        return {**facts, "patch": patch.text(), **self._facts}

    def _recovered(self, row: Mapping[str, Any], at: tuple[int, int]) -> dict[str, Any]:
        place = {"target_partition": at[0], "target_offset": at[1]}
        return {**row, **place, "status": RECOVERED, "recovered_at": self._now()}

    def _topic_id(self, topic: str) -> str:
        if topic not in self._topic_ids:
            self._topic_ids[topic] = self._kafka.topic(topic).topic_id
        return self._topic_ids[topic]

    def _produced(self, messages: Mapping[str, Event]) -> dict[str, tuple[int, int]]:
        """Send all; where each one stands.

        Raises:
            ServiceError: not all were acknowledged in time. The next run finds those that were.
        """
        if not messages:
            return {}
        placed: dict[str, tuple[int, int]] = {}
        refused: list[KafkaError] = []

        def delivered(name: str, error: KafkaError | None, message: Message) -> None:
            if error is None:
                placed[name] = (message.partition() or 0, message.offset() or 0)
            else:
                refused.append(error)

        producer = Producer(
            {
                **self._settings.kafka.acting_as("replay").client_config(),
                "acks": "all",
                "enable.idempotence": True,
                "compression.type": "lz4",
                # As the collector's, so that a key keeps its partition.
                "partitioner": "murmur2_random",
                "message.timeout.ms": int(SEND_SECONDS * 1000),
                "log_level": 3,
            }
        )
        try:
            for name, event in messages.items():
                headers: dict[str, str | bytes | None] = {HEADER: name.encode()}
                answer = partial(delivered, name)
                producer.produce(event.topic, event.value, event.key, headers=headers, on_delivery=answer)
            producer.flush(2 * SEND_SECONDS)
        except (KafkaException, BufferError) as error:
            raise ServiceError(f"replayed events could not be sent: {error}") from error
        if refused or len(placed) < len(messages):
            reason = refused[0].str() if refused else "no answer"
            raise ServiceError(
                f"Kafka acknowledged {len(placed)} of {len(messages)} replayed events: {reason}; run the replay again"
            )
        return placed


def _stands(row: Mapping[str, Any]) -> tuple[int, int]:
    return int(row["target_partition"]), int(row["target_offset"])
