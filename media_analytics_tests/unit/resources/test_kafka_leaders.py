"""Offsets of partitions that have no leader for a moment. A real broker has none only while nobody looks."""

from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin._listoffsets import ListOffsetsResultInfo

from media_analytics.errors import ServiceError
from media_analytics.resources import kafka
from media_analytics_tests.builders import settings


class _Admin:
    """Refuses offsets a few times, then tells them."""

    def __init__(self, code: int, refusals: int) -> None:
        self._code = code
        self.left = refusals

    def list_topics(self, *_: object, **__: object) -> Any:
        partition = type("Topic", (), {"error": None, "partitions": {0: None}})
        return type("Cluster", (), {"topics": {"user.raw": partition}})

    def list_offsets(self, asked: dict[TopicPartition, Any], **_: object) -> dict[TopicPartition, Any]:
        answer: Future[ListOffsetsResultInfo] = Future()
        if self.left:
            self.left -= 1
            answer.set_exception(KafkaException(KafkaError(self._code)))
        else:
            answer.set_result(ListOffsetsResultInfo(7, -1, -1))
        return dict.fromkeys(asked, answer)


def _log(tmp_path: Path, admin: _Admin) -> kafka.KafkaLog:
    log = kafka.KafkaLog(settings.make(tmp_path))
    vars(log)["_admin"] = admin
    return log


@pytest.mark.parametrize("code", [KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE])
def test_offsets_are_asked_for_again_until_there_is_a_leader(tmp_path: Path, code: int) -> None:
    """Would catch a run that fails because a broker has just left."""
    admin = _Admin(code, 3)
    assert _log(tmp_path, admin).end_offsets("user.raw") == {0: 7}
    assert admin.left == 0


def test_a_refusal_that_stays_is_an_error_that_names_the_topic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Would catch an endless wait, and a refusal of another kind that is asked again."""
    monkeypatch.setattr(kafka, "TIMEOUT_SECONDS", 0.5)
    waited = _Admin(KafkaError.NOT_LEADER_FOR_PARTITION, 1000)
    with pytest.raises(ServiceError, match=r"topic user\.raw"):
        _log(tmp_path, waited).end_offsets("user.raw")
    assert waited.left < 999
    refused = _Admin(KafkaError.TOPIC_AUTHORIZATION_FAILED, 1000)
    with pytest.raises(ServiceError, match=r"topic user\.raw"):
        _log(tmp_path, refused).end_offsets("user.raw")
    assert refused.left == 999
