"""Compression of bodies, both ways.

Belongs here: `Content-Encoding` and `Accept-Encoding` as ClickHouse understands them. Does not belong here: formats.
"""

import zlib
from collections.abc import Iterator
from typing import Any, Protocol

import lz4.frame
import zstandard

from media_analytics.local.gateway.errors import ClickHouseError

# What one step of decoding may give back, so that a small body cannot become a large allocation.
_STEP_BYTES = 4 * 1024 * 1024
_PIECE_BYTES = 16 * 1024


class Encoder(Protocol):
    """Turns an answer into its encoded form, piece by piece."""

    content_encoding: str

    def encode(self, data: bytes) -> bytes:
        """The encoded bytes ready so far."""

    def finish(self) -> bytes:
        """The rest."""


class Identity:
    """No compression."""

    content_encoding = ""

    def encode(self, data: bytes) -> bytes:
        """The bytes as they are."""
        return data

    def finish(self) -> bytes:
        """Nothing."""
        return b""


class _Zlib:
    def __init__(self, name: str, window_bits: int) -> None:
        self.content_encoding = name
        self._stream = zlib.compressobj(3, zlib.DEFLATED, window_bits)

    def encode(self, data: bytes) -> bytes:
        return self._stream.compress(data)

    def finish(self) -> bytes:
        return self._stream.flush()


class _Zstd:
    content_encoding = "zstd"

    def __init__(self) -> None:
        self._stream = zstandard.ZstdCompressor(level=1).compressobj()

    def encode(self, data: bytes) -> bytes:
        return self._stream.compress(data)

    def finish(self) -> bytes:
        return self._stream.flush()


class _Lz4:
    content_encoding = "lz4"

    def __init__(self) -> None:
        self._stream = lz4.frame.LZ4FrameCompressor()
        self._begun = False

    def encode(self, data: bytes) -> bytes:
        head = b"" if self._begun else self._stream.begin()
        self._begun = True
        return bytes(head + self._stream.compress(data))

    def finish(self) -> bytes:
        head = b"" if self._begun else self._stream.begin()
        self._begun = True
        return bytes(head + self._stream.flush())


def encoder(accept_encoding: str, enabled: bool) -> Encoder:
    """The encoder for a request; the cheapest the client takes."""
    offered = {part.split(";")[0].strip().lower() for part in accept_encoding.split(",")}
    if not enabled:
        return Identity()
    if "lz4" in offered:
        return _Lz4()
    if "zstd" in offered:
        return _Zstd()
    if "gzip" in offered:
        return _Zlib("gzip", 31)
    if "deflate" in offered:
        return _Zlib("deflate", 15)
    return Identity()


class Decoder:
    """Decodes a request body piece by piece. Several frames one after the other are one body."""

    def __init__(self, encoding: str) -> None:
        name = encoding.strip().lower()
        if name not in ("", "identity", "gzip", "x-gzip", "deflate", "zstd", "lz4"):
            raise ClickHouseError(48, "NOT_IMPLEMENTED", f"Unknown Content-Encoding {encoding!r}.")
        self._name = name
        self._stream = self._new()
        self._is_begun = False

    def decode(self, data: bytes) -> Iterator[bytes]:
        """The decoded pieces of `data`.

        Raises:
            ClickHouseError: 354, the bytes are not in the encoding that the header names.
        """
        if self._stream is None:
            yield data
            return
        try:
            for at in range(0, len(data), _PIECE_BYTES):
                yield from self._piece(data[at : at + _PIECE_BYTES])
        except (zlib.error, zstandard.ZstdError, RuntimeError, EOFError) as error:
            raise ClickHouseError(
                354, "CANNOT_DECOMPRESS", f"The body is not valid {self._name}: {error}."
            ) from None

    def finish(self) -> None:
        """Check that the body did not end inside a frame."""
        if self._stream is not None and self._is_begun and not self._stream.eof:
            raise ClickHouseError(354, "CANNOT_DECOMPRESS", f"The {self._name} body is cut off.")

    def _piece(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._stream.eof:
                self._stream = self._new()
            self._is_begun = True
            if self._name == "zstd":
                out, rest = self._stream.decompress(data), b""
            elif self._name == "lz4":
                out, rest = self._stream.decompress(data, _STEP_BYTES), b""
                while not self._stream.needs_input and not self._stream.eof:
                    yield out
                    out = self._stream.decompress(b"", _STEP_BYTES)
            else:
                out = self._stream.decompress(data, _STEP_BYTES)
                rest = self._stream.unconsumed_tail
            yield out
            data = rest or (self._stream.unused_data or b"" if self._stream.eof else b"")

    def _new(self) -> Any:
        if self._name in ("gzip", "x-gzip"):
            return zlib.decompressobj(31)
        if self._name == "deflate":
            return zlib.decompressobj(47)
        if self._name == "zstd":
            return zstandard.ZstdDecompressor().decompressobj()
        if self._name == "lz4":
            return lz4.frame.LZ4FrameDecompressor()
        return None
