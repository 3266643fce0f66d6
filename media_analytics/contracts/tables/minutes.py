"""Files of the minute analysis: what was looked at, and what was found.

Belongs here: the rows of `extracts.interactions` and, flat, of `results.interactions`. Does not belong here: the form
of the JSON document (`modelling/minutes.py`), where files lie (`resources/minute_files.py`).
"""

from datetime import timedelta

from pandera.pandas import DataFrameModel

from media_analytics.contracts.model import Freshness, Hourly, TableContract
from media_analytics.contracts.rules import (
    BRAND,
    EARLIEST,
    LATEST,
    LOWER_WORD,
    UUID,
    Bool,
    Float64,
    Instant,
    Int64,
    Text,
    column,
    not_greater,
)
from media_analytics.contracts.topics.envelope import COORDINATES, WORD, Coordinates
from media_analytics.contracts.topics.families import STATUSES


class ExtractedInteraction(Coordinates):
    """What the analysis of a minute needs to know of an interaction; nothing about a person."""

    event_id: Text = column("Identity of the fact.", str_matches=UUID)
    event_type: Text = column("Kind of interaction, a lower-case word.", str_matches=LOWER_WORD, longest=WORD)
    brand: Text = column("The publication it happened on.", str_matches=BRAND)
    occurred_at: Instant = column("When it happened, by the client's clock.", ge=EARLIEST, le=LATEST)
    status: Text = column("How it ended.", isin=STATUSES)
    error_code: Text = column("The application's code of the error.", nullable=True, longest=WORD)
    latency_ms: Int64 = column("Time until the answer, in milliseconds.", ge=0)
    is_first_copy: Bool = column(
        "Whether no row with this event_id and brand arrived earlier in the minute or the hour before."
    )

    class Config:
        """One row per coordinate."""

        strict = True
        unique = COORDINATES


class MinuteResult(DataFrameModel):
    """One event type in one closed minute."""

    minute: Instant = column("Start of the minute of appended_at.", ge=EARLIEST, le=LATEST)
    event_type: Text = column("Kind of interaction.", str_matches=LOWER_WORD, longest=WORD)
    total: Int64 = column("Events, first copies only.", ge=1)
    success: Int64 = column("Those that succeeded.", ge=0)
    error: Int64 = column("Those that failed.", ge=0)
    success_rate: Float64 = column("success / total.", nullable=True, ge=0, le=1)
    error_rate: Float64 = column("error / total.", nullable=True, ge=0, le=1)
    baseline_error_rate: Float64 = column(
        "errors / total of the type in the preceding 60 closed minutes; null without events.",
        nullable=True,
        ge=0,
        le=1,
    )
    score: Float64 = column("Evidence for a risen error rate, in nats, added up over minutes.", ge=0)
    is_anomaly: Bool = column("Whether the score reached the threshold.")

    success_within = not_greater("success", "total")
    error_within = not_greater("error", "total")

    class Config:
        """One row per minute and event type."""

        strict = True
        unique = ("minute", "event_type")


# An application that is silent for a quarter of an hour is a failure, like a missing result.
_FRESHNESS = Freshness(warn=timedelta(minutes=7), fail=timedelta(minutes=15))


def _files(
    layer: str, grain: str, model: type[DataFrameModel], hour_of: str, sort_keys: tuple[str, ...]
) -> TableContract:
    return TableContract(
        layer=layer,
        name="interactions",
        grain=grain,
        model=model,
        partitioning=Hourly(hour_of),
        sort_keys=sort_keys,
        freshness=_FRESHNESS,
        refresh_interval=timedelta(minutes=5),
        owner="team:data-platform",
        store="files",
        writer="minute-analysis",
    )


CONTRACTS = (
    _files(
        "extracts",
        "One row per coordinate of interactions.events; one Parquet file per closed minute of appended_at.",
        ExtractedInteraction,
        "appended_at",
        ("source_partition", "source_offset"),
    ),
    _files(
        "results",
        "One row per event type of a minute; one JSON document per closed minute, also of one without events.",
        MinuteResult,
        "minute",
        ("minute", "event_type"),
    ),
)
