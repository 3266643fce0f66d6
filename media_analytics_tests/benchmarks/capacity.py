"""What a rate needs, from the cost that a spike measured: `make capacity`.

Belongs here: the record (a measured spike, what is assumed beside it, prices), the sums, the command. Does not belong
here: measuring (`spike`), words and tables of the page (`capacity_page`).

`docs/capacity.json` is the record, `docs/capacity.md` what it renders to. Without options the page is rendered again;
`--measured FILE` puts a newer spike into the record, the other options replace one assumption or price each.
"""

import json
import math
import re
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
import yaml

from media_analytics.contracts.registry import TOPICS, table
from media_analytics.errors import ContractError
from media_analytics_tests.benchmarks.spike import REPORT_ID, Report

ROOT = Path(__file__).resolve().parents[2]
RECORD, PAGE = ROOT / "docs" / "capacity.json", ROOT / "docs" / "capacity.md"
# What these do grows with the events; what all others do, with the clock.
PER_EVENT = ("collector", "kafka", "enricher", "sink", "stream", "clickhouse")
MILLION = 1_000_000
DAY_SECONDS = 86_400
DAYS_A_MONTH = 365 / 12
_CHART = ROOT / "helm" / "media-analytics"


@dataclass(frozen=True)
class Assumed:
    """What nobody measured here. Rates are bytes a second; those of a broker and its partitions count copies."""

    events_per_second: float = 1_000_000
    utilisation: float = 0.6
    partition_rate: float = 5e6
    broker_rate: float = 100e6
    broker_partitions: int = 4_000
    broker_cores: int = 8
    shard_cores: int = 16
    disk_filled: float = 0.7


@dataclass(frozen=True)
class Prices:
    """Of one core for an hour, of one GB (10^9 bytes) for a month, and who says so."""

    currency: str
    core_hour: float
    disk_gb_month: float
    object_gb_month: float
    source: str


@dataclass(frozen=True)
class Record:
    """All that the page is made of, beside contracts and chart."""

    measured: Report
    assumed: Assumed
    prices: Prices | None


@dataclass(frozen=True)
class Chart:
    """What the chart says for prod. `poll_seconds`: how often KEDA looks."""

    copies: int
    replicas: int
    shards: int
    shard_disk: str
    brokers: int
    enrichers: int
    executor_cores: int
    lag_threshold: int
    poll_seconds: int


@dataclass(frozen=True)
class Stored:
    """What one million events take in one place; `days` is None where nothing is deleted."""

    name: str
    bytes_per_million: float
    copies: int
    days: int | None


@cache
def chart() -> Chart:
    """Read the chart's values for prod."""
    usual = yaml.safe_load((_CHART / "values.yaml").read_text("utf-8"))
    prod = yaml.safe_load((_CHART / "values-prod.yaml").read_text("utf-8"))
    scaling = (_CHART / "templates" / "scaling.yaml").read_text("utf-8")
    return Chart(
        copies=prod["settings"]["kafka"]["replication_factor"],
        replicas=prod["clickhouse"]["replicas"],
        shards=prod["clickhouse"]["shards"],
        shard_disk=prod["clickhouse"]["storage"],
        brokers=prod["kafka"]["brokers"]["replicas"],
        enrichers=prod["enricher"]["autoscaling"]["maxReplicas"],
        executor_cores=int(usual["sparkConnect"]["executor"]["cpu"]),
        lag_threshold=usual["enricher"]["autoscaling"]["lagThreshold"],
        poll_seconds=int(re.findall(r"pollingInterval: (\d+)", scaling)[0]),
    )


class Capacity:
    """Sums over a record. Cores are those of one copy unless a name says otherwise."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.measured, self.assumed = record.measured, record.assumed

    def per_million(self, name: str) -> float:
        """Core-seconds of a process for a million events, its idle work included."""
        return self.measured.cpu_seconds[name] * MILLION / self.measured.events

    def above_idle(self, name: str) -> float:
        """The same without what the process takes when nothing comes."""
        idle = self.measured.idle_cores.get(name, 0.0) * self.measured.seconds
        return max(0.0, self.measured.cpu_seconds[name] - idle) * MILLION / self.measured.events

    def cores(self, per_million: float) -> float:
        """Cores that carry the assumed rate."""
        return self.assumed.events_per_second * per_million / MILLION / self.assumed.utilisation

    def of_one_core(self, name: str) -> float:
        """Events a second that one core of a process carries when it does nothing else."""
        return MILLION / self.per_million(name)

    def processes(self, name: str) -> int:
        """How many processes of one core each carry the assumed rate."""
        return math.ceil(self.cores(self.per_million(name)))

    def stored(self) -> list[Stored]:
        """Where events lie, how often and for how long."""
        sizes = {
            name: size * MILLION / self.measured.events for name, size in self.measured.bytes_on_disk.items()
        }
        kept = {f"kafka {name}": TOPICS[name].retention.days for name in ("user.raw", "user.latest")}
        realtime = table("realtime.user_events").retention
        return [
            *(Stored(name, sizes[name], chart().copies, days) for name, days in kept.items()),
            Stored("clickhouse", sizes["clickhouse"], chart().replicas, realtime.days if realtime else None),
            Stored("lake", sizes["lake"], 1, None),
        ]

    def bytes_a_day(self, stored: Stored) -> float:
        """At the assumed rate, one copy."""
        return stored.bytes_per_million * self.assumed.events_per_second * DAY_SECONDS / MILLION

    def disk(self, stored: Stored) -> float:
        """Bytes of disks for all that is kept, copies and free room included.

        Raises:
            ValueError: nothing is deleted there, so no disk is large enough.
        """
        if stored.days is None:
            raise ValueError(f"{stored.name} grows for ever")
        return self.bytes_a_day(stored) * stored.days * stored.copies / self.assumed.disk_filled

    def disks(self) -> float:
        """Bytes of disks of all places that delete."""
        return sum(self.disk(one) for one in self.stored() if one.days is not None)

    def written(self, topic: str) -> float:
        """Bytes a second that reach a topic, one copy."""
        return (
            next(self.bytes_a_day(one) for one in self.stored() if one.name == f"kafka {topic}") / DAY_SECONDS
        )

    def partitions(self, topic: str) -> dict[str, int]:
        """Why a topic needs how many."""
        reader = {"user.raw": "enricher", "user.latest": "sink"}[topic]
        return {
            f"one for each {reader}": self.processes(reader),
            "by bytes": math.ceil(self.written(topic) / self.assumed.partition_rate),
        }

    def brokers(self) -> dict[str, int]:
        """Why Kafka needs how many brokers."""
        copies, topics = chart().copies, ("user.raw", "user.latest")
        rate = sum(self.written(topic) for topic in topics) * copies
        partitions = sum(max(self.partitions(topic).values()) for topic in topics) * copies
        return {
            "one for each copy": copies,
            "by bytes": math.ceil(rate / self.assumed.broker_rate),
            "by partitions": math.ceil(partitions / self.assumed.broker_partitions),
            "by cores": math.ceil(self.cores(self.per_million("kafka")) * copies / self.assumed.broker_cores),
        }

    def shards(self) -> dict[str, int]:
        """Why ClickHouse needs how many shards."""
        disk = next(self.disk(one) for one in self.stored() if one.name == "clickhouse") / chart().replicas
        return {
            "by cores": math.ceil(self.cores(self.per_million("clickhouse")) / self.assumed.shard_cores),
            "by disk": math.ceil(disk / kubernetes_bytes(chart().shard_disk)),
        }

    def executors(self) -> int:
        """How many of the chart's executors have the cores that the stream needs."""
        return math.ceil(self.cores(self.per_million("stream")) / chart().executor_cores)

    def all_cores(self) -> float:
        """Cores of every process whose work grows with the events, copies of the stores included."""
        copies = {"kafka": chart().copies, "clickhouse": chart().replicas}
        return sum(self.cores(self.per_million(name)) * copies.get(name, 1) for name in PER_EVENT)

    def held_while_draining(self, who: str) -> float | None:
        """Events a second that a process worked off after the spike; None where nothing had piled up."""
        seconds = self.measured.drained_seconds(who)
        after = self.measured.phases["afterwards"]
        waited = next(
            s.waiting[who] for s in self.measured.samples if s.at >= self.measured.phases["spike"].ended
        )
        if seconds == 0 or waited == 0:
            return None
        arrived = after.events * min(1.0, seconds / (after.ended - after.began))
        return (waited + arrived) / seconds


def kubernetes_bytes(quantity: str) -> float:
    """Bytes of `2Ti`, `100Gi`.

    Raises:
        ValueError: another unit.
    """
    found = re.fullmatch(r"(\d+)([GT])i", quantity)
    if found is None:
        raise ValueError(f"expected Gi or Ti, found {quantity}")
    return float(found[1]) * 2 ** {"G": 30, "T": 40}[found[2]]


def report_in(records: list[dict[str, Any]]) -> Report:
    """The report in what `make bench` wrote.

    Raises:
        ContractError: it measured no spike, or an older version did.
    """
    for one in records:
        if one["id"] == REPORT_ID and "details" in one:
            return msgspec.convert(one["details"], Report)
    raise ContractError(f"no line {REPORT_ID} with details; measure with `make bench ONLY=spike`")


def read_record(text: str) -> Record:
    """The record of `docs/capacity.json`."""
    return msgspec.json.decode(text, type=Record)


def record_text(record: Record) -> str:
    """A record as it is kept: one line a sample."""
    plain = msgspec.to_builtins(record)
    samples = ",\n   ".join(json.dumps(one) for one in plain["measured"].pop("samples"))
    return json.dumps(plain | {"measured": plain["measured"] | {"samples": "@"}}, indent=1).replace(
        '"@"', f"[\n   {samples}\n  ]"
    ) + "\n"  # fmt: skip


def main(
    measured: Annotated[Path | None, typer.Option(help="JSON of `make bench ONLY=spike`.")] = None,
    assumed: Annotated[list[str] | None, typer.Option(help="NAME=VALUE of one assumption.")] = None,
    prices: Annotated[
        str | None, typer.Option(help="CURRENCY CORE_HOUR DISK_GB_MONTH OBJECT_GB_MONTH, or `none`.")
    ] = None,
    prices_from: Annotated[str, typer.Option(help="Who says so: a list of prices and its date.")] = "",
) -> None:
    """Write `docs/capacity.json` and `docs/capacity.md`."""
    from media_analytics_tests.benchmarks.capacity_page import page

    if measured is not None:
        report = report_in(json.loads(measured.read_text("utf-8")))
        old = read_record(RECORD.read_text("utf-8")) if RECORD.is_file() else Record(report, Assumed(), None)
        record = replace(old, measured=report)
    else:
        record = read_record(RECORD.read_text("utf-8"))
    record = replace(record, assumed=_assumed(record.assumed, assumed or []))
    if prices is not None:
        record = replace(record, prices=_prices(prices, prices_from))
    RECORD.write_text(record_text(record), "utf-8")
    PAGE.write_text(page(record), "utf-8")
    typer.echo(f"wrote {RECORD.relative_to(ROOT)} and {PAGE.relative_to(ROOT)}")


def _assumed(now: Assumed, words: list[str]) -> Assumed:
    given = dict(word.partition("=")[::2] for word in words)
    if unknown := given.keys() - asdict(now).keys():
        raise ContractError(
            f"nothing is assumed of {', '.join(sorted(unknown))}; there are {', '.join(asdict(now))}"
        )
    try:
        return msgspec.convert(asdict(now) | given, Assumed, strict=False)
    except msgspec.ValidationError as error:
        raise ContractError(f"an assumption is a number: {error}") from error


def _prices(text: str, source: str) -> Prices | None:
    if text == "none":
        return None
    if not source:
        raise ContractError("say where the prices are from: --prices-from")
    currency, *numbers = text.split()
    if len(numbers) != 3:
        raise ContractError("--prices takes CURRENCY CORE_HOUR DISK_GB_MONTH OBJECT_GB_MONTH")
    core, disk, objects = (float(number) for number in numbers)
    return Prices(currency, core, disk, objects, source)


if __name__ == "__main__":
    typer.run(main)
