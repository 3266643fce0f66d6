"""A Spark Connect session for tests of transforms and of the lake.

Belongs here: the session fixture. Does not belong here: the server (`embedded.py`). A process holds either classic or
Connect sessions, never both, so every test in the test process uses this one; what needs a classic session (the
stream) runs as its own process.
"""

from collections.abc import Iterator

import pytest
from pyspark.sql import SparkSession

from media_analytics.resources.spark import connect
from media_analytics_tests.services.embedded import Embedded


@pytest.fixture(scope="session")
def spark_session(spark: Embedded) -> Iterator[SparkSession]:
    """One session on the embedded Spark server for the whole test session."""
    session = connect(spark.settings)
    yield session
    session.stop()
