"""The Spark Connect session.

Belongs here: connecting to the Spark server that batch work uses, the tags that tell whose work a query
is. Does not belong here: reading or publishing tables (`lake`), transforms (`spark_jobs.transforms`),
starting a server (`media_analytics.local`).
"""

import atexit
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql.connect.client.retries import DefaultPolicy

from media_analytics.errors import ServiceError
from media_analytics.resources import spark_debug
from media_analytics.settings import Settings

# Waits of 50 ms, 200 ms, ... 60 s between them: a minute and a half in all. The client's own 15 take over 10 minutes.
RETRIES = 7
# What every session of ours sets, whatever the server's defaults are.
SESSION_CONF = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    # A range of dates is small: two tasks finish it sooner than two hundred start.
    "spark.sql.shuffle.partitions": "2",
}
# On a laptop the data is small: compiling a plan costs more than running it (10,000 events into reader_engagement:
# 1.3 to 1.8 times faster warm, more when cold).
LOCAL_CONF = {"spark.sql.codegen.wholeStage": "false", "spark.sql.codegen.factoryMode": "NO_CODEGEN"}
# From so many rows on it pays there, too (a million deliveries to gold: 64 instead of 80 s).
COMPILED_FROM = 100_000
_COMPILED = {"spark.sql.codegen.wholeStage": "true", "spark.sql.codegen.factoryMode": "FALLBACK"}


def connect(settings: Settings) -> SparkSession:
    """A new session on the configured Spark Connect server, in UTC.

    Raises:
        ServiceError: the server does not answer or refuses the token.
    """
    try:
        session = SparkSession.builder.remote(settings.spark.connection_string()).create()
        session.client.set_retry_policies([DefaultPolicy(max_retries=RETRIES)])
        # Before the client's own farewell, which retries for minutes where the server is gone.
        atexit.register(session.client.close)
        _set(session, SESSION_CONF | (LOCAL_CONF if settings.local else {}))
    except PySparkException as error:
        raise ServiceError(
            f"the Spark server at {settings.spark.remote} cannot be used: {_first_line(error)}; "
            "look at `media-analytics status`, or set MEDIA_ANALYTICS_SPARK__REMOTE and "
            "MEDIA_ANALYTICS_SPARK__TOKEN"
        ) from error
    return session


@contextmanager
def suited_to(rows: int, session: SparkSession, settings: Settings) -> Iterator[None]:
    """What the session does meanwhile is planned for so many rows: plans of few are not compiled on a laptop.

    Behind an error the session stays as it is: a server that is gone would be asked for a minute and a half, and its
    answer would hide the error.
    """
    if not settings.local or rows < COMPILED_FROM:
        yield
        return
    _set(session, _COMPILED)
    yield
    _set(session, LOCAL_CONF)


class SparkConnect:
    """One session for a process, made when first needed and made again after the server restarted."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is connected before `session()` is called."""
        self._settings = settings
        self._session: SparkSession | None = None
        self._lock = threading.Lock()

    def session(self) -> SparkSession:
        """The live session. Costs one small request to see that the server still knows it."""
        with self._lock:
            if self._session is not None and not _is_alive(self._session):
                self._session = None
            if self._session is None:
                self._session = connect(self._settings)
            return self._session

    @contextmanager
    def tagged(self, run_id: str, asset: str, partition: str | None = None) -> Iterator[SparkSession]:
        """The session, its queries tagged with whose work they are: they can be found and interrupted."""
        session = self.session()
        tags = [f"run:{run_id}", f"asset:{asset}"] + ([f"partition:{partition}"] if partition else [])
        clean = [tag.replace(",", ";") for tag in tags]
        for tag in clean:
            session.addTag(tag)
        try:
            yield session
        finally:
            for tag in clean:
                session.removeTag(tag)
            if spark_debug.is_on(self._settings):
                spark_debug.keep(self._settings, run_id, asset, clean)

    def close(self) -> None:
        """End the session on the server. A later `session()` makes a new one."""
        with self._lock:
            if self._session is not None:
                self._session.stop()
                self._session = None


def _set(session: SparkSession, conf: Mapping[str, str]) -> None:
    for name, value in conf.items():
        session.conf.set(name, value)


def _first_line(error: PySparkException) -> str:
    return str(error).partition("\n")[0][:300]


def _is_alive(session: SparkSession) -> bool:
    try:
        session.conf.get("spark.sql.session.timeZone")
    except PySparkException:
        return False
    return True
