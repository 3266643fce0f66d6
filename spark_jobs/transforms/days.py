"""Which days a transform reads to give the days it is asked for.

Belongs here: sets of dates around dates, as plain Python. Does not belong here: reading them, partition keys.
"""

from collections.abc import Iterable
from datetime import date, timedelta


def around(dates: Iterable[date], before: int, after: int) -> list[date]:
    """Every date from `before` days ahead of one of `dates` to `after` days behind it, in order."""
    offsets = [timedelta(days=n) for n in range(-before, after + 1)]
    return sorted({day + offset for day in dates for offset in offsets})
