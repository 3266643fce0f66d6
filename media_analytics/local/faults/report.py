"""The report of a run of faults.

Belongs here: its fields, Markdown and JSON. Does not belong here: how they were found.
"""

import json
import os
import platform
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import psutil

from media_analytics.local.faults.proof import Held


@dataclass(frozen=True)
class Outcome:
    """What one fault did. Times in seconds since the fault; `at_seconds` since the load began."""

    number: int
    fault: str
    at_seconds: float
    acknowledged: int
    lasted_seconds: float
    ready_seconds: float | None
    progress_seconds: float | None
    # Faults whose services were not back when this one came.
    beside: tuple[int, ...] = ()
    note: str = ""
    # False: a full disk was not noticed by the services that look at it.
    is_noticed: bool = True

    @property
    def is_over(self) -> bool:
        """Whether the service came back in time and did its work again, and a full disk was noticed."""
        return self.progress_seconds is not None and self.is_noticed


@dataclass(frozen=True)
class Minutes:
    """What the platform's own completeness check says: minutes x partitions judged, red ones, messages in them."""

    judged: int
    red: int
    messages: int


@dataclass(frozen=True)
class Request:
    """What was asked for. `rate` in events a second, `batch` in events a request."""

    events: int
    kills: int
    seed: int
    rate: float
    batch: int
    longest_stall_seconds: float
    command: str


@dataclass(frozen=True)
class Report:
    """Everything about one run."""

    request: Request
    started_at: str
    load_seconds: float
    drain_seconds: float
    outcomes: Sequence[Outcome]
    refused: dict[str, int]
    collected: int
    acknowledged: int
    dead_letters: int
    stores: Sequence[Held]
    minutes: Minutes | None
    machine: str

    @property
    def is_good(self) -> bool:
        """Whether every service came back and every store is whole."""
        return (
            self.acknowledged == self.request.events
            and not self.dead_letters
            and all(one.is_over for one in self.outcomes)
            and all(one.is_whole for one in self.stores)
            and (self.minutes is None or not self.minutes.red)
        )

    def as_json(self) -> str:
        """The report as a document."""
        return json.dumps({"is_good": self.is_good, **asdict(self)}, indent=2) + "\n"

    def as_markdown(self) -> str:
        """The report as a page."""
        asked = self.request
        stalls = sum(one.fault.startswith("stall") for one in self.outcomes)
        lines = [
            f"# Faults: {asked.events:,} events, {asked.kills} kills",
            "",
            f"`{asked.command}`, begun {self.started_at}, on {self.machine}.",
            "",
            f"{asked.events:,} events in requests of {asked.batch}, {asked.rate:,.0f} a second where the stack "
            f"takes them; {asked.kills} times `kill -9`, {stalls} times SIGSTOP, one full disk. A request that was not "
            "acknowledged was sent again with the same event ids.",
            "",
            f"**{'Nothing lost, nothing doubled.' if self.is_good else 'NOT whole.'}** {self.acknowledged:,} events "
            f"acknowledged in {self.load_seconds:,.0f} s, {self.collected:,} records in `user.raw` (the difference was "
            f"stored and sent again), both stores level {self.drain_seconds:.0f} s after the last one, "
            f"{self.dead_letters} dead letters.",
            "",
            "## Stores",
            "",
            *_table(
                (
                    "store",
                    "rows",
                    "coordinates missing",
                    "coordinates duplicated",
                    "acknowledged events missing",
                    "rows of an event that has one",
                    "unknown events",
                ),
                (
                    (
                        f"`{one.store}`",
                        f"{one.rows:,}",
                        "by event" if one.coordinates_missing is None else one.coordinates_missing,
                        one.coordinates_duplicated,
                        one.events_missing,
                        f"{one.events_again:,}",
                        one.events_unknown,
                    )
                    for one in self.stores
                ),
            ),
            "",
            "Coordinates are compared one by one with the offsets that Kafka says it has, events one by one with the "
            "ids that were acknowledged. `silver.events` holds an event once.",
            "",
        ]
        if self.minutes is not None:
            lines += [
                f"The platform's own check (`ops.completeness`) judged {self.minutes.judged:,} closed minutes x "
                f"partitions with {self.minutes.messages:,} messages: {self.minutes.red} red.",
                "",
            ]
        lines += ["## Recovery by service", "", *_table(*_recoveries(self.outcomes)), ""]
        told = ", ".join(f"{reason} {count:,}" for reason, count in sorted(self.refused.items())) or "none"
        lines += [f"Requests sent again, by reason: {told}.", "", "## Faults", ""]
        lines += [
            "Seconds from the fault; `works again` is the first thing the service did after it was ready: an event "
            "acknowledged, records enriched, rows visible, a commit, a query answered. A stall's and a full disk's own "
            "length is part of it. `beside` are faults whose service was not back yet.",
            "",
        ]
        lines += _table(
            ("#", "fault", "at s", "events before", "lasted s", "ready s", "works again s", "beside", ""),
            (
                (
                    one.number,
                    one.fault,
                    f"{one.at_seconds:.0f}",
                    f"{one.acknowledged:,}",
                    f"{one.lasted_seconds:.1f}" if one.lasted_seconds else "",
                    _seconds(one.ready_seconds),
                    _seconds(one.progress_seconds),
                    ", ".join(map(str, one.beside)),
                    one.note,
                )
                for one in self.outcomes
            ),
        )
        return "\n".join(lines) + "\n"


def _recoveries(outcomes: Sequence[Outcome]) -> tuple[Sequence[str], Iterable[Sequence[object]]]:
    """Times by kind and service, what lasted by itself taken off."""
    times: dict[str, list[float]] = {}
    for one in outcomes:
        if one.progress_seconds is not None:
            times.setdefault(one.fault, []).append(max(0.0, one.progress_seconds - one.lasted_seconds))
    heads = ("fault", "times", "median s", "longest s")
    return heads, (
        (name, len(found), f"{statistics.median(found):.1f}", f"{max(found):.1f}")
        for name, found in sorted(times.items())
    )


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    return lines + [f"| {' | '.join(str(cell) for cell in row)} |" for row in rows]


def _seconds(value: float | None) -> str:
    return "**not back**" if value is None else f"{value:.1f}"


def machine() -> str:
    """Cores, memory and system of this machine."""
    memory = psutil.virtual_memory().total / 1024**3
    return f"{os.cpu_count()} cores, {memory:.0f} GB, {platform.system()}"
