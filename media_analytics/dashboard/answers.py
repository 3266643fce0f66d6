"""What the API answers, as types.

Belongs here: one model for each answer, with units in names or descriptions; the page of a list. Does not belong here:
where the numbers come from (`reading/`), routes (`api/`).
"""

from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

T = TypeVar("T")


class Answer(BaseModel):
    """Base of all answers."""

    model_config = ConfigDict(frozen=True)


class Page(Answer, Generic[T]):
    """A part of a list. `next` is the `cursor` of the following part; null at the end."""

    items: list[T]
    next: str | None = None


class Ready(Answer):
    """Whether the API can answer, and what it lacks."""

    is_ready: bool
    missing: list[str] = []


# -- live


class BrandNow(Answer):
    """Readers of a brand in the window. Access logs and imports are left out."""

    brand: str
    readers: int = Field(description="Distinct visitors with any event of a page.")
    page_views: int = Field(description="Page views, each event_id once; those without consent included.")


class ArticleNow(Answer):
    """A page that is read now."""

    brand: str
    page_key: str = Field(description="content_id, else the path of the address.")
    title: str | None
    readers: int
    page_views: int


class FamilyNow(Answer):
    """How many events of a family arrive."""

    family: str
    events_per_second: float = Field(description="Average of the last 60 s, each event_id once.")


class RatePoint(Answer):
    """Ten seconds of a family."""

    at: datetime
    family: str
    events_per_second: float


class Latency(Answer):
    """Milliseconds from the collector's receipt to the row in ClickHouse, over live events of the window."""

    events: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    max_ms: float | None


class LiveNow(Answer):
    """What is read now."""

    at: datetime
    window_seconds: int
    who: Literal["human", "all"] = Field(description="Whose pages are counted: people's, or all traffic.")
    readers: int = Field(description="Sum over brands: a person on two brands counts twice.")
    brands: list[BrandNow]
    articles: list[ArticleNow]
    families: list[FamilyNow] = Field(description="These and what follows: of all brands, robots included.")
    rates: list[RatePoint]
    latency: Latency


# -- minute analysis


class TypeInMinute(Answer):
    """One event type of a minute."""

    total: int = Field(ge=0)
    success: int = Field(ge=0)
    error: int = Field(ge=0)
    success_rate: float | None
    error_rate: float | None
    baseline_error_rate: float | None = Field(description="Errors by events of the preceding 60 minutes.")
    score: float = Field(description="Evidence for a risen error rate, in nats.")
    is_anomaly: bool


class AnomalyInMinute(Answer):
    """An event type whose error rate rose."""

    event_type: str
    error_rate: float | None
    baseline_error_rate: float | None
    score: float


class MinuteResult(Answer):
    """The analysis of a closed minute: what is pushed, stored and pulled."""

    window_start: AwareDatetime
    window_end: AwareDatetime
    total: int = Field(ge=0)
    event_types: dict[str, TypeInMinute]
    anomalies: list[AnomalyInMinute]
    produced_at: AwareDatetime
    run_id: str


class Anomaly(AnomalyInMinute):
    """An anomaly and its minute."""

    window_start: datetime


class Taken(Answer):
    """The answer to a push. A result that is known already is taken again."""

    window_start: datetime
    is_new: bool


# -- completeness, freshness


class RedMinute(Answer):
    """A minute whose offsets are not each one row or a dead letter."""

    minute: datetime
    partition: int
    first_offset: int
    last_offset: int
    missing: int
    duplicates: int


class Proof(Answer):
    """What the judged minutes of a topic say of a store."""

    topic: str
    store: str
    minutes: int
    messages: int
    missing: int
    duplicates: int
    dead_letters: int
    judged_through: datetime | None
    red: list[RedMinute] = Field(description="The newest 20.")


class Complete(Answer):
    """Whether every offset of the judged minutes is one row in each store, or a dead letter."""

    hours: int
    is_complete: bool | None = Field(description="Null when no minute was judged.")
    proofs: list[Proof]


class MinuteOfTopic(Answer):
    """One row of ops.completeness. Columns of a store that the contract does not name are null."""

    minute: datetime
    topic: str
    partition: int
    first_offset: int
    last_offset: int
    kafka_count: int
    realtime_count: int | None
    lake_count: int | None
    missing_realtime: int | None
    missing_lake: int | None
    duplicates_realtime: int | None
    duplicates_lake: int | None


Freshness = Literal["fresh", "late", "stale", "empty"]


class TableNow(Answer):
    """How old the newest data of a table is."""

    table: str
    store: str
    state: Freshness = Field(description="late: older than warn_seconds; stale: than fail_seconds.")
    changed_at: datetime | None = Field(description="Newest change of data, or newest row of a live table.")
    age_seconds: float | None
    warn_seconds: float
    fail_seconds: float
    grain: str


# -- streams


class PartitionNow(Answer):
    """Offsets of a partition: `first` is the oldest still there, `end` one past the newest."""

    partition: int
    first: int
    end: int


class TopicNow(Answer):
    """A topic as it is now."""

    name: str
    grain: str
    messages: int = Field(description="Offsets still there; marks of transactions included.")
    retention_hours: float
    key: str
    newest_at: datetime | None
    partitions: list[PartitionNow]


class GroupPartition(Answer):
    """How far a reader is in a partition. `lag` is in messages."""

    topic: str
    partition: int
    committed: int
    end: int
    lag: int


class GroupNow(Answer):
    """A consumer group, or a reader that keeps its position in its table."""

    group: str
    state: str
    members: int
    lag: int
    partitions: list[GroupPartition]


class SchemaVersion(Answer):
    """A version of a topic's schema."""

    version: int
    schema_id: int
    fields: list[str]
    avro: dict[str, Any]


class TopicSchemas(Answer):
    """All versions of a topic's schema, the newest first, and what a next one must fit."""

    subject: str
    compatibility: str
    versions: list[SchemaVersion]


# -- dead letters


class LetterGroup(Answer):
    """Letters that want the same repair. `recovered` of them came back by a replay."""

    group: str = Field(description="Eight characters that name the fingerprint.")
    family: str
    rule: str
    field: str | None
    producer: str
    letters: int
    recovered: int
    first_seen_at: datetime
    last_seen_at: datetime


class Repair(BaseModel):
    """What to do with a group: the text of a patch file (TOML), empty to judge the letters as they are."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    patch: str = Field(default="", max_length=65_536)
    days: int = Field(default=7, ge=1, le=30, description="Letters that arrived in the last days.")


class StillFails(Answer):
    """Letters that a patch does not repair, by the rule that refuses them now."""

    rule: str
    field: str | None
    letters: int


class Tried(Answer):
    """What a replay would do. Nothing was sent."""

    letters: int
    passed: int = Field(description="Letters that would become events.")
    events: int
    recovered_before: int
    not_meant: int = Field(description="Letters that the patch's own `where` leaves out.")
    failed: list[StillFails]


class ReplayStarted(Answer):
    """A replay is a Dagster run."""

    run_id: str


class ReplayNow(Answer):
    """How a replay stands: Dagster's word, and whether it has ended."""

    run_id: str
    status: str
    is_ended: bool


class MessageNow(Answer):
    """A message, decoded with the schema it was written with. What says something about a person is replaced."""

    partition: int
    offset: int
    appended_at: datetime
    key: str | None
    schema_id: int | None
    bytes: int
    value: dict[str, Any] | None
    problem: str | None = Field(default=None, description="Why it could not be decoded.")
