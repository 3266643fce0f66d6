"""Events of readers in SQL: visitors make visits, visits have pages, pages have events.

Belongs here: the events of a range of visits, and how the live table shows them. Does not belong here: what is derived
from events (`sessions.py`, `subscriptions.py`).

A visit has a number; every visitor's visits lie within one chunk of visits, so what is derived from all events of a
visitor can be derived chunk by chunk.
"""

from media_analytics.generators.traffic.articles import page_columns
from media_analytics.generators.traffic.chance import Chance, listed
from media_analytics.generators.traffic.options import Options

# Rows of these came from no topic: the mark by which generated rows are told from all others.
TOPIC = "generated"
VERSION = "generated-1"
EVENTS = "generated.events"
VISITS_OF_A_VISITOR = 4
# A first guess; later ranges of visits are as long as earlier ones say.
EVENTS_OF_A_VISIT = 7.0
# Rows of the wide live table that are written at once: more need gigabytes.
BLOCK_ROWS = 200_000
# Share of events that a client sent twice.
COPIES = 0.005
_DAY = 86_400_000_000
COLUMNS = (
    "visit UInt64", "step UInt32", "brand LowCardinality(String)", "visitor_id Nullable(String)",
    "occurred_at DateTime64(6, 'UTC')", "event_id String", "event_type LowCardinality(String)",
    "customer_id Nullable(String)", "anonymous_id Nullable(String)", "is_bot Bool",
    "page_key Nullable(String)", "content_id Nullable(String)", "title Nullable(String)",
    "section LowCardinality(Nullable(String))", "engaged_seconds Nullable(Float64)", "scroll_pct Nullable(Float64)",
    "tier LowCardinality(Nullable(String))", "segment LowCardinality(Nullable(String))",
    "country LowCardinality(Nullable(String))", "region LowCardinality(Nullable(String))",
    "device_type LowCardinality(String)", "os LowCardinality(Nullable(String))",
    "browser LowCardinality(Nullable(String))", "referrer_medium LowCardinality(String)",
    "referrer_source LowCardinality(Nullable(String))",
)  # fmt: skip
_DEVICES = (
    ("('phone', 'Android', 'Chrome Mobile')", 34),
    ("('phone', 'iOS', 'Mobile Safari')", 26),
    ("('desktop', 'Windows', 'Chrome')", 17),
    ("('desktop', 'Mac OS X', 'Safari')", 8),
    ("('desktop', 'Windows', 'Firefox')", 6),
    ("('tablet', 'iOS', 'Mobile Safari')", 5),
    ("('tv', 'Tizen', 'Samsung Browser')", 1),
    ("('other', NULL, NULL)", 3),
)
_COUNTRIES = (
    ("('DE', 'Berlin')", 20), ("('DE', 'Hamburg')", 15), ("('DE', 'Bayern')", 18), ("('DE', NULL)", 12),
    ("('AT', NULL)", 8), ("('CH', NULL)", 7), ("('US', NULL)", 8), ("('GB', NULL)", 4), ("('FR', NULL)", 3),
    ("('PL', NULL)", 2), ("('NL', NULL)", 2), (("(NULL, NULL)"), 1),
)  # fmt: skip
_REFERRERS = (
    ("('direct', NULL)", 30), ("('search', 'Google')", 25), ("('search', 'Bing')", 4), ("('social', 'Facebook')", 8),
    ("('social', 'Instagram')", 5), ("('social', 'X')", 4), ("('news', 'Google News')", 9), ("('email', NULL)", 6),
    ("('ai', 'ChatGPT')", 3), ("('paid', 'Google')", 3), ("('other', 'example.org')", 3),
)  # fmt: skip
_TIERS = (("'basic'", 6), ("'premium'", 4))
_SEGMENTS = (("'news'", 5), ("'sports'", 3), ("NULL", 2))
# What may happen on a page beside looking at it.
_EXTRAS = (
    ("'click'", 450), ("'search'", 90), ("'share'", 60), ("'video_start'", 170), ("'video_progress'", 60),
    ("'video_complete'", 60), ("'newsletter_signup'", 40), ("'subscription_start'", 30), ("'subscription_cancel'", 10),
    ("'purchase'", 30),
)  # fmt: skip


def create() -> str:
    """The table that holds the events of a chunk, each once."""
    return (
        f"CREATE OR REPLACE TABLE {EVENTS} ({', '.join(COLUMNS)}) ENGINE = MergeTree "
        "ORDER BY (occurred_at, event_id)"
    )


def insert(options: Options, first_visit: int, visits: int) -> str:
    """The events of some visits, by visitors that no other range has."""
    names = ", ".join(column.split()[0] for column in COLUMNS)
    steps = _steps(options, first_visit, visits)
    return f"INSERT INTO {EVENTS} ({names}) SELECT {names} FROM ({steps}) WHERE {_happened(options)}"


def _happened(options: Options) -> str:
    return f"occurred_at < fromUnixTimestamp64Micro({options.until_microsecond}, 'UTC')"


def _visits(options: Options, first_visit: int, visits: int) -> str:
    """One row a visit: who, when, with what, from where."""
    chance = Chance(options.seed)
    visitors = max(1, visits // VISITS_OF_A_VISITOR)
    brands = listed(list(options.brands))
    count = len(options.brands)
    # Few visitors come often; days are alike, evenings are busier than nights.
    drawn = f"pow({chance.share('visitor', 'visit')}, 2)"
    hours = f"({chance.share('hour', 'visit')} + {chance.share('hour 2', 'visit')}) / 2"
    second = f"if({chance.share('night', 'visit')} < 0.3, {chance.share('any hour', 'visit')}, 0.2 + 0.8 * {hours})"
    pause = f"30 + 240 * {chance.share('pause', 'visit')}"
    return f"""SELECT number AS visit,
  toUInt64({first_visit} + floor({visitors} * {drawn})) AS visitor,
  {chance.share("bot", "visitor")} < 0.05 AS is_bot,
  {chance.share("consent", "visitor")} < 0.02 AS is_unknown,
  NOT is_bot AND NOT is_unknown AND {chance.share("customer", "visitor")} < 0.15 AS is_customer,
  if(is_customer, concat('g', toString(visitor)), NULL) AS customer_id,
  if(is_customer OR is_unknown OR is_bot, NULL, concat('g', toString(visitor))) AS anonymous_id,
  multiIf(is_unknown, NULL, is_customer, concat('c:g', toString(visitor)),
    is_bot, concat('h:', lower(hex(sipHash128({options.seed}, visitor)))),
    concat('a:g', toString(visitor))) AS visitor_id,
  {brands}[1 + if({chance.share("away", "visit")} < 0.1, {chance.whole(count, "other brand", "visit")},
    toInt64(floor({count} * pow({chance.share("brand", "visitor")}, 1.4))))] AS brand,
  {chance.one_of(_DEVICES, "device", "visitor")} AS device,
  {chance.one_of(_COUNTRIES, "country", "visitor")} AS place,
  {chance.one_of(_REFERRERS, "referrer", "visit")} AS source,
  {options.first_microsecond} + {_DAY} * {chance.whole(options.days + 1, "day", "visit")}
    + toInt64({_DAY} * ({second})) AS began,
  toInt64(1000000 * if({chance.share("long", "visit")} < 0.03, 1700 + 200 * {chance.share("pause", "visit")}, {pause}))
    AS pause,
  toUInt32(least(20, 1 + floor(-2 * log(1 - {chance.share("pages", "visit")})))) AS pages
FROM numbers({first_visit}, {visits})"""


def _pages(options: Options, first_visit: int, visits: int) -> str:
    """One row a page of a visit."""
    chance = Chance(options.seed)
    return f"""SELECT *,
  began + page * pause + toInt64(pause * 0.5 * {chance.share("later", "visit", "page")}) AS opened,
  {page_columns(options)},
  toUInt32({chance.whole(4, "pings", "visit", "page")}) AS pings,
  {chance.one_of(_EXTRAS, "extra", "visit", "page")} AS extra,
  {chance.share("has extra", "visit", "page")} < 0.4
    AND (is_customer OR NOT startsWith(extra, 'subscription')) AS has_extra
FROM (SELECT *, arrayJoin(range(pages)) AS page FROM ({_visits(options, first_visit, visits)}))"""


def _steps(options: Options, first_visit: int, visits: int) -> str:
    """One row an event."""
    chance = Chance(options.seed)
    here = ("visit", "page", "number_here")
    # Seconds in quarters: their sums are the same in every order.
    engaged = f"{chance.whole(61, 'engaged', *here)} / 4"
    scrolled = f"least(100, 20 * number_here + {chance.whole(21, 'scroll', *here)})"
    return f"""SELECT visit, toUInt32(page * 16 + number_here) AS step, brand, visitor_id,
  fromUnixTimestamp64Micro(opened + 15000000 * number_here
    + {chance.whole(900_000, "moment", *here)}, 'UTC') AS occurred_at,
  {chance.uuid(*here)} AS event_id,
  multiIf(number_here = 0, 'page_view', number_here <= pings, 'page_ping', extra) AS event_type,
  customer_id, anonymous_id, is_bot, page_key, content_id, title, section,
  if(event_type = 'page_ping', {engaged}, NULL) AS engaged_seconds,
  if(event_type = 'page_ping', toFloat64({scrolled}), NULL) AS scroll_pct,
  if(event_type = 'subscription_start', {chance.one_of(_TIERS, "tier", "visit")}, NULL) AS tier,
  if(event_type = 'subscription_start', {chance.one_of(_SEGMENTS, "segment", "visit")}, NULL) AS segment,
  tupleElement(place, 1) AS country, tupleElement(place, 2) AS region,
  tupleElement(device, 1) AS device_type, tupleElement(device, 2) AS os, tupleElement(device, 3) AS browser,
  if(page = 0, tupleElement(source, 1), 'internal') AS referrer_medium,
  if(page = 0, tupleElement(source, 2), NULL) AS referrer_source
FROM (SELECT *, arrayJoin(range(1 + pings + has_extra)) AS number_here FROM ({_pages(options, first_visit, visits)}))"""


def insert_live(options: Options) -> str:
    """The chunk's events as the sink would have stored them, some of them twice."""
    chance = Chance(options.seed)
    domains = ", ".join(f"'{brand}', '{domain}'" for brand, (domain, _) in options.brands.items())
    sent_twice = f"{chance.share('copy', 'visit', 'step')} < {COPIES}"
    late = chance.whole(800_000, "late", "visit", "step")
    columns = {
        "event_id": "event_id",
        "event_type": "event_type",
        "brand": "brand",
        "occurred_at": "occurred_at",
        "received_at": f"addMicroseconds(occurred_at, 40000 + {late} + 2000000 * copy)",
        "origin": "'live'",
        "customer_id": "customer_id",
        "anonymous_id": "anonymous_id",
        "consent": "if(visitor_id IS NULL, ['advertising'], [])",
        "visitor_id": "visitor_id",
        "page_url": f"concat('https://www.', map({domains})[toString(brand)], "
        "if(content_id IS NULL, '', '/'), page_key)",
        "title": "title",
        "content_id": "content_id",
        "section": "section",
        "query": "if(event_type = 'search', 'simulated words', NULL)",
        "product": "if(event_type = 'purchase', 'day pass', NULL)",
        "engaged_seconds": "engaged_seconds",
        "scroll_pct": "scroll_pct",
        "tier": "tier",
        "segment": "segment",
        "is_truncated": "false",
        "is_clock_corrected": "false",
        "country": "country",
        "region": "region",
        "browser": "browser",
        "os": "os",
        "device_type": "device_type",
        "is_bot": "is_bot",
        "bot_name": "if(is_bot, 'Simulated bot', NULL)",
        "bot_class": "if(is_bot, 'search', NULL)",
        "referrer_medium": "referrer_medium",
        "referrer_source": "referrer_source",
        "page_key": "page_key",
        "enrichment_version": f"'{VERSION}'",
        "source_topic": f"'{TOPIC}'",
        "source_partition": "toInt32(visit % 6)",
        "source_offset": "toInt64(visit * 1024 + step * 2 + copy)",
        "appended_at": "addMicroseconds(received_at, 5000)",
        "inserted_at": f"addMicroseconds(received_at, 200000 + {late})",
    }
    values = ", ".join(f"{value} AS {name}" for name, value in columns.items() if value != name)
    return (
        f"INSERT INTO realtime.user_events ({', '.join(columns)}) SELECT {', '.join(columns)} FROM "
        f"(SELECT *, {values} FROM (SELECT *, arrayJoin(range(1 + ({sent_twice}))) AS copy FROM {EVENTS})) "
        f"SETTINGS min_insert_block_size_rows = {BLOCK_ROWS}, max_insert_threads = 1"
    )
