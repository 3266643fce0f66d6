"""The page `docs/capacity.md`.

Belongs here: its tables, the numbers of its sentences. Does not belong here: the sentences (`capacity_page.txt`), the
sums (`capacity`).
"""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from string import Template

from media_analytics.contracts.registry import TOPICS
from media_analytics_tests.benchmarks.capacity import (
    DAY_SECONDS,
    DAYS_A_MONTH,
    MILLION,
    PER_EVENT,
    Capacity,
    Prices,
    Record,
    chart,
)
from media_analytics_tests.benchmarks.spike import SAMPLED_EVERY_SECONDS, Plan, Report

_TEMPLATE = Path(__file__).with_suffix(".txt")
# Of the chart of what waited: about how many lines, how long the longest bar is.
_LINES, _BAR = 40, 40
# Usual rates of the example, in events a second.
_BASES = (1_000, 10_000, 100_000)


def page(record: Record) -> str:
    """The whole page."""
    found = Capacity(record)
    tables = {
        "warning": _warning(record.measured.plan),
        "costs": _costs(found),
        "clock": _clock(record.measured),
        "cores_needed": _cores(found),
        "needs": _needs(found),
        "stored": _stored(found),
        "money": _money(found, record.prices),
        "phases": _phases(record.measured),
        "waited": _waited(found),
        "chart": "\n".join(_chart(record.measured)),
        "bases": _bases(found),
    }
    return Template(_TEMPLATE.read_text("utf-8")).substitute(tables | _numbers(found))


def number(value: float) -> str:
    """Three significant digits, thousands in groups."""
    if value == 0:
        return "0"
    digits = 2 - math.floor(math.log10(abs(value)))
    return f"{round(value, digits):,.{max(0, digits)}f}"


def size(value: float) -> str:
    """Bytes with a decimal unit."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000:
            return f"{number(value)} {unit}"
        value /= 1000
    return f"{number(value)} PB"


def _numbers(found: Capacity) -> dict[str, str]:
    measured, assumed, of = found.measured, found.assumed, chart()
    plan, enricher = measured.plan, found.of_one_core("enricher")
    return {
        "rate": number(assumed.events_per_second),
        "measured_on": measured.measured_on,
        "cores": str(measured.machine.cores),
        "processor": measured.machine.processor,
        "memory": size(measured.machine.memory_bytes),
        "base": number(plan.base_per_second),
        "factor": f"{plan.factor:g}",
        "spike_seconds": f"{plan.spike_seconds:g}",
        "idle_seconds": f"{plan.idle_seconds:g}",
        "events": f"{measured.events:,}",
        "seconds": number(measured.seconds),
        "average": number(measured.events / measured.seconds),
        "beyond": number(assumed.events_per_second * measured.seconds / measured.events),
        "utilisation": f"{assumed.utilisation:g}",
        "partition_rate": size(assumed.partition_rate),
        "broker_rate": size(assumed.broker_rate),
        "broker_partitions": f"{assumed.broker_partitions:,}",
        "broker_cores": str(assumed.broker_cores),
        "shard_cores": str(assumed.shard_cores),
        "disk_filled": f"{assumed.disk_filled:.0%}",
        "copies": str(of.copies),
        "sink_rate": number(found.of_one_core("sink")),
        "stream_rate": number(found.of_one_core("stream")),
        "enricher_rate": number(enricher),
        "raw_partitions": str(TOPICS["user.raw"].partitions),
        "raw_days": str(TOPICS["user.raw"].retention.days),
        "enrichers": str(of.enrichers),
        "enrichers_full": number(of.enrichers * enricher),
        "enrichers_planned": number(of.enrichers * enricher * assumed.utilisation),
        "poll_seconds": str(of.poll_seconds),
        "lag_threshold": str(of.lag_threshold),
        "threshold_seconds": number(of.lag_threshold / enricher),
    }


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], texts: int = 1) -> str:
    """The first `texts` columns are text, the others numbers."""
    rule = ["---" if at < texts else "---:" for at in range(len(head))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


def _warning(plan: Plan) -> str:
    usual = Plan()
    if (plan.factor, plan.spike_seconds) == (usual.factor, usual.spike_seconds):
        return ""
    return (
        f"\n**This was a short run: no numbers to plan with.** {usual.factor:g} times the events for "
        f"{usual.spike_seconds:g} s were asked for; `make bench ONLY=spike` measures them.\n"
    )


def _costs(found: Capacity) -> str:
    def costs(name: str) -> tuple[float, float, float]:
        idle = found.measured.idle_cores.get(name, 0.0)
        return found.per_million(name), idle, found.above_idle(name)

    together = [sum(values) for values in zip(*map(costs, PER_EVENT), strict=True)]
    return _table(
        ("grows with the events", "core-s per million", "idle, cores", "core-s per million above idle"),
        [
            *((f"`{name}`", *map(number, costs(name))) for name in PER_EVENT),
            ("together", *map(number, together)),
        ],
    )


def _clock(measured: Report) -> str:
    return _table(
        ("grows with the clock and the tables", "cores, whole run", "idle, cores"),
        [
            (f"`{name}`", number(spent / measured.seconds), number(measured.idle_cores.get(name, 0.0)))
            for name, spent in sorted(measured.cpu_seconds.items())
            if name not in PER_EVENT
        ],
    )


def _cores(found: Capacity) -> str:
    return _table(
        ("process", "cores at most", "cores at least", "events a second that one core carries"),
        [
            (
                f"`{name}`",
                number(found.cores(found.per_million(name))),
                number(found.cores(found.above_idle(name))),
                number(found.of_one_core(name)),
            )
            for name in PER_EVENT
        ],
    )


def _needs(found: Capacity) -> str:
    def row(what: str, because: dict[str, int], today: str) -> tuple[str, str, str, str]:
        reasons = ", ".join(f"{why} {count:,}" for why, count in because.items())
        return what, f"{max(because.values()):,}", reasons, today

    of = chart()
    executors = {f"of {of.executor_cores} cores": found.executors()}
    return _table(
        ("what", "needed", "because", "`values-prod.yaml`"),
        [
            *(
                row(f"partitions of `{topic}`", found.partitions(topic), str(TOPICS[topic].partitions))
                for topic in ("user.raw", "user.latest")
            ),
            row("Kafka brokers", found.brokers(), str(of.brokers)),
            row("enrichers", {"of one core": found.processes("enricher")}, f"up to {of.enrichers}"),
            row("ClickHouse sinks", {"of one core": found.processes("sink")}, "one, and no more"),
            row("Spark executors of the stream", executors, "none: one process"),
            row("ClickHouse shards", found.shards(), f"{of.shards}, {of.shard_disk} each"),
        ],
        texts=4,
    )


def _stored(found: Capacity) -> str:
    rows = []
    for one in found.stored():
        kept, disk = "for ever", f"{size(found.bytes_a_day(one) * DAYS_A_MONTH)} more each month"
        if one.days is not None:
            kept, disk = f"{one.days} d", size(found.disk(one))
        rows.append(
            (
                f"`{one.name}`",
                size(one.bytes_per_million),
                size(found.bytes_a_day(one)),
                str(one.copies),
                kept,
                disk,
            )
        )
    return _table(("place", "per million events", "a day", "copies", "kept", "disks"), rows)


def _money(found: Capacity, prices: Prices | None) -> str:
    if prices is None:
        return "No prices were given ([how](#how-this-page-is-made)): they are inputs of this page, none is built in."
    lake = next(one for one in found.stored() if one.days is None)
    cores = found.all_cores() * DAYS_A_MONTH * 24 * prices.core_hour
    disks = found.disks() / 1e9 * prices.disk_gb_month
    objects = found.bytes_a_day(lake) * DAYS_A_MONTH / 1e9 * prices.object_gb_month
    millions = found.assumed.events_per_second * DAY_SECONDS * DAYS_A_MONTH / MILLION
    measured = sum(map(found.per_million, PER_EVENT)) / 3600 * prices.core_hour
    rows = _table(
        ("day and night at the full rate, all cores *at most*", f"{prices.currency} a month"),
        [
            (f"{number(found.all_cores())} cores, copies of Kafka and ClickHouse included", number(cores)),
            (f"{size(found.disks())} of disks", number(disks)),
            ("the lake in its first month; as much more in each later one", number(objects)),
            ("together in the first month", number(cores + disks + objects)),
        ],
    )
    together = cores + disks + objects
    return (
        f"**{number(together / millions)} {prices.currency} for a million events, {number(together)} "
        f"{prices.currency} a month at {found.assumed.events_per_second:,.0f} events a second**, with "
        f"{prices.core_hour:g} {prices.currency} for a core and hour,\n{prices.disk_gb_month:g} for a GB of disk and "
        f"month, {prices.object_gb_month:g} for a GB of an object store and month. These three are inputs, not "
        f"findings; the last lines say whose.\n\n{rows}\n\n"
        f"The cores of the measurement alone: {number(measured)} {prices.currency} for a million events. Not in it: "
        "traffic between zones,\nrequests of the object store, memory that is bought beside cores, what Dagster and "
        f"Spark compute by the hour, people.\n\nWhere the prices are from: {prices.source}."
    )


def _phases(measured: Report) -> str:
    return _table(
        (
            "phase",
            "events a second sent",
            "answer of the collector, p99",
            "POST to insert in ClickHouse, p99",
        ),
        [
            (
                name,
                number(phase.events / (phase.ended - phase.began)),
                f"{number(phase.answer_p99_ms)} ms",
                f"{number(measured.latency_p99[name])} s",
            )
            for name, phase in measured.phases.items()
        ],
    )


def _waited(found: Capacity) -> str:
    def caught_up(who: str) -> str:
        held = found.held_while_draining(who)
        return "nothing to catch up" if held is None else number(held)

    head = ("waits for", "most events", "as before the spike, s after its end", "events a second meanwhile")
    measured = found.measured
    return _table(
        head,
        [
            (
                f"`{who}`",
                f"{measured.most_waiting(who):,}",
                number(measured.drained_seconds(who)),
                caught_up(who),
            )
            for who in measured.samples[0].waiting
        ],
    )


def _chart(measured: Report) -> list[str]:
    """What waited, over time: the most of each stretch."""
    first, who = measured.phases["calm"].began, list(measured.samples[0].waiting)
    stretch = SAMPLED_EVERY_SECONDS * math.ceil(measured.seconds / _LINES / SAMPLED_EVERY_SECONDS)
    largest = max(max(sample.waiting.values()) for sample in measured.samples)
    most: dict[int, dict[str, int]] = {}
    for sample in measured.samples:
        line = most.setdefault(max(0, int((sample.at - first) // stretch)), dict.fromkeys(who, 0))
        line.update({name: max(line[name], sample.waiting[name]) for name in who})
    lines = [
        f"Most events that waited in each {stretch:g} s; the bar is as long as the longest of the three queues.",
        "",
        "```text",
        f"{'second':>7}  {'':<10}" + "".join(f"{name:>11}" for name in who),
    ]
    for at, queues in sorted(most.items()):
        bar = "#" * math.ceil(max(queues.values()) / max(1, largest) * _BAR)
        counts = "".join(f"{queues[name]:>11,}" for name in who)
        phase = phase_at(measured, first + at * stretch)
        lines.append(f"{at * stretch:>7.0f}  {phase:<10}{counts}  {bar}".rstrip())
    return [*lines, "```"]


def phase_at(measured: Report, moment: float) -> str:
    """The phase of a moment in Unix seconds: the last that has begun, or `drain` after all of them."""
    begun = [name for name, phase in measured.phases.items() if phase.began <= moment]
    return "drain" if moment > max(phase.ended for phase in measured.phases.values()) else begun[-1]


def _bases(found: Capacity) -> str:
    of, one, plan = chart(), found.of_one_core("enricher"), found.measured.plan
    carries = of.enrichers * one
    rows = []
    for base in _BASES:
        waits = max(0.0, (base * plan.factor - carries) * plan.spike_seconds)
        drained = (
            "at once"
            if not waits
            else "never"
            if carries <= base
            else f"{number(waits / (carries - base))} s"
        )
        rows.append((f"{base:,}", f"{math.ceil(base * plan.factor / one):,}", number(waits), drained))
    head = (
        "events a second before",
        f"enrichers that carry {plan.factor:g} times as many",
        f"waiting after {plan.spike_seconds:g} s",
        "gone after",
    )
    return _table(head, rows, texts=0)
