"""The five bytes in front of a datum."""

import pytest

from streaming.codecs.framing import FramingError, header, unframe


def test_framing_is_confluents() -> None:
    assert header(258) == b"\x00\x00\x00\x01\x02"
    assert unframe(header(258) + b"datum") == (258, b"datum")


@pytest.mark.parametrize("message", [b"", b"\x00\x00\x00\x01", b"\x01\x00\x00\x00\x01x", b'{"a":1}'])
def test_what_is_not_framed_is_refused(message: bytes) -> None:
    with pytest.raises(FramingError):
        unframe(message)
