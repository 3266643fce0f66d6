"""A letter keeps the original, readable with the key only."""

import hashlib
from datetime import UTC, datetime

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from media_analytics_tests.builders.settings import DEAD_LETTER_KEY
from streaming.codecs.avro import Codec
from streaming.dead_letters.letters import KEPT_BYTES, LetterError, LetterWriter, original_bytes

KEY = SecretStr(DEAD_LETTER_KEY)
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def _letter(original: bytes, place: str = "1") -> dict[str, object]:
    writer = LetterWriter("collector", KEY)
    return writer.letter(
        original, source="/v1/access-log", place=place, reason="malformed_line", message="m", received_at=NOW
    )


def test_a_letter_holds_its_original_encrypted() -> None:
    letter = _letter(b"secret 192.0.2.1")
    assert b"192.0.2.1" not in letter["original_bytes"]
    assert original_bytes(letter, KEY) == b"secret 192.0.2.1"
    assert letter["is_replayable"] is True


def test_a_long_original_keeps_its_beginning_length_and_hash() -> None:
    original = b"x" * (KEPT_BYTES + 1)
    letter = _letter(original)
    assert original_bytes(letter, KEY) == original[:KEPT_BYTES]
    assert letter["original_length"] == KEPT_BYTES + 1
    assert letter["original_sha256"] == hashlib.sha256(original).hexdigest()
    assert letter["is_replayable"] is False


def test_the_id_depends_on_source_and_place_only() -> None:
    assert _letter(b"a")["letter_id"] == _letter(b"b")["letter_id"]
    assert _letter(b"a", "1")["letter_id"] != _letter(b"a", "2")["letter_id"]


def test_a_record_letter_carries_its_coordinates_and_fits_the_schema() -> None:
    letter = LetterWriter("enricher", KEY).record_letter(
        b"\x01bad",
        topic="user.raw",
        partition=3,
        offset=7,
        appended_at_us=5,
        reason="not_framed",
        message="m",
    )
    assert [letter[f"source_{n}"] for n in ("topic", "partition", "offset", "appended_at")] == [
        "user.raw",
        3,
        7,
        5,
    ]
    codec = Codec.from_file("dead_letters")
    assert codec.decode(codec.encode(letter)) == letter


def test_another_key_is_refused_with_the_fix() -> None:
    other = SecretStr(Fernet.generate_key().decode())
    with pytest.raises(LetterError, match="another key"):
        original_bytes(_letter(b"x"), other)


def test_a_key_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(LetterError, match="dead_letter_key"):
        LetterWriter("collector", SecretStr("short"))
