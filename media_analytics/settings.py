"""The one settings model.

Belongs here: every value that may differ between installations, its unit, bound and default. Values come, later ones
winning, from `environments/base.toml`, `environments/<environment>.toml`, secret files and `MEDIA_ANALYTICS_*`
variables (`__` for nesting: `MEDIA_ANALYTICS_KAFKA__BOOTSTRAP_SERVERS`). Does not belong here: reading the process
environment (callers pass it), business constants of one module, and any default for a secret.
"""

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, model_validator

from media_analytics.environments import operations, reading
from media_analytics.environments.channels import Channels
from media_analytics.environments.operations import Operations
from media_analytics.environments.operations import Section as _Section
from media_analytics.errors import SettingsError

PREFIX = reading.PREFIX
NOT_SETTINGS = reading.NOT_SETTINGS
Environment = operations.Environment


class Brand(_Section):
    """One publication. `sections` and `domains` are what enrichment and validation know of it."""

    domains: tuple[str, ...]
    sections: tuple[str, ...]


class IngestKey(_Section):
    """A key that may write events. A browser key is public, so it can neither name an address nor another brand."""

    key: SecretStr
    kind: Literal["browser", "server"]
    brand: str | None = None

    @model_validator(mode="after")
    def _browser_keys_name_a_brand(self) -> Self:
        if self.kind == "browser" and self.brand is None:
            raise ValueError("a browser key must name its brand")
        return self


class DatedKey(_Section):
    """A secret in force from an instant on (ISO 8601 date; UTC midnight)."""

    valid_from: date
    key: SecretStr


class KafkaUser(_Section):
    """A SCRAM user of the event log."""

    username: str
    password: SecretStr


class Kafka(_Section):
    """The event log. TLS and SASL values are passed to librdkafka as they are."""

    bootstrap_servers: str
    security_protocol: Literal["PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: str = "SCRAM-SHA-512"
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    ssl_ca_location: Path | None = None
    # Further users this process may act as, by what they are for (`admin`: migrations). Without one it acts as itself.
    users: dict[str, KafkaUser] = Field(default_factory=dict)
    replication_factor: int = Field(default=3, ge=1)

    def acting_as(self, purpose: str) -> Self:
        """The same cluster with the user for a purpose, where one is set."""
        user = self.users.get(purpose)
        if user is None:
            return self
        return self.model_copy(update={"sasl_username": user.username, "sasl_password": user.password})

    def client_config(self) -> dict[str, str]:
        """Configuration shared by every librdkafka client of this cluster."""
        config = {
            "bootstrap.servers": self.bootstrap_servers,
            "security.protocol": self.security_protocol,
            # With librdkafka's default, a client that loses all brokers forgets them; 2.16 then waits for ever in
            # send_offsets_to_transaction for the coordinator it forgot (librdkafka issue 5511).
            "metadata.recovery.strategy": "none",
        }
        if self.security_protocol == "SASL_SSL":
            if self.sasl_username is None or self.sasl_password is None:
                raise SettingsError(
                    "kafka.security_protocol is SASL_SSL but sasl_username or sasl_password is not set; set "
                    f"{PREFIX}KAFKA__SASL_USERNAME and {PREFIX}KAFKA__SASL_PASSWORD"
                )
            config["sasl.mechanism"] = self.sasl_mechanism
            config["sasl.username"] = self.sasl_username
            config["sasl.password"] = self.sasl_password.get_secret_value()
            if self.ssl_ca_location is not None:
                config["ssl.ca.location"] = str(self.ssl_ca_location)
        return config


class Registry(_Section):
    """The schema registry (Confluent API). `url` includes the API's path."""

    url: str


class Spark(_Section):
    """The Spark Connect server. `remote` is `sc://host:port`; the token goes with it."""

    remote: str
    token: SecretStr | None = None
    cores: int = Field(default=2, ge=1)
    # Folder for the state of live queries that executors and commands reach; unset: in the home, on a laptop only.
    live_checkpoints: str | None = None
    # Its own page; read in debug mode only, when plans and stage times of each run are kept.
    ui_url: str | None = None

    def connection_string(self) -> str:
        """`remote` with the token, as `SparkSession.builder.remote` takes it."""
        if self.token is None:
            return self.remote
        return f"{self.remote}/;token={self.token.get_secret_value()}"


class ClickHouse(_Section):
    """The serving store. The reader may only select, within limits."""

    url: str
    user: str = "platform"
    password: SecretStr
    reader_user: str = "reader"
    reader_password: SecretStr
    variant: Literal["plain", "replicated"] = "plain"
    # Where the store itself finds the lake: a folder as the store sees it (below its user files), or an HTTP address
    # with the named collection that holds its credentials. Unset: the lake's own folder.
    lake_url: str | None = None
    lake_collection: str | None = None


class Lake(_Section):
    """Where Delta tables live: a folder or an `s3a://` address."""

    url: str

    def table_path(self, layer: str, name: str) -> str:
        """Address of one table: `<lake>/<layer>/<name>`."""
        return f"{self.url.rstrip('/')}/{layer}/{name}"


class Collector(_Section):
    """The HTTP collector. Sizes in bytes, times in seconds."""

    url: str
    keys: tuple[IngestKey, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    max_body_bytes: int = Field(default=1024 * 1024, ge=1024)
    max_items: int = Field(default=1000, ge=1)
    # A client has this long to send its body; slower ones are answered 400 and hold no room.
    max_body_seconds: float = Field(default=30.0, gt=0)
    # Processes that share the port; the limits below hold for all of them together.
    workers: int = Field(default=1, ge=1, le=64)
    # Requests, events and bytes of bodies held at once; one more is answered 503 with Retry-After.
    max_requests_in_flight: int = Field(default=256, ge=1)
    max_events_in_flight: int = Field(default=100_000, ge=1)
    max_bytes_in_flight: int = Field(default=256 * 1024 * 1024, ge=1024)
    # What one address may send with a browser key: events a second on average, and at once; more is answered 429.
    browser_events_per_second: float = Field(default=50.0, gt=0)
    browser_burst_events: int = Field(default=2000, ge=1)
    # Original bytes of refused input kept as dead letters, for each key and minute; beyond that it is counted only.
    max_letter_bytes_per_minute: int = Field(default=10_000_000, ge=0)
    produce_timeout_seconds: float = Field(default=10.0, gt=0)
    # Below this share of free disk the collector answers 507 and sinks pause (0-100).
    min_free_disk_pct: float = Field(default=5.0, ge=0, lt=100)


class Enrichment(_Section):
    """Data files the enricher reads. City data is optional and carries its attribution."""

    geo_database: Path
    referrers: Path
    city_database: Path | None = None
    instance: str = "0"


class Privacy(_Section):
    """Keys for pseudonyms and for bytes at rest. None has a default."""

    visitor_keys: tuple[DatedKey, ...] = Field(min_length=1)
    import_key: SecretStr
    # Fernet key (url-safe base64 of 32 bytes) for the original bytes of dead letters.
    dead_letter_key: SecretStr

    @model_validator(mode="after")
    def _one_key_a_day(self) -> Self:
        days = [key.valid_from for key in self.visitor_keys]
        twice = sorted({day.isoformat() for day in days if days.count(day) > 1})
        if twice:
            raise ValueError(
                f"privacy.visitor_keys has two keys valid from {', '.join(twice)}; keep one of them"
            )
        return self


class Stream(_Section):
    """The Spark streaming sink. `trigger_seconds` bounds how old the newest bronze row may be."""

    trigger_seconds: float = Field(default=7.0, gt=0)
    max_offsets_per_trigger: int = Field(default=200_000, ge=1)
    driver_memory: str = "768m"


class MicroBatches(_Section):
    """The runs that fill bronze tables from Kafka. Bounds of one run's range and of one commit."""

    # Seconds between two looks at the topics; new data is in bronze about this and a run's start later.
    interval_seconds: int = Field(default=45, ge=5)
    # Offsets of one topic in one run; the rest waits for the next run.
    max_offsets: int = Field(default=100_000, ge=1)
    # Bytes of Kafka values in one commit: a run holds them a few times over in memory.
    max_bytes: int = Field(default=16 * 1024 * 1024, ge=1)


class ObjectStore(_Section):
    """A store with the S3 API, and the key that may read there."""

    # `https://host[:port]`; plain `http://` only where nobody else listens.
    endpoint: str
    region: str = "us-east-1"
    access_key_id: str
    secret_access_key: SecretStr


class VideoFiles(_Section):
    """Files of the video marts. `landing` is the folder (or `s3a://` address) that is watched; unset: none is."""

    landing: str | None = None
    # Where `s3a://` addresses of files are; unset: as the process's own AWS configuration says.
    store: ObjectStore | None = None
    # Seconds between two looks at the folder; a file is loaded when two looks found it the same.
    interval_seconds: int = Field(default=60, ge=5)


class Automation(_Section):
    """When a touched date is recomputed. Seconds."""

    open_date_interval_seconds: int = Field(default=900, ge=0)
    closed_date_delay_seconds: int = Field(default=300, ge=0)
    monitor_interval_seconds: int = Field(default=30, ge=5)
    max_concurrent_runs: int = Field(default=2, ge=1)


class Dagster(_Section):
    """Where the webserver answers, and the token it wants (header `Authorization: Bearer`) on a laptop."""

    url: str
    token: SecretStr | None = None


class Dashboard(_Section):
    """The dashboard's API at `url` and its pages at `page_url`. Without `url` nobody tells it of new results.

    `token` is what both want from whoever reads them; they do not start without one. They listen on `listen_host`.
    """

    url: str | None = None
    page_url: str | None = None
    token: SecretStr | None = None
    listen_host: str = "127.0.0.1"


class Settings(_Section):
    """Everything an installation decides. Total: a missing or unknown value is an error that names the fix."""

    environment: Environment
    # Folder of the embedded stack's state, logs and health files; production pods give a writable folder.
    home: Path
    # True only in the embedded stack on a laptop; the collector then accepts requests without a key.
    local: bool = False
    # Spark shows its page, and plans and stage times of each run are kept in the home: slower, and plans hold literals.
    debug: bool = False
    history_start: date
    arrival_start: date
    brands: dict[str, Brand]
    kafka: Kafka
    registry: Registry
    spark: Spark
    clickhouse: ClickHouse
    lake: Lake
    collector: Collector
    enrichment: Enrichment
    privacy: Privacy
    stream: Stream = Stream()
    micro_batches: MicroBatches = MicroBatches()
    video: VideoFiles = VideoFiles()
    automation: Automation = Automation()
    dagster: Dagster
    dashboard: Dashboard = Dashboard()
    operations: Operations
    channels: Channels

    @model_validator(mode="after")
    def _keys_outside_local(self) -> Self:
        if not self.local and not self.collector.keys:
            raise ValueError(
                "collector.keys is empty; outside local development every request needs a key: "
                f"set {PREFIX}COLLECTOR__KEYS to a JSON list"
            )
        unknown = {k.brand for k in self.collector.keys if k.brand} - set(self.brands)
        if unknown:
            raise ValueError(f"collector.keys name unknown brands: {', '.join(sorted(unknown))}")
        return self

    def reachable_channels(self) -> Channels:
        """How people are told of failures. On a laptop nobody need be told.

        Raises:
            SettingsError: outside a laptop, a channel or the address of the runbooks is not set.
        """
        missing = [] if self.local else self.channels.missing()
        if not self.local and not self.channels.runbooks_url.startswith(("http://", "https://")):
            missing.append("channels.runbooks_url")
        if missing:
            names = ", ".join(f"{PREFIX}{name.upper().replace('.', '__')}" for name in missing)
            raise SettingsError(
                f"{self.environment}: nobody would hear of a failure; set {names} (the mail server as JSON: "
                '{"host": ..., "sender": ...}; the addresses of webhook and runbooks as they are)'
            )
        return self.channels

    def check_schedule(self) -> None:
        """Whether the daily run of the video files has something to load.

        Raises:
            SettingsError: there is a schedule and no folder.
        """
        if self.operations.pipeline.cron is not None and self.video.landing is None:
            raise SettingsError(
                f"{self.environment} loads video files every day and has no folder to load; set "
                f"{PREFIX}VIDEO__LANDING"
            )

    def health_file(self, service: str) -> Path:
        """The file a process without a port touches to say it lives."""
        return self.home / "run" / f"{service}.health.json"


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Read the settings of the environment that `environ` names.

    Raises:
        SettingsError: a value is missing, unknown or wrong; the message lists each with its variable.
    """
    variable = f"{PREFIX}ENVIRONMENT"
    name = reading.environment_named(
        environ.get(variable),
        variable,
        '. On a laptop run `eval "$(media-analytics env)"` after `media-analytics up`.',
    )
    values = reading.declared(name)
    reading.merge(values, reading.from_variables(environ))
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        lines = [f"  {problem}" for problem in reading.problems(error, name, Settings)]
        raise SettingsError(
            f"the settings of environment {name!r} are not valid:\n" + "\n".join(lines)
        ) from None


def environment_variables(values: Mapping[str, Any], prefix: str = PREFIX) -> dict[str, str]:
    """Flatten nested values into the variables `load_settings` reads. Lists become JSON."""
    flat: dict[str, str] = {}
    for key, value in values.items():
        name = f"{prefix}{key.upper()}"
        if isinstance(value, Mapping):
            flat |= environment_variables(value, f"{name}__")
        elif isinstance(value, (list, tuple)):
            flat[name] = json.dumps(value)
        else:
            flat[name] = str(value)
    return flat
