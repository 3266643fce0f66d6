"""Reads a request body within its limits.

Belongs here: content type, encodings, sizes, and the split of a body into items. Does not belong here: what
an item says. Memory is bounded by the limit whatever the client sends: gzip is inflated piece by piece and
stops at the limit.
"""

import zlib
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

import msgspec

from streaming.collector.answers import Rejection
from streaming.collector.shape import malformed

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

# A client that sends too much still gets its answer: this much is read and thrown away, then the connection
# closes.
_DRAINED_BYTES = 64 * 1024 * 1024
_raw_list = msgspec.json.Decoder(list[msgspec.Raw])
_raw_item = msgspec.json.Decoder(msgspec.Raw)


class ClientGoneError(Exception):
    """The client closed the connection before its body was complete; nobody waits for an answer."""


async def read(receive: Receive, headers: Mapping[bytes, bytes], limit: int) -> bytes:
    """The body after decompression.

    Raises:
        Rejection: wrong type or encoding (415), too large (413), broken gzip or empty (400).
        ClientGoneError: the connection ended.
    """
    encoding = headers.get(b"content-encoding", b"identity").strip().lower()
    problem = _type_problem(headers, encoding)
    data = bytearray()
    total = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        piece = message.get("body", b"")
        total += len(piece)
        if problem is None and total > limit:
            problem = _too_large(limit)
            data.clear()
        if problem is None:
            data += piece
        if not message.get("more_body", False) or total > _DRAINED_BYTES:
            break
    if problem is not None:
        raise problem
    body = _inflate(bytes(data), limit) if encoding in (b"gzip", b"x-gzip") else bytes(data)
    if not body.strip():
        raise Rejection("empty_body", "body", "the body is empty; expected a JSON object or array", "shape")
    return body


def items(body: bytes, limit: int) -> list[msgspec.Raw]:
    """The items of a body: one JSON object or an array, not yet looked into.

    Raises:
        Rejection: not JSON, neither object nor array, an empty array, or more than `limit` items.
    """
    try:
        found = _raw_list.decode(body) if body.lstrip()[:1] == b"[" else [_raw_item.decode(body)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise malformed(error) from None
    if not found:
        raise Rejection("empty_batch", "body", "the array is empty; expected at least one item", "shape")
    if len(found) > limit:
        raise Rejection("too_many_items", "body", f"{len(found)} items; at most {limit} are allowed", "size")
    return found


def _type_problem(headers: Mapping[bytes, bytes], encoding: bytes) -> Rejection | None:
    given = headers.get(b"content-type", b"")
    kind, _, parameters = given.partition(b";")
    charset = parameters.lower().replace(b" ", b"").replace(b'"', b"")
    if kind.strip().lower() != b"application/json" or (
        charset.startswith(b"charset=") and charset not in (b"charset=utf-8", b"charset=utf8")
    ):
        name = given.decode("latin-1")[:100]
        return Rejection(
            "unsupported_type",
            "Content-Type",
            f"Content-Type is {name!r}; expected application/json in UTF-8",
            "type",
        )
    if encoding not in (b"", b"identity", b"gzip", b"x-gzip"):
        name = encoding.decode("latin-1")[:100]
        return Rejection(
            "unsupported_encoding",
            "Content-Encoding",
            f"Content-Encoding is {name!r}; expected gzip or none",
            "type",
        )
    return None


def _too_large(limit: int) -> Rejection:
    return Rejection(
        "body_too_large", "body", f"the body has more than {limit} bytes; send smaller batches", "size"
    )


def _inflate(data: bytes, limit: int) -> bytes:
    out = bytearray()
    while data:
        engine = zlib.decompressobj(wbits=31)
        try:
            # One byte more than allowed is enough to know.
            out += engine.decompress(data, limit + 1 - len(out))
        except zlib.error as error:
            raise Rejection("malformed_gzip", "body", f"the body is not gzip: {error}", "shape") from None
        if len(out) > limit:
            raise _too_large(limit)
        if not engine.eof:
            raise Rejection("malformed_gzip", "body", "the gzip stream is cut off", "shape")
        data = engine.unused_data
    return bytes(out)
