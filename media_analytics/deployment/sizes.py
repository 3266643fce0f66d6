"""How large the chart's parts are in each environment, where the settings do not say it.

Belongs here: one total map. Does not belong here: what follows from the settings (`chart.py`).
"""

from typing import NamedTuple

from media_analytics.environments.operations import Environment


class Size(NamedTuple):
    """Storage as Kubernetes writes it; the most pods of what scales; whether PostgreSQL keeps its log of changes."""

    kafka_storage: str
    clickhouse_storage: str
    postgresql_storage: str
    collectors: int
    webservers: int
    clickhouse_shards: int
    has_backups: bool = False


SIZES: dict[Environment, Size] = {
    "dev": Size("20Gi", "50Gi", "5Gi", collectors=1, webservers=1, clickhouse_shards=1),
    "qa": Size("50Gi", "100Gi", "10Gi", collectors=4, webservers=2, clickhouse_shards=1),
    "uat": Size("100Gi", "200Gi", "20Gi", collectors=6, webservers=2, clickhouse_shards=1, has_backups=True),
    "prod": Size("1Ti", "2Ti", "100Gi", collectors=24, webservers=4, clickhouse_shards=2, has_backups=True),
}
