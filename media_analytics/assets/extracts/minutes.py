"""Which minutes a run of the minute analysis computes.

Belongs here: the run's configuration, and what it means. Does not belong here: what is done with a minute.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import dagster as dg

from media_analytics.errors import MediaAnalyticsError, ServiceError
from media_analytics.modelling.minutes import MINUTE
from media_analytics.partitions import minutes_of_hours
from media_analytics.resources.minute_files import Progress

# A minute closes so long after its end at the earliest: then what was appended in it is stored.
CLOSES_AFTER = timedelta(seconds=60)


class MinutesConfig(dg.Config):
    """First and last minute (ISO 8601 with zone), both or none.

    None: the run's hours again, as far as results exist.
    """

    first: str | None = None
    last: str | None = None


@contextmanager
def tried_once() -> Iterator[None]:
    """Errors that doing it again cannot mend end the run at once; a service that is away is tried again."""
    try:
        yield
    except ServiceError:
        raise
    except MediaAnalyticsError as error:
        raise dg.Failure(str(error), allow_retries=False) from error


def wanted_minutes(
    config: MinutesConfig, hour_keys: Sequence[str], progress: Progress | None, now: datetime
) -> list[datetime]:
    """The minutes of a run, oldest first, all of them in its hours.

    Raises:
        MediaAnalyticsError: the configuration names minutes outside the run's hours, leaves minutes out, or names
            one that is not closed.
    """
    hours = minutes_of_hours(hour_keys)
    if config.first is None or config.last is None:
        return [m for m in hours if progress is not None and progress.first <= m <= progress.latest]
    first, last = (datetime.fromisoformat(text).astimezone(UTC) for text in (config.first, config.last))
    minutes = [m for m in hours if first <= m <= last]
    if not minutes or (minutes[0], minutes[-1]) != (first, last):
        raise MediaAnalyticsError(
            f"minutes {config.first} to {config.last} are not in the run's hours {hour_keys[0]} to {hour_keys[-1]}"
        )
    if progress is not None and first > progress.latest + MINUTE:
        raise MediaAnalyticsError(
            f"minutes follow each other: after {progress.latest.isoformat()} comes the next one, not {config.first}"
        )
    closes_at = last + MINUTE + CLOSES_AFTER
    if closes_at > now:
        raise MediaAnalyticsError(
            f"{config.last} is not closed before {closes_at.isoformat()}: rows of it may still come"
        )
    return minutes
