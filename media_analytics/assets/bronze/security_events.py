"""bronze.security_events: what guards of the platform noticed, written by micro-batches.

Belongs here: which topic it holds. Does not belong here: the batches (`media_analytics.micro_batches`), its fields
(contracts).
"""

from media_analytics.contracts.registry import table, topic
from media_analytics.micro_batches.table import MicroBatched

TABLE = MicroBatched(
    contract=table("bronze.security_events"),
    topic=topic("security.events"),
    dates=table("ops.security_events_dates"),
)
