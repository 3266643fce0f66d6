"""Tables that nobody made yet.

Belongs here: telling a table that is not there from a store that does not answer. Does not belong here: what is shown
instead.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from media_analytics.errors import ServiceError
from media_analytics.resources.clickhouse import ClickHouse

# The number stands in front of the query, which may be long and cut off; the name behind it.
_ABSENT = re.compile(r"\bcode: (60|81)\b|UNKNOWN_TABLE|UNKNOWN_DATABASE|does not exist")


def is_absent(error: ServiceError) -> bool:
    """Whether the store refused because a table or database is not there yet."""
    return bool(_ABSENT.search(str(error)))


def rows_if_made(
    clickhouse: ClickHouse, sql: str, parameters: Mapping[str, Any], comment: str
) -> Sequence[Sequence[Any]]:
    """Rows of a query; none when its table was not made yet.

    Raises:
        ServiceError: the store does not answer, or refuses for another reason.
    """
    try:
        return clickhouse.rows(sql, parameters, comment=comment)
    except ServiceError as error:
        if is_absent(error):
            return []
        raise
