"""Confluent framing: a zero byte, the schema id as four big-endian bytes, the Avro datum.

Belongs here: adding and removing the five bytes. Does not belong here: what a datum says (`avro.py`) or
which id a schema has (`registry.py`).
"""

from media_analytics.errors import MediaAnalyticsError

HEADER_BYTES = 5


class FramingError(MediaAnalyticsError):
    """A message is not in the Confluent framing."""


def header(schema_id: int) -> bytes:
    """The five bytes in front of every datum written with the schema."""
    return b"\x00" + schema_id.to_bytes(4, "big")


def unframe(message: bytes) -> tuple[int, bytes]:
    """Schema id and datum of a message.

    Raises:
        FramingError: shorter than five bytes, or the first byte is not zero.
    """
    if len(message) < HEADER_BYTES:
        raise FramingError(f"message of {len(message)} bytes; expected at least {HEADER_BYTES}")
    if message[0] != 0:
        raise FramingError(f"first byte is 0x{message[0]:02x}; expected the magic byte 0x00")
    return int.from_bytes(message[1:HEADER_BYTES], "big"), message[HEADER_BYTES:]
