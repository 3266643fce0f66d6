"""One micro-batch: from a range of Kafka offsets to two Delta commits.

Belongs here: the order of effects. Does not belong here: which range is due (`automation/micro_batches.py`), what a row
is (`rows.py`), reporting to Dagster (`asset.py`).

Effects, in this order; a test stops the process between every two of them:

1. read     the part's records, decoded and judged (no effect outside the process)
2. letters  dead letters of what cannot be used, acknowledged
3. dates    rows of `ops.<table>_dates`: one commit, its note says the batch's bounds
4. rows     rows of the table: one commit with the same note

Both commits are Delta transactions under the batch's number: repeated, they write nothing. A crash before 3 has left
letters at most, which a repetition sends again under the same ids. After 3 and before 4 the note in the dates table is
ahead: the next run first repeats exactly those bounds. Because readers may have seen the dates while the rows were
missing, it writes the dates a second time, as of another batch. After 4 the commit is there and nobody knows: the next
run or sensor tick reports it.
"""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from media_analytics.contracts.audit import arrow_schema
from media_analytics.micro_batches.judge import Judge, Judged
from media_analytics.micro_batches.letters import LetterBox
from media_analytics.micro_batches.records import Offsets, Part, parts
from media_analytics.micro_batches.rows import Decoder
from media_analytics.micro_batches.store import Batch, Store
from media_analytics.micro_batches.table import MicroBatched
from media_analytics.resources.kafka import KafkaLog
from media_analytics.settings import Settings
from spark_jobs.user_events import positions
from spark_jobs.user_events.positions import Bounds
from streaming.codecs.registry import RegistryClient
from streaming.runtime import effects

# A record that only the audit refused keeps the check red this long.
RED_FOR = timedelta(hours=24)


class MicroBatchWriter:
    """Writes batches of one table. One for a run."""

    def __init__(
        self,
        settings: Settings,
        table: MicroBatched,
        kafka: KafkaLog,
        now: Callable[[], datetime],
        hook: effects.Hook = effects.nothing,
    ) -> None:
        """Keep what is needed; connect later."""
        self.table = table
        self.store = Store(settings, table)
        self._kafka = kafka
        self._now = now
        self._hook = hook
        self._registry = RegistryClient(settings.registry.url)
        self._decoder = Decoder(table, self._registry)
        self._judge = Judge(table.contract)
        self._letters = LetterBox(settings, self._registry)
        self._max_bytes = settings.micro_batches.max_bytes

    def catch_up(self, end: Offsets) -> Iterator[Batch]:
        """Write everything from where the table ends to `end`, batch by batch. Nothing when it is there already.

        Raises:
            DataLossError: the topic is another one, or records expired before they were read; the message has the fix.
            ServiceError: Kafka or the registry does not answer; what was committed stays.
        """
        state = self._kafka.topic(self.table.topic.name)
        last, announced = self.store.position(), self.store.announced()
        name = self.table.topic.name
        low, high = self._kafka.first_offsets(name), self._kafka.end_offsets(name)
        positions.check(name, state.topic_id, last, low, high, self.store.fix)
        if announced is not None and announced.number > (last.number if last else 0):
            positions.check(name, state.topic_id, announced, low, high, self.store.fix)
            yield self._repeat(announced)
            last = announced
        begin = positions.next_offsets(last, high)
        wanted = {p: max(begin[p], min(end.get(p, begin[p]), high[p])) for p in high}
        number = last.number if last else 0
        for part in parts(self._kafka, name, begin, wanted, self._max_bytes):
            number += 1
            yield self._write(part, Bounds(number, state.topic_id, dict(part.first), dict(part.end)))

    def judged(self, part: Part, batch_id: str) -> Judged:
        """The part's rows and letters; a part whose audit fails is read from Kafka once more."""
        return self._judge.judge(
            self._decoder.decode(part.records),
            lambda: self._decoder.decode(self._again(part).records),
            batch_id,
            self._now(),
        )

    def read(self, first: Offsets, end: Offsets) -> Part:
        """Exactly the committed records of the given offsets, as one part."""
        found = list(parts(self._kafka, self.table.topic.name, first, end, 2**62))
        return found[0] if found else Part(first, end, ())

    def send_letters(self, judged: Judged) -> None:
        """Send the letters of what has no row."""
        self._letters.send(self.table.topic.name, (*judged.rejected, *judged.poison))

    def dates_of(self, rows: pa.Table, batch_id: str) -> pa.Table:
        """What rows of the dates table say of rows of the table.

        Raises:
            ValueError: rows of this table touch no dates.
        """
        if self.table.dates is None:
            raise ValueError(f"{self.table.contract.full_name} has no table of touched dates")
        names = self.table.coordinates
        keyed = rows.select([self.table.event_time, "appended_hour", names.partition, names.offset])
        keyed = keyed.append_column(
            "event_date", pc.cast(pc.cast(keyed[self.table.event_time], pa.timestamp("us")), pa.date32())
        )
        at, offset = self.table.event_time, names.offset
        grouped = keyed.group_by(["event_date", "appended_hour", names.partition]).aggregate(
            [([], "count_all"), (at, "min"), (at, "max"), (offset, "min"), (offset, "max")]
        )
        count = grouped.num_rows
        columns = {
            "event_date": grouped["event_date"],
            "appended_hour": grouped["appended_hour"],
            "source_partition": grouped[names.partition],
            "batch_id": pa.array([batch_id] * count, pa.string()),
            "rows": grouped["count_all"],
            "min_occurred_at": grouped[f"{at}_min"],
            "max_occurred_at": grouped[f"{at}_max"],
            "first_offset": grouped[f"{offset}_min"],
            "last_offset": grouped[f"{offset}_max"],
            "loaded_at": pa.array([self._now()] * count, pa.timestamp("us", tz="UTC")),
        }
        schema = arrow_schema(self.table.dates)
        return pa.table([columns[f.name] for f in schema], schema=pa.schema(schema))

    def _again(self, part: Part) -> Part:
        return self.read(part.first, part.end)

    def _repeat(self, bounds: Bounds) -> Batch:
        """Write the rows of a batch whose dates were committed and whose rows were not."""
        part = self.read(bounds.first, bounds.end)
        return self._write(part, bounds, is_repeated=True)

    def _write(self, part: Part, bounds: Bounds, *, is_repeated: bool = False) -> Batch:
        batch_id = self.table.batch_id(bounds.number)
        judged = self.judged(part, batch_id)
        self._hook("read")
        self.send_letters(judged)
        self._hook("letters")
        store, now = self.store, self._now()
        said = _facts(judged) | {
            "poisoned": _poisoned(store.newest(), bounds.number, len(judged.poison), now)
        }
        note = bounds.note(self.table.application, written_at=now.isoformat(), **said)
        if store.dates_path is not None:
            store.append(store.dates_path, self.dates_of(judged.rows, batch_id), bounds, note)
        if store.dates_path is not None and is_repeated:
            again = self.dates_of(judged.rows, f"{batch_id}-repeated")
            store.append(store.dates_path, again, bounds, note, f"{self.table.application}-repeated")
        self._hook("dates")
        store.append(store.path, judged.rows, bounds, note)
        self._hook("rows")
        (batch,) = store.batches(bounds.number - 1, 1)
        return batch


def _poisoned(last: Batch | None, number: int, count: int, now: datetime) -> dict[str, tuple[int, str]]:
    """What a note says of refused records: its own, and those its last one says that are young enough."""
    found = last.poisoned_since(now - RED_FOR) if last else {}
    if count:
        found[number] = (count, now)
    return {str(n): (refused, at.isoformat()) for n, (refused, at) in found.items()}


def _facts(judged: Judged) -> dict[str, Any]:
    hours: dict[str, int] = {}
    for hour in judged.rows["appended_hour"].to_pylist():
        hours[hour] = hours.get(hour, 0) + 1
    return {
        "hours": hours,
        "letters": len(judged.rejected) + len(judged.poison),
        "poison": len(judged.poison),
    }
