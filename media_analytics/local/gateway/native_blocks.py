"""ClickHouse's own compressed blocks: `compress=1` for answers, `decompress=1` for bodies.

A block is 16 bytes of checksum (CityHash128 of the rest), one byte of method, the size with this header, the size
before compression (both four bytes, little endian), and the data. Belongs here: that format. Does not belong here:
HTTP's encodings (`compression.py`).
"""

import struct
from collections.abc import Iterator

import lz4.block
import zstandard
from clickhouse_cityhash.cityhash import CityHash128

from media_analytics.local.gateway.errors import ClickHouseError

_NONE, _LZ4, _ZSTD = 0x02, 0x82, 0x90
_HEADER = struct.Struct("<BII")
_CHECKSUM_BYTES = 16
_BLOCK_BYTES = 1024 * 1024
# A block that claims more than this is refused before anything is allocated for it.
_LARGEST_BLOCK_BYTES = 128 * 1024 * 1024


class BlockEncoder:
    """Compresses an answer with LZ4, in blocks of a megabyte."""

    content_encoding = ""

    def encode(self, data: bytes) -> bytes:
        """The blocks of `data`."""
        return b"".join(_block(data[at : at + _BLOCK_BYTES]) for at in range(0, len(data), _BLOCK_BYTES))

    def finish(self) -> bytes:
        """Nothing: a block is whole."""
        return b""


class BlockDecoder:
    """Decodes blocks that come in pieces."""

    def __init__(self) -> None:
        self._held = bytearray()

    def decode(self, data: bytes) -> Iterator[bytes]:
        """The data of the blocks that are complete.

        Raises:
            ClickHouseError: 40 for a wrong checksum, 354 for bytes that are no block.
        """
        self._held += data
        while len(self._held) >= _CHECKSUM_BYTES + _HEADER.size:
            method, size, plain_size = _HEADER.unpack_from(self._held, _CHECKSUM_BYTES)
            if size < _HEADER.size or max(size, plain_size) > _LARGEST_BLOCK_BYTES:
                raise ClickHouseError(
                    354, "CANNOT_DECOMPRESS", f"A compressed block of {size} bytes is not possible."
                )
            end = _CHECKSUM_BYTES + size
            if len(self._held) < end:
                return
            block = bytes(self._held[:end])
            del self._held[:end]
            yield _plain(block, method, plain_size)

    def finish(self) -> None:
        """Check that the body did not end inside a block."""
        if self._held:
            raise ClickHouseError(354, "CANNOT_DECOMPRESS", "The compressed body is cut off.")


def _block(data: bytes) -> bytes:
    packed: bytes = lz4.block.compress(data, store_size=False)
    rest = _HEADER.pack(_LZ4, len(packed) + _HEADER.size, len(data)) + packed
    return _checksum(rest) + rest


def _plain(block: bytes, method: int, plain_size: int) -> bytes:
    if _checksum(block[_CHECKSUM_BYTES:]) != block[:_CHECKSUM_BYTES]:
        raise ClickHouseError(40, "CHECKSUM_DOESNT_MATCH", "Checksum doesn't match: corrupted data.")
    packed = block[_CHECKSUM_BYTES + _HEADER.size :]
    try:
        if method == _LZ4:
            return bytes(lz4.block.decompress(packed, uncompressed_size=plain_size))
        if method == _ZSTD:
            return bytes(zstandard.ZstdDecompressor().decompress(packed, max_output_size=plain_size))
    except (lz4.block.LZ4BlockError, zstandard.ZstdError) as error:
        raise ClickHouseError(
            354, "CANNOT_DECOMPRESS", f"A compressed block cannot be read: {error}."
        ) from None
    if method == _NONE:
        return bytes(packed)
    raise ClickHouseError(432, "UNKNOWN_CODEC", f"Unknown compression method {method}.")


def _checksum(data: bytes) -> bytes:
    value: int = CityHash128(data)
    return struct.pack("<QQ", value >> 64, value & 0xFFFFFFFFFFFFFFFF)
