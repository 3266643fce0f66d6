"""The services of the stack, in the order in which they are shown.

Belongs here: names, profile, port, what starts later, the program of those that are Python. Does not
belong here: how a service is configured (its own module) or supervised.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from media_analytics.errors import MediaAnalyticsError


@dataclass(frozen=True)
class Service:
    """One real process. `module` is what `python -m` runs."""

    name: str
    what: str
    port: str | None = None
    module: str | None = None
    # True: started only when topics, schemas and tables are there.
    needs_contracts: bool = False
    # Seconds after its start within which it must become ready on a slow machine.
    ready_within_seconds: float = 300.0
    # Settings variable whose presence means: somebody else runs it.
    external_variable: str | None = None
    # Its user on a secured event log; None: that of the shell's commands.
    kafka_user: str | None = None
    # Added to its niceness: it may wait for a processor until live events have had what they need (decision 0022).
    nice: int = 0


SERVICES: tuple[Service, ...] = (
    Service(
        "kafka",
        "event log",
        port="kafka",
        external_variable="MEDIA_ANALYTICS_KAFKA__BOOTSTRAP_SERVERS",
    ),
    *(
        Service(
            f"kafka-{number}",
            "event log, one more broker",
            port=f"kafka_{number}",
            external_variable="MEDIA_ANALYTICS_KAFKA__BOOTSTRAP_SERVERS",
        )
        for number in (2, 3)
    ),
    Service(
        "registry",
        "schema registry",
        port="registry",
        external_variable="MEDIA_ANALYTICS_REGISTRY__URL",
    ),
    Service(
        "spark",
        "Spark Connect server",
        port="spark",
        external_variable="MEDIA_ANALYTICS_SPARK__REMOTE",
        nice=5,
    ),
    Service(
        "stream",
        "Kafka to bronze",
        module="spark_jobs.jobs.user_events_stream",
        needs_contracts=True,
        kafka_user="stream",
        nice=10,
    ),
    Service(
        "clickhouse",
        "ClickHouse gateway",
        port="clickhouse",
        module="media_analytics.local.gateway",
        external_variable="MEDIA_ANALYTICS_CLICKHOUSE__URL",
    ),
    Service(
        "collector",
        "HTTP collector",
        port="collector",
        module="streaming.collector",
        needs_contracts=True,
        kafka_user="collector",
    ),
    Service(
        "enricher",
        "raw to latest",
        module="streaming.enricher",
        needs_contracts=True,
        kafka_user="enricher",
    ),
    Service(
        "sink",
        "Kafka to ClickHouse",
        module="streaming.sinks.clickhouse",
        needs_contracts=True,
        kafka_user="sink",
    ),
    Service(
        "dagster-webserver",
        "Dagster page",
        port="dagster_webserver",
    ),
    Service("dagster-daemon", "Dagster sensors and queue", needs_contracts=True),
    Service("dagster-code", "Dagster definitions and runs", kafka_user="dagster"),
    Service(
        "dashboard-api",
        "dashboard's API",
        port="dashboard_api",
        module="media_analytics.dashboard.api",
        needs_contracts=True,
        kafka_user="dashboard",
    ),
    Service(
        "dashboard",
        "dashboard's pages",
        port="dashboard",
        module="media_analytics.dashboard.page",
        needs_contracts=True,
    ),
)
# The brokers, in the order of their node ids. Only the first one belongs to every stack.
BROKERS = ("kafka", "kafka-2", "kafka-3")
# What must be ready before the contracts can be applied, and stops last.
STORES = (*BROKERS, "registry", "spark", "clickhouse")
NAMES = tuple(service.name for service in SERVICES if service.name not in BROKERS[1:])
_DASHBOARD = ("dashboard-api", "dashboard")
# What every stack has.
CORE = tuple(name for name in NAMES if name not in _DASHBOARD)
# What two more brokers use.
MORE_BROKERS_MB = 400

# Profile: its services and the memory of the whole stack with them when idle, in MiB.
PROFILES: dict[str, tuple[tuple[str, ...], int]] = {
    "core": (CORE, 4 * 1024),
    "dashboard": (_DASHBOARD, 4 * 1024 + 512),
}


def service(name: str) -> Service:
    """Look a service up by name.

    Raises:
        MediaAnalyticsError: there is none of this name.
    """
    for candidate in SERVICES:
        if candidate.name == name:
            return candidate
    raise MediaAnalyticsError(f"there is no service {name!r}; there are {', '.join(NAMES)}")


def of_home(brokers: int) -> tuple[Service, ...]:
    """Every service that a home with so many brokers can have."""
    return tuple(s for s in SERVICES if s.name not in BROKERS[brokers:])


def of_profiles(profiles: Iterable[str] = (), brokers: int = 1) -> tuple[Service, ...]:
    """The services of some profiles, in order. `core` is always among them, with so many brokers.

    Raises:
        MediaAnalyticsError: a profile is unknown.
    """
    wanted = set(BROKERS[:brokers])
    for profile in ("core", *profiles):
        if profile not in PROFILES:
            raise MediaAnalyticsError(f"there is no profile {profile!r}; there are {', '.join(PROFILES)}")
        wanted.update(PROFILES[profile][0])
    return tuple(s for s in SERVICES if s.name in wanted)
