"""bronze.compliance_events: decisions and requests of people about their data, written by micro-batches.

Belongs here: which topic it holds. Does not belong here: the batches (`media_analytics.micro_batches`), its fields
(contracts).
"""

from media_analytics.contracts.registry import table, topic
from media_analytics.micro_batches.table import MicroBatched

TABLE = MicroBatched(
    contract=table("bronze.compliance_events"),
    topic=topic("compliance.events"),
    dates=table("ops.compliance_events_dates"),
)
