"""Sessions and the pages within them in SQL, from the events of a chunk.

Belongs here: which events make a session, what a session and a page of a session is. Does not belong here: events
(`events.py`), sums over dates (`reader_tables.py`).

Definitions are those of `spark_jobs/transforms`; a test recomputes them in plain Python.
"""

import uuid

from media_analytics.generators.traffic.events import COLUMNS, EVENTS

NUMBERED = "generated.numbered"
# One row a date, page and session; all chunks together are what `reader_engagement` is made of.
PAGES = "generated.pages"
TWINS = {"": "1", "_human": "NOT is_bot"}
PAGE_COUNTS = {
    "page_views": "event_type = 'page_view'",
    "clicks": "event_type = 'click'",
    "shares": "event_type = 'share'",
    "video_starts": "event_type = 'video_start'",
    "video_completes": "event_type = 'video_complete'",
    "entries": "is_entry",
    "exits": "is_exit",
    "recirculations": "is_followed",
}
_COUNTS = {
    "page_views": "page_view",
    "clicks": "click",
    "shares": "share",
    "video_starts": "video_start",
    "video_completes": "video_complete",
    "newsletter_signups": "newsletter_signup",
}
_GAP = 30 * 60 * 1_000_000
_DAY = 86_400_000_000
_PLACE = "(occurred_at, event_id)"
# The namespace of session ids, as 32 hexadecimal digits.
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:media-analytics:event").hex


def create() -> list[str]:
    """The tables that are filled here, empty."""
    counts = ", ".join(f"{name}{twin} UInt32" for twin in TWINS for name in PAGE_COUNTS)
    measures = ", ".join(
        f"engaged_seconds{twin} Float64, scroll_pct{twin} Nullable(Float64)" for twin in TWINS
    )
    return [
        f"CREATE OR REPLACE TABLE {NUMBERED} ({', '.join(COLUMNS)}, session_number UInt32) ENGINE = MergeTree "
        "ORDER BY (brand, visitor_id, session_number, occurred_at, event_id) SETTINGS allow_nullable_key = 1",
        f"CREATE OR REPLACE TABLE {PAGES} (date Date32, brand LowCardinality(String), page_key String, "
        f"visitor_id Nullable(String), session_number UInt32, {counts}, {measures}, "
        "titled Tuple(DateTime64(6, 'UTC'), String, String)) ENGINE = MergeTree PARTITION BY date "
        "ORDER BY (brand, page_key)",
    ]


def number() -> str:
    """Number the sessions of each visitor and brand, from 1; events without visitor have 0.

    A session ends before a gap of more than 30 minutes, and at 00:00 of a day if the gap-free chain already holds an
    event at or before 00:00 of the day before.
    """
    names = ", ".join(column.split()[0] for column in COLUMNS)
    window = "OVER (PARTITION BY brand, visitor_id ORDER BY occurred_at, event_id"
    running = f"{window} ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
    before = f"{window} ROWS BETWEEN 1 PRECEDING AND 1 PRECEDING)"
    return f"""INSERT INTO {NUMBERED} ({names}, session_number)
SELECT {names}, if(visitor_id IS NULL, 0, sum(begins_session) {running}) AS session_number FROM (
  SELECT *, begins_chain OR (intDiv(at, {_DAY}) > intDiv(before, {_DAY})
      AND chain_at <= (intDiv(at, {_DAY}) - 1) * {_DAY}) AS begins_session FROM (
    SELECT *, max(if(begins_chain, at, 0)) {running} AS chain_at FROM (
      SELECT *, before = 0 OR at - before > {_GAP} AS begins_chain FROM (
        SELECT *, toUnixTimestamp64Micro(occurred_at) AS at, max(at) {before} AS before FROM {EVENTS}))))"""


def insert_sessions() -> str:
    """`warehouse.sessions` of the chunk's visitors."""
    counts = ", ".join(f"countIf(event_type = '{kind}') AS {name}" for name, kind in _COUNTS.items())
    known = ", ".join(
        f"coalesce(tupleElement(here, {n}), 'unknown') AS {name}"
        for n, name in enumerate(("country", "region", "device_type", "os", "browser"), 1)
    )
    digest = f"lower(hex(SHA1(concat(unhex('{_NAMESPACE}'), brand, '|', assumeNotNull(visitor), '|', first_event_id))))"
    columns = (
        "session_id", "brand", "visitor_id", "date", "started_at", "ended_at", "duration_seconds", "first_event_id",
        "last_event_id", "events", *_COUNTS, "engaged_seconds", "is_bot", "is_viewing", "is_bounce", "entry_page_key",
        "exit_page_key", "country", "region", "device_type", "os", "browser", "referrer_medium", "referrer_source",
        "loaded_at",
    )  # fmt: skip
    return f"""INSERT INTO warehouse.sessions ({", ".join(columns)})
SELECT {uuid5("digest")} AS session_id, brand, assumeNotNull(visitor) AS visitor_id, toDate32(started_at) AS date,
  tupleElement(first, 1) AS started_at, tupleElement(last, 1) AS ended_at,
  dateDiff('microsecond', started_at, ended_at) / 1000000 AS duration_seconds, first_event_id,
  tupleElement(last, 2) AS last_event_id, events, {", ".join(_COUNTS)}, engaged_seconds, is_bot,
  page_views > 0 AS is_viewing, page_views = 1 AND engaged_seconds < 10 AS is_bounce,
  tupleElement(entry, 1) AS entry_page_key, tupleElement(exit, 1) AS exit_page_key, {known},
  if(is_viewing, tupleElement(entry, 2), 'unknown') AS referrer_medium,
  coalesce(tupleElement(entry, 3), 'unknown') AS referrer_source, now64(6, 'UTC') AS loaded_at
FROM (SELECT *, tupleElement(first, 2) AS first_event_id, {digest} AS digest FROM (
  SELECT toString(numbered.brand) AS brand, numbered.visitor_id AS visitor, min({_PLACE}) AS first,
    max({_PLACE}) AS last, count() AS events, {counts},
    ifNull(sumIf(numbered.engaged_seconds, event_type = 'page_ping'), 0) AS engaged_seconds,
    max(numbered.is_bot) AS is_bot,
    argMin(tuple(country, region, device_type, os, browser), {_PLACE}) AS here,
    argMinIf(tuple(page_key, referrer_medium, referrer_source), {_PLACE}, event_type = 'page_view') AS entry,
    argMaxIf(tuple(page_key), {_PLACE}, event_type = 'page_view') AS exit
  FROM {NUMBERED} AS numbered WHERE numbered.visitor_id IS NOT NULL
  GROUP BY numbered.brand, numbered.visitor_id, numbered.session_number))"""


def uuid5(digest: str) -> str:
    """The text of a UUID of version 5 from the 40 hexadecimal digits of a SHA-1."""
    variant = f"substring('89ab', 1 + bitAnd(reinterpretAsUInt8(unhex(concat('0', substring({digest}, 17, 1)))), 3), 1)"
    return (
        f"concat(substring({digest}, 1, 8), '-', substring({digest}, 9, 4), '-5', substring({digest}, 14, 3), '-', "
        f"{variant}, substring({digest}, 18, 3), '-', substring({digest}, 21, 12))"
    )


def insert_pages() -> str:
    """The pages of the chunk's sessions, by date of the events."""
    window = "OVER (PARTITION BY brand, visitor_id, session_number)"
    counts = ", ".join(
        f"countIf({condition} AND {kept}) AS {name}{twin}"
        for twin, kept in TWINS.items()
        for name, condition in PAGE_COUNTS.items()
    )
    measures = ", ".join(
        f"ifNull(sumIf(numbered.engaged_seconds, event_type = 'page_ping' AND {kept}), 0) AS engaged_seconds{twin}, "
        f"maxIf(numbered.scroll_pct, {kept}) AS scroll_pct{twin}"
        for twin, kept in TWINS.items()
    )
    measured = ", ".join(f"engaged_seconds{twin}, scroll_pct{twin}" for twin in TWINS)
    names = ", ".join(f"{name}{twin}" for twin in TWINS for name in PAGE_COUNTS)
    last_view = "(tupleElement(last_keyed, 1), tupleElement(last_keyed, 2))"
    later = f"if(page_key = tupleElement(last_keyed, 3), last_other, {last_view})"
    return f"""INSERT INTO {PAGES} (date, brand, page_key, visitor_id, session_number, {names}, {measured}, titled)
SELECT toDate32(occurred_at) AS date, brand, assumeNotNull(numbered.page_key) AS page_key, visitor_id, session_number,
  {counts}, {measures},
  maxIf((occurred_at, event_id, assumeNotNull(title)), title IS NOT NULL) AS titled
FROM (SELECT *, has_session AND is_view AND {_PLACE} = first_view AS is_entry,
    has_session AND is_view AND {_PLACE} = last_view AS is_exit,
    ifNull(has_session AND is_keyed AND {_PLACE} < {later}, 0) AS is_followed
  FROM (SELECT *, maxIf({_PLACE}, is_keyed AND page_key != tupleElement(last_keyed, 3)) {window} AS last_other
    FROM (SELECT *, visitor_id IS NOT NULL AS has_session, event_type = 'page_view' AS is_view,
        is_view AND page_key IS NOT NULL AS is_keyed, minIf({_PLACE}, is_view) {window} AS first_view,
        maxIf({_PLACE}, is_view) {window} AS last_view,
        maxIf((occurred_at, event_id, assumeNotNull(page_key)), is_keyed) {window} AS last_keyed
      FROM {NUMBERED}))) AS numbered
WHERE numbered.page_key IS NOT NULL
GROUP BY date, brand, numbered.page_key, visitor_id, session_number"""
