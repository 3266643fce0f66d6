"""Which topics the sink stores, and where.

Belongs here: topic, table and record of each. Does not belong here: how rows are stored (`storing.py`). A test compares
this list with the contracts.
"""

from dataclasses import dataclass

from streaming.codecs.families import families


@dataclass(frozen=True, slots=True)
class Route:
    """From one topic into one table.

    `is_first`: the topic is the first that holds the event, so the sink adds the coordinates; otherwise the record
    carries them.
    """

    topic: str
    table: str
    record: str
    is_first: bool


ROUTES = (
    Route("user.latest", "realtime.user_events", "UserLatest", is_first=False),
    *(
        Route(families()[family].topic, table, record, is_first=True)
        for family, table, record in (
            ("session", "realtime.session_events", "SessionEvents"),
            ("security", "realtime.security_events", "SecurityEvents"),
            ("interactions", "realtime.interactions", "InteractionsEvents"),
        )
    ),
)
