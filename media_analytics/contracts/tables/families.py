"""Tables that hold the events of the families without an enricher, row for row.

Belongs here: bronze and realtime of content, session, security, compliance and interactions. Does not belong here: the
user family (`events.py`), what is made of the rows (silver, gold).
"""

from datetime import timedelta

from pandera.pandas import DataFrameModel

from media_analytics.contracts.model import Daily, Hourly, TableContract, TopicContract
from media_analytics.contracts.rules import HOUR, Instant, Int32, Text, column
from media_analytics.contracts.topics import families
from media_analytics.contracts.topics.envelope import COORDINATES, Coordinates


class BronzeRow(Coordinates):
    """What bronze adds to an event: its coordinates and how the row came here."""

    schema_id: Int32 = column("Registry id the message was written with.", provenance=True, ge=0)
    batch_id: Text = column("Batch that wrote the row.", provenance=True, longest=256)
    loaded_at: Instant = column("When the batch was written.", provenance=True)
    appended_hour: Text = column("Hour of appended_at, UTC.", derived_from="appended_at", str_matches=HOUR)


class RealtimeRow(Coordinates):
    """What the sink adds to an event: its coordinates, and the store its own time."""

    inserted_at: Instant = column(
        "When the store received the row.", provenance=True, store_default="now64(6, 'UTC')"
    )


class BronzeContentEvent(BronzeRow, families.ContentEvents):
    """A row as a batch appended it."""

    class Config:
        """One row per coordinate."""

        strict = True
        unique = COORDINATES


class BronzeSessionEvent(BronzeRow, families.SessionEvents):
    """A row as a batch appended it."""

    class Config:
        """One row per coordinate."""

        strict = True
        unique = COORDINATES


class BronzeSecurityEvent(BronzeRow, families.SecurityEvents):
    """A row as a batch appended it."""

    class Config:
        """One row per coordinate."""

        strict = True
        unique = COORDINATES


class BronzeComplianceEvent(BronzeRow, families.ComplianceEvents):
    """A row as a batch appended it."""

    class Config:
        """One row per coordinate."""

        strict = True
        unique = COORDINATES


class BronzeInteraction(BronzeRow, families.InteractionsEvents):
    """A row as a batch appended it."""

    class Config:
        """One row per coordinate."""

        strict = True
        unique = COORDINATES


class RealtimeSessionEvent(RealtimeRow, families.SessionEvents):
    """A row as the sink inserted it."""

    class Config:
        """One row per coordinate."""

        strict = True
        unique = COORDINATES


class RealtimeSecurityEvent(RealtimeRow, families.SecurityEvents):
    """A row as the sink inserted it."""

    class Config:
        """One row per coordinate."""

        strict = True
        unique = COORDINATES


class RealtimeInteraction(RealtimeRow, families.InteractionsEvents):
    """A row as the sink inserted it."""

    class Config:
        """One row per coordinate."""

        strict = True
        unique = COORDINATES


def _bronze(name: str, topic: TopicContract, model: type[DataFrameModel]) -> TableContract:
    return TableContract(
        layer="bronze",
        name=name,
        grain=f"One row per coordinate of {topic.name}.",
        model=model,
        partitioning=Hourly("appended_at", stored="appended_hour"),
        sort_keys=("source_partition", "source_offset"),
        freshness=topic.freshness,
        refresh_interval=topic.refresh_interval,
        owner=topic.owner,
        store="delta",
        writer="micro-batch",
        source=topic.name,
    )


def _realtime(name: str, topic: TopicContract, model: type[DataFrameModel]) -> TableContract:
    return TableContract(
        layer="realtime",
        name=name,
        grain=f"One row per coordinate of {topic.name}; readers of live numbers take the first copy per event_id.",
        model=model,
        partitioning=Daily("appended_at"),
        sort_keys=("brand", "appended_at", "source_partition", "source_offset"),
        freshness=topic.freshness,
        refresh_interval=topic.refresh_interval,
        owner=topic.owner,
        store="clickhouse",
        writer="sink",
        source=topic.name,
        retention=timedelta(days=35),
    )


CONTRACTS = (
    _realtime("session_events", families.SESSION_EVENTS, RealtimeSessionEvent),
    _realtime("security_events", families.SECURITY_EVENTS, RealtimeSecurityEvent),
    _realtime("interactions", families.INTERACTIONS_EVENTS, RealtimeInteraction),
    _bronze("content_events", families.CONTENT_EVENTS, BronzeContentEvent),
    _bronze("session_events", families.SESSION_EVENTS, BronzeSessionEvent),
    _bronze("security_events", families.SECURITY_EVENTS, BronzeSecurityEvent),
    _bronze("compliance_events", families.COMPLIANCE_EVENTS, BronzeComplianceEvent),
    _bronze("interactions", families.INTERACTIONS_EVENTS, BronzeInteraction),
)
