"""Reads a request body within its limits.

Belongs here: content type, encodings, sizes, and the split of a body into items. Does not belong here: what
an item says. Memory is bounded by the limit whatever the client sends: gzip is inflated piece by piece and
stops at the limit.
"""

import hashlib
import zlib
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec

from streaming.collector.answers import Rejection
from streaming.collector.shape import malformed
from streaming.dead_letters.letters import KEPT_BYTES

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

# A client that sends too much still gets its answer: this much is read and thrown away, then the connection
# closes.
_DRAINED_BYTES = 64 * 1024 * 1024
_raw_list = msgspec.json.Decoder(list[msgspec.Raw])
_raw_item = msgspec.json.Decoder(msgspec.Raw)


class ClientGoneError(Exception):
    """The client closed the connection before its body was complete; nobody waits for an answer."""


@dataclass(frozen=True, slots=True)
class Received:
    """A body as it came. `data` is its beginning when `length` is more; then `sha256` is that of the whole."""

    data: bytes
    length: int
    sha256: str | None = None


async def receive_all(receive: Receive, limit: int) -> Received:
    """The body as the client sent it; of one longer than `limit` the first bytes that a dead letter keeps.

    Raises:
        ClientGoneError: the connection ended.
    """
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGoneError
    first = message.get("body", b"")
    if not message.get("more_body", False) and len(first) <= limit:
        return Received(first, len(first))
    data, total = bytearray(), 0
    digest = hashlib.sha256()
    while True:
        piece = message.get("body", b"")
        total += len(piece)
        digest.update(piece)
        data += piece[: max(0, limit + 1 - len(data))]
        if not message.get("more_body", False) or total > _DRAINED_BYTES:
            break
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
    if total <= limit:
        return Received(bytes(data), total)
    return Received(bytes(data[:KEPT_BYTES]), total, digest.hexdigest())


def content(received: Received, headers: Mapping[bytes, bytes], limit: int, *, allow_text: bool) -> bytes:
    """The JSON text of a body. `allow_text`: `text/plain`, which a browser sends without asking first, will do.

    Raises:
        Rejection: wrong type or encoding (415), too large (413), broken gzip or empty (400).
    """
    encoding = headers.get(b"content-encoding", b"identity").strip().lower()
    if problem := _type_problem(headers, encoding, allow_text=allow_text):
        raise problem
    if received.length > limit:
        raise _too_large(limit)
    data = _inflate(received.data, limit) if encoding in (b"gzip", b"x-gzip") else received.data
    if not data or data.isspace():
        raise Rejection("empty_body", "body", "the body is empty; expected a JSON object or array", "shape")
    return data


def items(body: bytes, limit: int) -> list[msgspec.Raw]:
    """The items of a body: one JSON object or an array, not yet looked into.

    Raises:
        Rejection: not JSON, neither object nor array, an empty array, or more than `limit` items.
    """
    try:
        if body.lstrip()[:1] != b"[":
            return [_raw_item.decode(body)]
        # With as many commas there may be too many items: half a million numbers would take 50 MB as a list.
        found = _few(body, limit) if body.count(b",") >= limit else _raw_list.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise malformed(error) from None
    check_count(len(found), limit)
    return found


def _few(body: bytes, limit: int) -> list[msgspec.Raw]:
    """The items of an array that may have too many; no more than `limit` are ever held."""
    try:
        found = msgspec.structs.astuple(_array_of(limit).decode(body))
    except msgspec.ValidationError:
        raise _too_many(f"more than {limit}", limit) from None
    return [raw for raw in found if bytes(raw)]


@cache
def _array_of(limit: int) -> "msgspec.json.Decoder[Any]":
    """A decoder of an array with at most `limit` items: the decoder itself stops at one more."""
    fields = [(f"item_{number}", msgspec.Raw, msgspec.Raw()) for number in range(limit)]
    return msgspec.json.Decoder(
        msgspec.defstruct("FewItems", fields, array_like=True, forbid_unknown_fields=True)
    )


def _too_many(count: str, limit: int) -> Rejection:
    return Rejection("too_many_items", "body", f"{count} items; at most {limit} are allowed", "size")


def check_count(count: int, limit: int) -> None:
    """Go on only with one to `limit` items.

    Raises:
        Rejection: `empty_batch` or `too_many_items`.
    """
    if not count:
        raise Rejection("empty_batch", "body", "the array is empty; expected at least one item", "shape")
    if count > limit:
        raise _too_many(str(count), limit)


def _type_problem(headers: Mapping[bytes, bytes], encoding: bytes, *, allow_text: bool) -> Rejection | None:
    given = headers.get(b"content-type", b"")
    if given == b"application/json" and encoding == b"identity":
        return None
    kind, _, parameters = given.partition(b";")
    charset = parameters.lower().replace(b" ", b"").replace(b'"', b"")
    kinds = (b"application/json", b"text/plain") if allow_text else (b"application/json",)
    if kind.strip().lower() not in kinds or (
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
