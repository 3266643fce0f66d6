"""Compression of bodies, both ways.

Belongs here: `Content-Encoding` and `Accept-Encoding` as ClickHouse understands them. Does not belong here: formats.
"""

import zlib
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import brotli
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


class _Brotli:
    content_encoding = "br"

    def __init__(self) -> None:
        self._stream = brotli.Compressor(quality=1)

    def encode(self, data: bytes) -> bytes:
        return bytes(self._stream.process(data))

    def finish(self) -> bytes:
        return bytes(self._stream.finish())


def encoder(accept_encoding: str, enabled: bool) -> Encoder:
    """The encoder for a request; the cheapest the client takes."""
    offered = {part.split(";")[0].strip().lower() for part in accept_encoding.split(",")}
    for name in ("lz4", "zstd", "br", "gzip", "deflate"):
        if enabled and name in offered:
            return _ENCODERS[name]()
    return Identity()


_ENCODERS: dict[str, Callable[[], Encoder]] = {
    "lz4": _Lz4,
    "zstd": _Zstd,
    "br": _Brotli,
    "gzip": lambda: _Zlib("gzip", 31),
    "deflate": lambda: _Zlib("deflate", 15),
}


class Decoder:
    """Decodes a request body piece by piece. Several frames one after the other are one body."""

    def __init__(self, encoding: str) -> None:
        name = encoding.strip().lower()
        if name not in _STREAMS:
            raise ClickHouseError(48, "NOT_IMPLEMENTED", f"Unknown Content-Encoding {encoding!r}.")
        self._name = name
        self._stream = _STREAMS[name]()
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
                self._is_begun = True
                yield from self._decode(data[at : at + _PIECE_BYTES])
        except (zlib.error, zstandard.ZstdError, brotli.error, RuntimeError, EOFError) as error:
            raise ClickHouseError(
                354, "CANNOT_DECOMPRESS", f"The body is not valid {self._name}: {error}."
            ) from None

    def finish(self) -> None:
        """Check that the body did not end inside a frame."""
        if self._stream is None or not self._is_begun:
            return
        is_whole = self._stream.is_finished() if self._name == "br" else self._stream.eof
        if not is_whole:
            raise ClickHouseError(354, "CANNOT_DECOMPRESS", f"The {self._name} body is cut off.")

    def _decode(self, data: bytes) -> Iterator[bytes]:
        if self._name == "br":
            yield self._stream.process(data, output_buffer_limit=_STEP_BYTES)
            while not self._stream.can_accept_more_data():
                yield self._stream.process(b"", output_buffer_limit=_STEP_BYTES)
            return
        while data:
            if self._stream.eof:
                self._stream = _STREAMS[self._name]()
            if self._name == "zstd":
                yield self._stream.decompress(data)
                data = self._stream.unused_data
            elif self._name == "lz4":
                yield self._stream.decompress(data, _STEP_BYTES)
                while not self._stream.needs_input and not self._stream.eof:
                    yield self._stream.decompress(b"", _STEP_BYTES)
                data = self._stream.unused_data or b""
            else:
                yield self._stream.decompress(data, _STEP_BYTES)
                data = self._stream.unconsumed_tail or self._stream.unused_data


_STREAMS: dict[str, Callable[[], Any]] = {
    "": lambda: None,
    "identity": lambda: None,
    "gzip": lambda: zlib.decompressobj(31),
    "x-gzip": lambda: zlib.decompressobj(31),
    "deflate": lambda: zlib.decompressobj(15),
    "zstd": lambda: zstandard.ZstdDecompressor().decompressobj(),
    "lz4": lz4.frame.LZ4FrameDecompressor,
    "br": brotli.Decompressor,
}
