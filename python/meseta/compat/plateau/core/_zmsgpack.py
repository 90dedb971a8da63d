"""msgpack inside one zstd frame."""

from __future__ import annotations

from typing import Any

import msgpack
import zstandard


def packb(obj: Any) -> bytes:
    """Pack and compress."""
    return zstandard.ZstdCompressor().compress(msgpack.packb(obj))


def unpackb(bts: bytes) -> Any:
    """Decompress and unpack."""
    return msgpack.unpackb(zstandard.ZstdDecompressor().decompress(bts))
