"""What the reader user may run.

Belongs here: the refusals that chDB's own `readonly` does not make. Does not belong here: limits (`config.py`).
"""

from media_analytics.local.gateway.chdb_connection import ChdbConnection, Kind
from media_analytics.local.gateway.errors import ClickHouseError


def check(connection: ChdbConnection, sql: bytes, kind: Kind) -> None:
    """Refuse a statement that is no plain reading.

    Raises:
        ClickHouseError: 164, the user is read only.
    """
    if kind.query_class != "READ_ONLY" or kind.statements != 1:
        raise ClickHouseError(164, "READONLY", "reader: Cannot execute query in readonly mode.")
