"""When a date's numbers are published.

Belongs here: the one rule after which a changed number is a restatement, and up to which dates are compared. Does not
belong here: tables, what changed.
"""

from datetime import UTC, date, datetime, time, timedelta

# A date is published at this time of the next day; until then its numbers may still grow.
PUBLISHED_AT = time(3)


def is_published(day: date, now: datetime) -> bool:
    """Whether 03:00 UTC of the day after `day` has passed."""
    return now >= datetime.combine(day + timedelta(days=1), PUBLISHED_AT, UTC)


def newest_published(now: datetime) -> date:
    """The newest date that is published at `now`, which is tz-aware."""
    today = now.astimezone(UTC).date()
    yesterday = today - timedelta(days=1)
    return yesterday if is_published(yesterday, now) else yesterday - timedelta(days=1)
