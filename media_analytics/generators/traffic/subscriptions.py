"""Subscriptions in SQL, from the events of all chunks.

Belongs here: `warehouse.subscriptions` and `warehouse.reader_subscriptions`. Does not belong here:
events (`events.py`).

Definitions are those of `spark_jobs/transforms`; a test recomputes them in plain Python.
"""

from media_analytics.generators.traffic.events import EVENTS
from media_analytics.generators.traffic.options import Options
from media_analytics.generators.traffic.sessions import TWINS

# Starts and cancels, and the dates on which customers were seen, over all chunks.
CHANGES = "generated.subscription_changes"
SEEN = "generated.customer_dates"
_START, _CANCEL = "subscription_start", "subscription_cancel"
_KEYS = "date, brand, tier, segment"


def create() -> list[str]:
    """The tables that are filled here, empty."""
    return [
        f"CREATE OR REPLACE TABLE {CHANGES} (brand String, customer_id String, occurred_at DateTime64(6, 'UTC'), "
        "event_id String, event_type String, tier Nullable(String), segment Nullable(String), is_bot Bool) "
        "ENGINE = MergeTree ORDER BY (brand, customer_id, occurred_at, event_id)",
        f"CREATE OR REPLACE TABLE {SEEN} (date Date32, brand String, customer_id String, is_human Bool) "
        "ENGINE = MergeTree ORDER BY (date, brand, customer_id)",
    ]


def collect() -> list[str]:
    """Keep what is needed of a chunk's events."""
    return [
        f"INSERT INTO {CHANGES} SELECT brand, assumeNotNull(customer_id), occurred_at, event_id, event_type, tier, "
        f"segment, is_bot FROM {EVENTS} WHERE event_type IN ('{_START}', '{_CANCEL}') AND customer_id IS NOT NULL",
        f"INSERT INTO {SEEN} SELECT toDate32(occurred_at) AS date, brand, assumeNotNull(customer_id) AS customer, "
        f"max(NOT is_bot) FROM {EVENTS} WHERE customer_id IS NOT NULL GROUP BY date, brand, customer",
    ]


def insert_subscriptions() -> str:
    """`warehouse.subscriptions`: one row a start, up to the customer's next start or cancel on the brand."""
    following = (
        "OVER (PARTITION BY brand, customer_id ORDER BY occurred_at, event_id "
        "ROWS BETWEEN 1 FOLLOWING AND 1 FOLLOWING)"
    )
    return f"""INSERT INTO warehouse.subscriptions (valid_from, valid_to, loaded_at, brand, customer_id, tier, segment,
  start_event_id, end_event_id, ended_by, is_bot)
SELECT occurred_at, if(is_ended, next_at, NULL), now64(6, 'UTC'), brand, customer_id, coalesce(tier, 'unknown'),
  coalesce(segment, 'unknown'), event_id, if(is_ended, next_id, NULL),
  multiIf(NOT is_ended, NULL, next_type = '{_CANCEL}', 'cancel', 'start'), is_bot
FROM (SELECT *, next_id != '' AS is_ended FROM (
  SELECT *, any(occurred_at) {following} AS next_at, any(event_id) {following} AS next_id,
    any(event_type) {following} AS next_type FROM {CHANGES}))
WHERE event_type = '{_START}'"""


def insert_reader_subscriptions(options: Options) -> str:
    """`warehouse.reader_subscriptions` of every date."""
    conditions = {
        "starts": "starts_here",
        "cancels": "cancels_here",
        "active": "holds_at_end",
        "active_before": "holds_at_begin",
    }
    counts = ", ".join(
        f"countIf({condition} AND {kept}) AS {name}{twin}"
        for twin, kept in TWINS.items()
        for name, condition in conditions.items()
    )
    starters = ", ".join(
        f"uniqExactIf(customer_id, starts_here AND {kept}) AS starters{twin}" for twin, kept in TWINS.items()
    )
    values = {
        f"{name}{twin}": value
        for twin in TWINS
        for name, value in {
            "starts": f"starts{twin}",
            "cancels": f"cancels{twin}",
            "active": f"active{twin}",
            "churn_rate": f"cancels{twin} / nullIf(active_before{twin}, 0)",
            # A date without anybody who could start has no rate.
            "conversion_rate": f"starters{twin} / nullIf(unsubscribed{twin}, 0)",
        }.items()
    }
    days = (
        f"(SELECT toDate32('{options.first}') + number AS date, toDateTime64(date, 6, 'UTC') AS begins_at, "
        f"addDays(begins_at, 1) AS ends_at FROM numbers({options.days + 1}))"
    )
    rows = f"""SELECT *, valid_from >= begins_at AND valid_from < ends_at AS starts_here,
    ifNull(ended_by = 'cancel' AND valid_to >= begins_at AND valid_to < ends_at, 0) AS cancels_here,
    {_holds("ends_at")} AS holds_at_end, {_holds("begins_at")} AS holds_at_begin
  FROM warehouse.subscriptions CROSS JOIN {days} AS days
  WHERE valid_from <= ends_at AND ifNull(valid_to >= begins_at, 1)"""
    free = f"""SELECT date, brand, count() AS unsubscribed, countIf(is_human) AS unsubscribed_human FROM (
    SELECT date, brand, customer_id, max(is_human) AS is_human FROM {SEEN} GROUP BY date, brand, customer_id) AS seen
  LEFT ANTI JOIN (SELECT DISTINCT date, brand, customer_id FROM ({rows}) WHERE holds_at_begin) AS held
    ON seen.date = held.date AND seen.brand = held.brand AND seen.customer_id = held.customer_id
  GROUP BY date, brand"""
    return f"""INSERT INTO warehouse.reader_subscriptions ({_KEYS}, {", ".join(values)})
SELECT counted.date, counted.brand, tier, segment, {", ".join(values.values())}
FROM (SELECT {_KEYS}, {counts}, {starters} FROM ({rows}) GROUP BY {_KEYS}) AS counted
LEFT JOIN ({free}) AS free ON counted.date = free.date AND counted.brand = free.brand
WHERE starts + cancels + active + active_before > 0"""


def _holds(instant: str) -> str:
    return f"(valid_from <= {instant} AND ifNull({instant} < valid_to, 1))"
