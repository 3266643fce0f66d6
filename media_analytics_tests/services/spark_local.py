"""One classic Spark session with Delta for all tests of transforms.

Belongs here: the session fixture and how a test makes a frame. Does not belong here: the Spark Connect server
(`embedded.py`).
"""

import os
from collections.abc import Iterator

import pytest
from pyspark.sql import SparkSession

from media_analytics.local import artifacts
from spark_jobs.session import local_session


@pytest.fixture(scope="session")
def spark_local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """`local[2]`, UTC, Delta; its JVM lives as long as the test session."""
    fetched = artifacts.ensure(os.environ, groups=("spark",))
    os.environ["JAVA_HOME"] = str(fetched.spark_java_home(os.environ))
    session = local_session(
        "tests",
        tmp_path_factory.mktemp("spark"),
        jars=str(fetched.spark_jars),
        extra={"spark.sql.shuffle.partitions": "2", "spark.sql.ansi.enabled": "true"},
    )
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()
