"""What is asked of the dashboard's API: each of its routes that reads something.

Belongs here: which routes, with which parameters; why some are not asked. Does not belong here: asking and measuring
(`queries.py`). The routes are the API's own list: one that needs no parameters is asked by itself, one that does and is
not named here fails a test.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.testclient import TestClient

from media_analytics.dashboard.reading.catalogue import REPORTS
from media_analytics.dashboard.reading.recent import MARTS

DAYS = 30
NOT_ASKED = {
    "/ping": "reads nothing",
    "/ready": "asked before each round, so that connections are made",
    "/v1/dead-letters/replays/{run_id}": "one run of Dagster, which is asked for all its checks",
}
# Seconds that are allowed at p95 where they are more than one: Dagster looks through its history for all checks, which
# is kept for half a minute.
SLOWER = {"checks": 5.0, "metrics": 5.0}


@dataclass(frozen=True)
class Found:
    """What questions are about and only the stores know: an article, the front page, a group of letters."""

    article: str
    front: str
    group: str


@dataclass(frozen=True)
class Question:
    """A route of the API, what stands in its path, and its parameters."""

    name: str
    route: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    places: Mapping[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """The path that is asked."""
        return self.route.format(**self.places)


def routes(client: TestClient) -> list[str]:
    """Every route of an API that answers GET."""
    paths: dict[str, Any] = client.get("/openapi.json").json()["paths"]
    return [path for path, methods in paths.items() if "get" in methods]


def questions(known: Iterable[str], found: Found) -> list[Question]:
    """A question at least for every route that is known, over 30 dates that are over."""
    named = list(_named(found))
    asked = {question.route for question in named} | set(NOT_ASKED)
    return named + [Question(r.removeprefix("/v1").strip("/"), r) for r in known if r not in asked]


def _named(found: Found) -> Iterator[Question]:
    """Those with parameters."""
    last = datetime.now(UTC).date() - timedelta(days=1)
    dates = {"first": str(last - timedelta(days=DAYS - 1)), "last": str(last)}
    one = {**dates, "brand": "bild"}
    yield Question("live", "/v1/live")
    for by in MARTS:
        for window in ("30m", "24h"):
            yield Question(f"live {by}, {window}", "/v1/live/{by}", {"window": window}, {"by": by})
    report, rows = "/v1/reports/{report}", "/v1/reports/{report}/rows"
    for name in REPORTS:
        place = {"report": name}
        yield Question(f"report {name}", report, dates, place)
        yield Question(f"report {name}, all traffic", report, {**dates, "who": "all"}, place)
        yield Question(f"rows of {name}", rows, {**dates, "kind": "csv"}, place)
    yield Question("report overview, one brand", report, one, {"report": "overview"})
    yield Question("articles", "/v1/articles", dates)
    yield Question("articles, search", "/v1/articles", {**dates, "search": "of bild-"})
    yield Question("articles, search without result", "/v1/articles", {**dates, "search": "nothing like it"})
    yield Question("one article", "/v1/articles/one", {**one, "page_key": found.article})
    yield Question("one article, the front page", "/v1/articles/one", {**one, "page_key": found.front})
    yield Question("completeness of a week", "/v1/completeness", {"hours": 7 * 24})
    hour_ago = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    yield Question("one minute", "/v1/interactions/minutes/{minute}", places={"minute": hour_ago})
    topic = {"topic": "user.raw"}
    yield Question("schemas of a topic", "/v1/streams/topics/{topic}/schemas", places=topic)
    yield Question("messages of a partition", "/v1/streams/topics/{topic}/messages", {"partition": 2}, topic)
    yield Question("letters of a group", "/v1/dead-letters/groups/{code}", places={"code": found.group})
