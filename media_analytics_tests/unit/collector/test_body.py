"""Bodies within limits, whatever arrives."""

import gzip
import hashlib
import tracemalloc
from collections.abc import Mapping
from typing import Any

import pytest

from streaming.collector import body
from streaming.collector.answers import Rejection

LIMIT = 1024
JSON = {b"content-type": b"application/json"}
GZIP = JSON | {b"content-encoding": b"gzip"}


async def read(
    data: bytes, headers: Mapping[bytes, bytes] = JSON, piece: int = 100, limit: int = LIMIT
) -> bytes:
    pieces = [data[i : i + piece] for i in range(0, len(data), piece)] or [b""]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    received = await body.receive_all(receive, limit)
    return body.content(received, headers, limit, allow_text=False)


async def refusal(data: bytes, headers: Mapping[bytes, bytes] = JSON, **options: int) -> tuple[str, str]:
    with pytest.raises(Rejection) as caught:
        await read(data, headers, **options)
    return caught.value.code, caught.value.kind


async def test_plain_and_gzip_bodies_are_read() -> None:
    data = b"[" + b" " * (LIMIT - 2) + b"]"
    assert await read(data) == data
    assert await read(gzip.compress(data), GZIP) == data
    assert await read(gzip.compress(data[:500]) + gzip.compress(data[500:]), GZIP) == data


async def test_one_byte_too_many_is_too_large() -> None:
    assert await refusal(b"x" * (LIMIT + 1)) == ("body_too_large", "size")
    assert await refusal(gzip.compress(b"x" * (LIMIT + 1)), GZIP) == ("body_too_large", "size")


async def test_a_gzip_bomb_stops_at_the_limit() -> None:
    """Catches inflating everything first: the bomb has 100 MB inside."""
    bomb = gzip.compress(b"\x00" * 100_000_000, 9)
    tracemalloc.start()
    try:
        assert await refusal(bomb, GZIP, limit=1024 * 1024, piece=65_536) == ("body_too_large", "size")
        assert tracemalloc.get_traced_memory()[1] < 8 * 1024 * 1024
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "data", [b"not gzip", gzip.compress(b"{}" * 200, mtime=0)[:-9], gzip.compress(b"{}", mtime=0) + b"tail"]
)
async def test_broken_gzip_is_refused(data: bytes) -> None:
    assert await refusal(data, GZIP) == ("malformed_gzip", "shape")


@pytest.mark.parametrize("data", [b"", b" \r\n\t"])
async def test_empty_bodies_are_refused(data: bytes) -> None:
    assert await refusal(data) == ("empty_body", "shape")
    assert await refusal(gzip.compress(data), GZIP) == ("empty_body", "shape")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {b"content-type": b"text/plain"},
        {b"content-type": b"application/json; charset=latin-1"},
        JSON | {b"content-encoding": b"br"},
        JSON | {b"content-encoding": b"gzip, gzip"},
    ],
)
async def test_other_types_and_encodings_are_refused(headers: dict[bytes, bytes]) -> None:
    assert (await refusal(b"{}", headers))[1] == "type"


async def test_a_long_body_keeps_its_beginning_length_and_hash() -> None:
    data = bytes(range(256)) * 4096
    pieces = [data[i : i + 65_536] for i in range(0, len(data), 65_536)]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    received = await body.receive_all(receive, LIMIT)
    assert data.startswith(received.data)
    assert (received.length, received.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert len(received.data) == LIMIT + 1


async def test_plain_text_is_for_browsers() -> None:
    received = body.Received(b"{}", 2)
    headers = {b"content-type": b"text/plain;charset=UTF-8"}
    assert body.content(received, headers, LIMIT, allow_text=True) == b"{}"
    with pytest.raises(Rejection):
        body.content(received, headers, LIMIT, allow_text=False)


async def test_the_usual_spellings_of_the_type_are_accepted() -> None:
    for kind in (b"application/json; charset=utf-8", b'Application/JSON; charset="UTF-8"'):
        assert await read(b"{}", {b"content-type": kind}) == b"{}"


async def test_a_client_that_leaves_gets_no_answer() -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    with pytest.raises(body.ClientGoneError):
        await body.receive_all(receive, LIMIT)


def test_an_array_of_too_many_items_is_refused_without_holding_them() -> None:
    """Catches a list of half a million items that is built before it is counted."""
    data = b"[" + b"0," * 500_000 + b"0]"
    tracemalloc.start()
    try:
        with pytest.raises(Rejection) as caught:
            body.items(data, 1000)
        assert tracemalloc.get_traced_memory()[1] < 1024 * 1024
    finally:
        tracemalloc.stop()
    assert caught.value.code == "too_many_items"
    many_commas = b"[" + b",".join([b"[1,2]"] * 1000) + b"]"
    assert [bytes(i) for i in body.items(many_commas, 1000)] == [b"[1,2]"] * 1000


def test_items_of_an_object_and_of_an_array() -> None:
    assert [bytes(i) for i in body.items(b' {"a": 1} ', 10)] == [b'{"a": 1}']
    assert [bytes(i) for i in body.items(b' [{"a": 1}, 2] ', 10)] == [b'{"a": 1}', b"2"]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"{", "malformed_json"),
        (b'{"a":1}{"a":2}', "malformed_json"),
        (b"\x00", "malformed_json"),
        (b"[" * 100_000, "malformed_json"),
        (b'{"a":' * 100_000, "malformed_json"),
        (b"[]", "empty_batch"),
        (b"[1,2,3]", "too_many_items"),
    ],
)
def test_what_has_no_items_is_refused(data: bytes, code: str) -> None:
    with pytest.raises(Rejection) as caught:
        body.items(data, 2)
    assert caught.value.code == code
