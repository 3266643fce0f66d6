"""bronze.interactions: application interactions with their outcome, written by micro-batches.

Belongs here: which topic it holds. Does not belong here: the batches (`media_analytics.micro_batches`), its fields
(contracts).
"""

from media_analytics.contracts.registry import table, topic
from media_analytics.micro_batches.table import MicroBatched

TABLE = MicroBatched(
    contract=table("bronze.interactions"),
    topic=topic("interactions.events"),
    dates=table("ops.interactions_dates"),
)
