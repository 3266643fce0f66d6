"""A home with a month behind it: whatever the dashboard asks has something to say.

Belongs here: its services, generated traffic in ClickHouse, and what traffic does not make: the log's messages, the
lake's tables that the dashboard reads, results of minutes, verdicts in Dagster. Does not belong here: what is asked of
it (`benchmarks/questions.py`), what is seen (`screenshots.py`).
"""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from media_analytics.contracts.registry import TOPICS, table
from media_analytics.generators.traffic.options import Options
from media_analytics.local import dagster_home
from media_analytics.modelling.minutes import Counts
from media_analytics.resources.dagster_api import DagsterApi
from media_analytics.settings import Settings
from media_analytics_tests.builders import streams
from media_analytics_tests.integration.dashboard.planted import Planted, minute_ago
from media_analytics_tests.services import embedded
from media_analytics_tests.services.embedded import Embedded, wait_until

STORES = ("kafka", "registry", "clickhouse")
DAGSTER = ("dagster-code", "dagster-webserver")
# They import the definitions; on a busy machine that takes minutes.
READY_SECONDS = 240.0
MESSAGES = 3_000
LETTERS = 400
RESTATEMENTS = 500
PROVEN_DAYS = 7
# Interactions of a minute by type, and of a thousand those that fail.
_TYPES = {"play": (900, 12), "search": (340, 4), "share": (120, 2), "login": (210, 9)}
_CHANCE = 1
# A broker that has just started makes the topic in which it keeps the groups' offsets.
_COORDINATOR = (
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
)


@contextmanager
def month(folder: Path) -> Iterator[Embedded]:
    """A home whose stores and Dagster run, with topics and tables; all of them empty."""
    folder.mkdir(parents=True, exist_ok=True)
    home = embedded.make(folder / "home")
    dagster_home.write(home.home, max_concurrent_runs=1)
    try:
        with _instance(home) as instance:
            # Makes the instance's files before two processes do.
            assert instance.get_runs(limit=1) == []
        for name in STORES:
            home.start(name)
        streams.create_topics(home.settings)
        streams.create_tables(home.settings)
        for name in DAGSTER:
            home.begin(name)
        for name in DAGSTER:
            home.wait_ready(name, READY_SECONDS)
        yield home
    finally:
        home.stop_all()


def traffic_options(settings: Settings, days: int, events: int, until: datetime) -> Options:
    """Traffic of all brands."""
    brands = {name: (brand.domains[0], brand.sections) for name, brand in settings.brands.items()}
    return Options(days, events, 1, until, brands)


def plant(home: Embedded) -> None:
    """What traffic does not make."""
    planted, chance = Planted(home.settings), random.Random(_CHANCE)
    _messages(home.settings)
    _proofs(planted)
    _letters(planted)
    _restatements(planted, chance)
    _minutes(planted, chance)
    _verdicts(home)


def _instance(home: Embedded) -> dg.DagsterInstance:
    return dg.DagsterInstance.from_config(str(dagster_home.folder(home.home)))


def _messages(settings: Settings) -> None:
    """Page views in user.raw, and two readers: one is at the end, one is behind."""
    now = int(time.time() * 1_000_000)
    events = [
        streams.raw_event(n, occurred_at=now, received_at=now, title=f"Headline {n % 7}")
        for n in range(1, MESSAGES + 1)
    ]
    placed = streams.Raw(settings).send(events)
    ends: dict[int, int] = {}
    for one in placed:
        ends[one.partition] = max(ends.get(one.partition, 0), one.offset + 1)
    for group, behind in (("enricher", 0), ("mirror", 40)):
        consumer = Consumer(settings.kafka.client_config() | {"group.id": group})
        places = [TopicPartition("user.raw", partition, end - behind) for partition, end in ends.items()]
        wait_until(partial(_is_committed, consumer, places), 60)
        consumer.close()


def _is_committed(consumer: Consumer, places: list[TopicPartition]) -> bool:
    """Commit; False while a new broker makes its topic of offsets."""
    try:
        consumer.commit(offsets=places, asynchronous=False)
    except KafkaException as error:
        if error.args[0].code() not in _COORDINATOR:
            raise
        return False
    return True


def _proofs(planted: Planted) -> None:
    """A week of minutes of every topic and partition; a few of them lack messages."""
    rows = []
    for ago in range(5, PROVEN_DAYS * 24 * 60):
        for topic, contract in TOPICS.items():
            if topic not in ("user.raw", "content.events", "session.events", "interactions.events"):
                continue
            for partition in range(contract.partitions):
                row: dict[str, Any] = {"minute": minute_ago(ago), "topic": topic, "partition": partition}
                if (ago, topic, partition) == (37, "user.raw", 2):
                    row |= {"missing_lake": 3, "lake_count": 97, "lake_distinct": 97}
                if topic == "content.events":
                    row |= {"missing_realtime": None, "duplicates_realtime": None}
                rows.append(row)
    planted.proofs(*rows)


def _letters(planted: Planted) -> None:
    refused = (
        (b'{"event_type": "page_view"}', "missing", "brand"),
        (b'{"event_type": "page_view", "brand": "bild", "page_url": 7}', "type", "page_url"),
        (b'{"event_type": "page_veiw", "brand": "welt"}', "unknown_event_type", "event_type"),
    )
    planted.letters(
        *(("/v1/events/user", *refused[min(n % 7, len(refused) - 1)]) for n in range(LETTERS)),
    )


def _restatements(planted: Planted, chance: random.Random) -> None:
    now = datetime.now(UTC)
    rows = []
    for n in range(RESTATEMENTS):
        old = float(chance.randrange(10_000, 90_000))
        rows.append(
            {
                "table": chance.choice(("gold.reader_sessions", "gold.reader_engagement")),
                "date": now.date() - timedelta(days=2 + n % 20),
                "brand": chance.choice(("bild", "welt", "politico")),
                "measure": chance.choice(("page_views", "sessions", "visitors")),
                "base_version": 1,
                "old_value": old,
                "new_value": old + chance.randrange(1, 200),
                "cause": chance.choice(("late events", "replayed letters")),
                "recorded_at": now - timedelta(minutes=40 * n),
            }
        )
    planted.delta(table("ops.restatements"), rows, replace=True)


def _minutes(planted: Planted, chance: random.Random) -> None:
    """A day of results; in one minute plays failed."""
    for ago in range(24 * 60, 1, -1):
        counts = {}
        for name, (total, failed) in _TYPES.items():
            share = 0.2 if (ago, name) == (50, "play") else failed / 1000
            count = chance.randrange(total * 9 // 10, total * 11 // 10)
            errors = sum(chance.random() < share for _ in range(count))
            counts[name] = Counts(count - errors, errors)
        minute = minute_ago(ago)
        result = planted.result(minute, **counts)
        if ago == 50:
            risen = {"baseline_error_rate": 0.012, "score": 31.5}
            result["event_types"]["play"] |= {**risen, "is_anomaly": True}
            result["anomalies"] = [
                {"event_type": "play", "error_rate": result["event_types"]["play"]["error_rate"], **risen}
            ]
        planted.write_result(result)


def _verdicts(home: Embedded) -> None:
    """Every check of every asset was judged once; one failed."""
    with _instance(home) as instance:
        for number, said in enumerate(DagsterApi(home.settings).checks()):
            asset, _, check = said.partition(": ")
            instance.report_runless_asset_event(
                dg.AssetCheckEvaluation(
                    asset_key=dg.AssetKey(asset.split(".")), check_name=check, passed=number != 7, metadata={}
                )
            )
