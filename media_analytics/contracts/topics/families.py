"""The topics of the families without an enricher: content, session, security, compliance, interactions.

Belongs here: their fields and what consent removes. Does not belong here: the envelope (`envelope.py`), the user
family (`user.py`), tables that hold the same events (`tables/families.py` inherits from these models).
"""

from datetime import timedelta

from pandera.pandas import DataFrameModel

from media_analytics.contracts.model import CheckedStore, Freshness, TopicContract
from media_analytics.contracts.rules import (
    EARLIEST,
    LATEST,
    LOWER_WORD,
    Bool,
    Instant,
    Int32,
    Int64,
    Text,
    TextList,
    column,
)
from media_analytics.contracts.topics.envelope import (
    NAME,
    PURPOSES,
    TIERS,
    URL,
    USER_AGENT,
    VISITOR,
    WORD,
    Envelope,
)

CONTENT_TYPES = ("published", "updated", "unpublished", "headline_changed")
SESSION_TYPES = ("login", "logout", "heartbeat", "tier_changed")
SECURITY_TYPES = ("login_failed", "bot_challenge", "rate_limited", "account_locked", "suspicious_login")
COMPLIANCE_TYPES = ("consent_given", "consent_withdrawn", "erasure_requested", "export_requested")
STATUSES = ("success", "error")


class ContentEvents(Envelope):
    """A change of a piece of content."""

    event_type: Text = column("What happened.", isin=CONTENT_TYPES)
    content_id: Text = column("The publisher's id of the content.", longest=NAME)
    title: Text = column("Title after the change.", longest=URL)
    section: Text = column("Section of the brand.", longest=WORD)
    authors: TextList = column("Names of the authors as published.")
    word_count: Int32 = column("Words of the text.", ge=0)
    is_premium: Bool = column("Whether it is for subscribers only.")
    published_at: Instant = column("When it was first published.", ge=EARLIEST, le=LATEST)
    revision: Int32 = column("Number of the revision, rising.", ge=0)

    class Config:
        """The coordinates identify a message; the value has none of its own."""

        strict = True


class SessionEvents(Envelope):
    """A step of a log-in session, as the publisher's account service sees it."""

    event_type: Text = column("What happened.", isin=SESSION_TYPES)
    visitor_id: Text = column(
        "`c:` customer, else `a:` anonymous id, else `h:` keyed hash of address and user agent; "
        "null without consent to analytics.",
        nullable=True,
        personal_data="pseudonym",
        longest=NAME + 2,
        str_matches=VISITOR,
    )
    session_ref: Text = column(
        "The account service's id of the session; null without consent to analytics.",
        nullable=True,
        personal_data="pseudonym",
        longest=NAME,
    )
    tier: Text = column("Subscription tier, after the change for tier_changed.", isin=TIERS)
    device_id: Text = column(
        "The client's id of the device; null without consent to analytics.",
        nullable=True,
        personal_data="device",
        longest=NAME,
    )

    class Config:
        """The coordinates identify a message; the value has none of its own."""

        strict = True


class SecurityEvents(Envelope):
    """Something a guard of the platform noticed."""

    event_type: Text = column("What happened.", isin=SECURITY_TYPES)
    visitor_id: Text = column(
        "`c:` customer, else `a:` anonymous id, else `h:` keyed hash of address and user agent; "
        "null without consent to analytics.",
        nullable=True,
        personal_data="pseudonym",
        longest=NAME + 2,
        str_matches=VISITOR,
    )
    ip: Text = column(
        "Network address, cut to /24 or /48 in the collector; null without consent to analytics.",
        nullable=True,
        personal_data="network_address",
        longest=64,
    )
    user_agent: Text = column(
        "User agent text; null without consent to analytics.",
        nullable=True,
        personal_data="device",
        longest=USER_AGENT,
    )
    severity: Int32 = column("1 (note) to 5 (attack).", ge=1, le=5)
    rule: Text = column("Name of the rule that noticed it.", longest=WORD)

    class Config:
        """The coordinates identify a message; the value has none of its own."""

        strict = True


class ComplianceEvents(Envelope):
    """What a person decided or asked for about their data."""

    event_type: Text = column("What happened.", isin=COMPLIANCE_TYPES)
    purposes: TextList = column(
        "Purposes given or withdrawn; empty for requests.", items_isin={"allowed": PURPOSES}
    )
    jurisdiction: Text = column("Law it happened under, such as `de` or `eu`.", longest=WORD)
    request_id: Text = column("The publisher's id of the decision or request.", longest=NAME)

    class Config:
        """The coordinates identify a message; the value has none of its own."""

        strict = True


class InteractionsEvents(Envelope):
    """A call of an application and how it ended."""

    event_type: Text = column("Kind of interaction, a lower-case word.", str_matches=LOWER_WORD, longest=WORD)
    status: Text = column("How it ended.", isin=STATUSES)
    error_code: Text = column("The application's code of the error.", nullable=True, longest=WORD)
    latency_ms: Int64 = column("Time until the answer, in milliseconds.", ge=0)

    class Config:
        """The coordinates identify a message; the value has none of its own."""

        strict = True


def _topic(
    name: str,
    grain: str,
    model: type[DataFrameModel],
    key: str,
    interval: timedelta,
    *,
    removed: tuple[str, ...],
    stores: tuple[CheckedStore, ...] = ("lake",),
) -> TopicContract:
    """A family's topic: warned of after one and a half intervals, failed after three."""
    return TopicContract(
        name=name,
        grain=grain,
        model=model,
        key=key,
        partitions=3,
        retention=timedelta(days=7),
        freshness=Freshness(warn=1.5 * interval, fail=3 * interval),
        refresh_interval=interval,
        owner="team:data-platform",
        stores=stores,
        removed_without_analytics=removed,
    )


_PERSON = ("customer_id", "anonymous_id")
# A quiet night of a newsroom is no failure; an application that is silent for half an hour is. Where nothing happening
# is good news, the monitor says once a day that it looked.
CONTENT_EVENTS = _topic(
    "content.events",
    "One message per change of a piece of content.",
    ContentEvents,
    "content_id",
    timedelta(hours=8),
    removed=_PERSON,
)
SESSION_EVENTS = _topic(
    "session.events",
    "One message per step of a log-in session.",
    SessionEvents,
    "visitor_id",
    timedelta(minutes=10),
    removed=(*_PERSON, "visitor_id", "session_ref", "device_id"),
    stores=("realtime", "lake"),
)
SECURITY_EVENTS = _topic(
    "security.events",
    "One message per thing a guard of the platform noticed; its address is truncated.",
    SecurityEvents,
    "visitor_id",
    timedelta(days=1),
    removed=(*_PERSON, "visitor_id", "ip", "user_agent"),
    stores=("realtime", "lake"),
)
COMPLIANCE_EVENTS = _topic(
    "compliance.events",
    "One message per decision or request of a person about their data.",
    ComplianceEvents,
    "customer_id",
    timedelta(days=1),
    # The customer stays: who withdrew consent or asked for erasure is what the event is for.
    removed=("anonymous_id",),
)
INTERACTIONS_EVENTS = _topic(
    "interactions.events",
    "One message per application interaction, with its outcome.",
    InteractionsEvents,
    "customer_id",
    timedelta(minutes=10),
    removed=_PERSON,
    stores=("realtime", "lake"),
)
CONTRACTS = (CONTENT_EVENTS, SESSION_EVENTS, SECURITY_EVENTS, COMPLIANCE_EVENTS, INTERACTIONS_EVENTS)
