"""The user family's topics.

Belongs here: `user.raw` as the collector writes it, `user.latest` as the enricher writes it.
Does not belong here: tables that hold the same events (`tables/events.py` inherits from these models).
"""

from datetime import timedelta

from media_analytics.contracts.model import Freshness, TopicContract
from media_analytics.contracts.rules import (
    Bool,
    Float64,
    Instant,
    Int32,
    Int64,
    Text,
    TextMap,
    column,
)
from media_analytics.contracts.topics.envelope import (
    COORDINATES,
    NAME,
    URL,
    USER_AGENT,
    VISITOR,
    WORD,
    Coordinates,
    Envelope,
)

EVENT_TYPES = (
    "page_view",
    "page_ping",
    "click",
    "search",
    "share",
    "video_start",
    "video_progress",
    "video_complete",
    "newsletter_signup",
    "subscription_start",
    "subscription_cancel",
    "purchase",
    "resource_request",
)
DEVICE_TYPES = ("phone", "tablet", "desktop", "tv", "console", "other")
BOT_CLASSES = ("search", "ai", "monitoring", "seo", "feed", "other")
REFERRER_MEDIA = ("paid", "email", "direct", "internal", "ai", "search", "social", "news", "other")


class UserFields(Envelope):
    """Fields of the user family."""

    event_type: Text = column("What happened.", isin=EVENT_TYPES)
    visitor_id: Text = column(
        "`c:` customer, else `a:` anonymous id, else `h:` keyed hash of address and user agent.",
        personal_data="pseudonym",
        longest=NAME + 2,
        str_matches=VISITOR,
    )
    page_url: Text = column(
        "Full address of the page.", nullable=True, personal_data="behaviour", longest=URL
    )
    title: Text = column("Title of the page.", nullable=True, longest=URL)
    content_id: Text = column("The publisher's id of the content shown.", nullable=True, longest=NAME)
    section: Text = column("Section of the brand.", nullable=True, longest=WORD)
    referrer: Text = column(
        "Address the reader came from.", nullable=True, personal_data="behaviour", longest=URL
    )
    user_agent: Text = column("User agent text.", nullable=True, personal_data="device", longest=USER_AGENT)
    ip: Text = column(
        "Network address: full in user.raw, /24 or /48 afterwards.",
        nullable=True,
        personal_data="network_address",
        longest=64,
    )
    query: Text = column("What was searched for.", nullable=True, personal_data="content", longest=URL)
    product: Text = column("Product the event is about.", nullable=True, longest=NAME)
    position: Int32 = column("Position in a list, counted from the client's first.", nullable=True, ge=0)
    engaged_seconds: Float64 = column(
        "Engaged seconds since the previous ping of the page.", nullable=True, ge=0, le=60
    )
    scroll_pct: Float64 = column("Share of the page seen, 0 to 100.", nullable=True, ge=0, le=100)
    video_position_seconds: Float64 = column("Position in the video.", nullable=True, ge=0, le=1e9)
    tier: Text = column("Subscription tier.", nullable=True, longest=WORD)
    segment: Text = column("Marketing segment the client knows.", nullable=True, longest=WORD)
    http_status: Int32 = column("Status of the answer, from access logs.", nullable=True, ge=100, le=599)
    bytes_sent: Int64 = column("Size of the answer, from access logs.", nullable=True, ge=0)
    properties: TextMap = column(
        "Anything else, as texts.",
        personal_data="content",
        avro_default={},
        entries_within={"most": 64, "longest": 1024},
    )
    is_truncated: Bool = column("Whether an import shortened a field to its limit.", avro_default=False)


class UserRaw(UserFields):
    """An event as collected."""

    class Config:
        """The coordinates identify a message; the value has none of its own."""

        strict = True


class EnrichedFields(UserFields):
    """Fields of the user family after enrichment."""

    visitor_id: Text = column(
        "As in user.raw; null without consent to analytics.",
        nullable=True,
        personal_data="pseudonym",
        longest=NAME + 2,
        str_matches=VISITOR,
    )
    client_occurred_at: Instant = column("The client's time when occurred_at was corrected.", nullable=True)
    is_clock_corrected: Bool = column(
        "Whether occurred_at was replaced by received_at.", derived_from="occurred_at, received_at"
    )
    country: Text = column(
        "ISO 3166 code of the address's country.",
        nullable=True,
        personal_data="location",
        derived_from="ip",
        str_matches=r"^[A-Z]{2}$",
    )
    region: Text = column(
        "Region, with city data only.",
        nullable=True,
        personal_data="location",
        derived_from="ip",
        longest=WORD,
    )
    city: Text = column(
        "City, with city data only.", nullable=True, personal_data="location", derived_from="ip", longest=WORD
    )
    timezone: Text = column("Time zone, with city data only.", nullable=True, derived_from="ip", longest=WORD)
    network: Text = column(
        "Network operator, or the address block the geo database files the address under; never finer than /24 or /48.",
        nullable=True,
        derived_from="ip",
        longest=NAME,
    )
    browser: Text = column("Browser family.", nullable=True, derived_from="user_agent", longest=WORD)
    browser_version: Text = column("Browser version.", nullable=True, derived_from="user_agent", longest=WORD)
    os: Text = column("Operating system.", nullable=True, derived_from="user_agent", longest=WORD)
    os_version: Text = column(
        "Operating system version.", nullable=True, derived_from="user_agent", longest=WORD
    )
    device_type: Text = column("Kind of device.", derived_from="user_agent", isin=DEVICE_TYPES)
    is_bot: Bool = column("Whether the user agent is a known bot.", derived_from="user_agent")
    bot_name: Text = column("Name of the bot.", nullable=True, derived_from="user_agent", longest=WORD)
    bot_class: Text = column(
        "What the bot is for.", nullable=True, derived_from="user_agent", isin=BOT_CLASSES
    )
    referrer_medium: Text = column(
        "How the reader came.", derived_from="page_url, referrer", isin=REFERRER_MEDIA
    )
    referrer_source: Text = column(
        "Name of the referring service.", nullable=True, derived_from="referrer", longest=NAME
    )
    referrer_term: Text = column(
        "What was searched for there.",
        nullable=True,
        derived_from="referrer",
        personal_data="content",
        longest=URL,
    )
    utm_source: Text = column(
        "utm_source of the page's address.", nullable=True, derived_from="page_url", longest=URL
    )
    utm_medium: Text = column(
        "utm_medium of the page's address.", nullable=True, derived_from="page_url", longest=URL
    )
    utm_campaign: Text = column(
        "utm_campaign of the page's address.", nullable=True, derived_from="page_url", longest=URL
    )
    utm_term: Text = column(
        "utm_term of the page's address.", nullable=True, derived_from="page_url", longest=URL
    )
    utm_content: Text = column(
        "utm_content of the page's address.", nullable=True, derived_from="page_url", longest=URL
    )
    page_key: Text = column(
        "content_id, else the path of page_url.",
        nullable=True,
        derived_from="content_id, page_url",
        longest=URL,
    )
    enrichment_version: Text = column("Version of the rules and data that enriched it.", longest=WORD)


class UserLatest(Coordinates, EnrichedFields):
    """An event after enrichment, with the coordinates it has in `user.raw`."""

    class Config:
        """One message per coordinate."""

        strict = True
        unique = COORDINATES


_FRESHNESS = Freshness(warn=timedelta(minutes=15), fail=timedelta(minutes=30))
_INTERVAL = timedelta(minutes=10)

USER_RAW = TopicContract(
    name="user.raw",
    grain="One message per user event as collected; the only store of full addresses.",
    model=UserRaw,
    key="visitor_id",
    partitions=6,
    retention=timedelta(days=7),
    freshness=_FRESHNESS,
    refresh_interval=_INTERVAL,
    owner="team:data-platform",
    stores=("realtime", "lake"),
    purposes=("analytics",),
)
USER_LATEST = TopicContract(
    name="user.latest",
    grain="One message per user event after enrichment, in the partition it has in user.raw.",
    made_from="user.raw",
    model=UserLatest,
    key="visitor_id",
    partitions=6,
    retention=timedelta(days=7),
    freshness=_FRESHNESS,
    refresh_interval=_INTERVAL,
    owner="team:data-platform",
    purposes=("analytics",),
)
CONTRACTS = (USER_RAW, USER_LATEST)
