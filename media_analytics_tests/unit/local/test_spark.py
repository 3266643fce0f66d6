"""The question by which the Spark server is known to be ours."""

from pyspark.sql.connect.proto.base_pb2 import ReleaseSessionRequest

from media_analytics.local.spark import release_request

SESSION = "00112233-4455-6677-8899-aabbccddeeff"


def test_the_hand_made_message_is_sparks() -> None:
    """Would catch a wrong tag: the server would refuse the request and never count as ready."""
    read = ReleaseSessionRequest.FromString(release_request(SESSION))
    assert (read.session_id, read.user_context.user_id) == (SESSION, "readiness")
    assert read.client_type == "media-analytics"
