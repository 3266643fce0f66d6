"""Where the stream's own Spark looks for `s3a://` addresses."""

from media_analytics_tests.builders.chart import PULL_REQUEST, named, needs_helm, render, values
from spark_jobs.session import object_store


def test_at_aws_nothing_is_said() -> None:
    """Hadoop knows where that is, and takes region and role by itself."""
    assert object_store({"AWS_REGION": "eu-central-1"}) == {}


@needs_helm
def test_the_stream_looks_where_the_spark_server_does() -> None:
    """The chart tells the server by its configuration and the stream by variables; both write one lake."""
    manifests = render(values("dev", PULL_REQUEST))
    told = named(manifests, "SparkApplication", "spark-connect")["spec"]["sparkConf"]
    stream = named(manifests, "Deployment", "stream")["spec"]["template"]["spec"]["containers"][0]["env"]
    found = object_store({one["name"]: one.get("value", "") for one in stream})
    assert found == {name: value for name, value in told.items() if name.startswith("spark.hadoop.fs.s3a.")}
    assert found["spark.hadoop.fs.s3a.endpoint"] == "http://ma-object-store:8333"
