"""Which topics the sink stores, and where.

Belongs here: topic, table and record of each. Does not belong here: how rows are stored (`storing.py`). A test compares
this list with the contracts.
"""

from dataclasses import dataclass

from streaming.codecs.families import families


@dataclass(frozen=True, slots=True)
class Route:
    """From one topic into one table. `first_topic` is the one whose coordinates the rows carry."""

    topic: str
    table: str
    record: str
    first_topic: str

    @property
    def is_first(self) -> bool:
        """Whether no earlier topic holds the event, so that the sink adds the coordinates to the record."""
        return self.topic == self.first_topic


ROUTES = (
    Route("user.latest", "realtime.user_events", "UserLatest", families()["user"].topic),
    *(
        Route(families()[family].topic, table, record, families()[family].topic)
        for family, table, record in (
            ("session", "realtime.session_events", "SessionEvents"),
            ("security", "realtime.security_events", "SecurityEvents"),
            ("interactions", "realtime.interactions", "InteractionsEvents"),
        )
    ),
)
