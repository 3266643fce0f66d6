"""What the dashboard asks, over a month of traffic: `make bench ONLY=queries`.

A home of its own gets 30 days and at least 10,000,000 events by `generate traffic`, its last events two
hours ahead, so that the live page has readers; dbt builds the marts; a log, a lake and a Dagster stand beside them.
Then every route of the API that reads something answers, each time from an API that keeps no answer yet. Prints p50,
p95 and most of each in milliseconds beside the processor time, and fails where p95 is above a second, or above the
longer time that `questions.SLOWER` allows.
"""

import gc
import math
import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import psutil
from pydantic import SecretStr
from starlette.testclient import TestClient

from media_analytics.commands.generate import build_marts, fill
from media_analytics.dashboard.api.app import create_app
from media_analytics.resources.clickhouse import ClickHouse
from media_analytics.settings import Settings
from media_analytics_tests.benchmarks.harness import Benchmark
from media_analytics_tests.benchmarks.questions import DAYS, SLOWER, Found, questions, routes
from media_analytics_tests.services.embedded import Embedded
from media_analytics_tests.services.month import month, plant, traffic_options

EVENTS = 10_000_000
AHEAD = timedelta(hours=2)
REPETITIONS = 20
LIMIT_SECONDS = 1.0
URL, TOKEN = "http://127.0.0.1:8500", "bench-token"
MOST_ROWS = 1_000
# Marts of the last day; the live page asks the tables themselves.
REALTIME_MARTS = ("articles", "brands", "countries", "sections", "sources", "videos")


@dataclass(frozen=True)
class Answer:
    """What an answer took. Processor time does not depend on what else the machine does; it is counted in 10 ms."""

    seconds: float
    cpu_seconds: float


def most_read(settings: Settings) -> tuple[str, str]:
    """Keys of a brand's article and of its front page with most page views."""
    sql = (
        "SELECT page_key FROM warehouse.editorial_articles WHERE brand = 'bild' AND startsWith(page_key, '/') = {f} "
        "GROUP BY page_key ORDER BY sum(page_views) DESC LIMIT 1"
    )
    clickhouse = ClickHouse(settings)
    article, front = (str(clickhouse.rows(sql.replace("{f}", flag))[0][0]) for flag in ("0", "1"))
    return article, front


class Watch:
    """Wall and processor time of answers: of this process, where the API runs, and of the gateway."""

    def __init__(self, gateway_pid: int) -> None:
        """Nothing measured yet."""
        self._processes = [psutil.Process(), psutil.Process(gateway_pid)]
        self.answers: dict[str, list[Answer]] = {}

    @contextmanager
    def measuring(self, name: str) -> Iterator[None]:
        """Measure what happens within."""
        began, before = time.perf_counter(), self._cpu()
        yield
        seconds = time.perf_counter() - began
        self.answers.setdefault(name, []).append(Answer(seconds, self._cpu() - before))

    def _cpu(self) -> float:
        times = [process.cpu_times() for process in self._processes]
        return sum(t.user + t.system for t in times)


def api(settings: Settings) -> TestClient:
    """A client of an API of its own, that keeps no answer yet."""
    dashboard = settings.dashboard.model_copy(update={"url": URL, "token": SecretStr(TOKEN)})
    app = create_app(settings.model_copy(update={"dashboard": dashboard}))
    return TestClient(app, base_url=URL, headers={"Authorization": f"Bearer {TOKEN}"})


def ask(settings: Settings, watch: Watch, repetitions: int = REPETITIONS) -> None:
    """Ask every question, each time of an API of its own: it keeps no answer.

    Raises:
        RuntimeError: an answer is not 200.
    """
    first = api(settings)
    article, front = most_read(settings)
    group = first.get("/v1/dead-letters/groups").json()["items"][0]["group"]
    asked = questions(routes(first), Found(article, front, group))
    for _ in range(repetitions):
        client = api(settings)
        # What the API before this one kept is no part of an answer.
        gc.collect()
        # Connections to the stores are made before.
        client.get("/ready")
        client.get("/v1/streams/topics/user.latest/messages")
        for question in asked:
            with watch.measuring(question.name):
                answer = client.get(question.path, params=dict(question.parameters))
            if answer.status_code != 200:
                raise RuntimeError(f"{question.name} answered {answer.status_code}: {answer.text[:500]}")


def read_realtime_marts(settings: Settings, watch: Watch, repetitions: int = REPETITIONS) -> None:
    """Read each mart of the last day, as the reader."""
    reader = ClickHouse(settings, as_reader=True)
    reader.rows("SELECT 1")
    for _ in range(repetitions):
        for name in REALTIME_MARTS:
            with watch.measuring(f"mart realtime_{name}"):
                reader.rows(f"SELECT * FROM warehouse.realtime_{name} LIMIT {MOST_ROWS}")


def percentile(values: list[float], percent: int) -> float:
    """The smallest value that so many percent of the values do not exceed."""
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def show(answers: Mapping[str, list[Answer]]) -> None:
    """Print milliseconds of each answer, as rows of a Markdown table."""
    print("| question | p50 ms | p95 ms | most ms | processor ms |")
    print("|---|---:|---:|---:|---:|")
    for name, found in answers.items():
        wall = [1000 * answer.seconds for answer in found]
        figures = [*(percentile(wall, p) for p in (50, 95, 100))]
        figures.append(1000 * statistics.mean(answer.cpu_seconds for answer in found))
        print(f"| {name} | {' | '.join(f'{figure:,.0f}' for figure in figures)} |")


def benchmarks(folder: Path) -> Iterator[Benchmark]:
    """Filling, building, then every answer.

    Raises:
        RuntimeError: an answer took more than a second at p95.
    """
    with month(folder) as home:
        yield from _of(home)


def _of(home: Embedded) -> Iterator[Benchmark]:
    """The benchmarks in an empty home."""
    settings = home.settings
    options = traffic_options(settings, DAYS, EVENTS, datetime.now(UTC).replace(microsecond=0) + AHEAD)

    def filled() -> float:
        began = time.perf_counter()
        fill(settings, options)
        return time.perf_counter() - began

    def built() -> float:
        began = time.perf_counter()
        build_marts(settings)
        return time.perf_counter() - began

    yield Benchmark("traffic-fill", f"generate traffic, {DAYS} days", filled, EVENTS, "events/s", rounds=1)
    yield Benchmark("dbt-build", "all marts of these days and their tests", built, rounds=1)
    plant(home)
    watch = Watch(home.processes["clickhouse"].pid)
    ask(settings, watch)
    read_realtime_marts(settings, watch)
    show(watch.answers)
    p95 = {n: percentile([a.seconds for a in found], 95) for n, found in watch.answers.items()}
    for name, seconds in p95.items():
        yield Benchmark(
            f"query-{name.replace(', ', '-').replace(' ', '-')}",
            f"{name}: p95 of {REPETITIONS}",
            partial(float, seconds),
            rounds=1,
            limit_value=SLOWER.get(name, LIMIT_SECONDS),
            limit_name="stated limit",
        )
    slow = {name: seconds for name, seconds in p95.items() if seconds > SLOWER.get(name, LIMIT_SECONDS)}
    if slow:
        raise RuntimeError(f"slower than their limits at p95: {slow}")
