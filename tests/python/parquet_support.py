"""Parquet for tests: the C writer and reader through their bridge, and a decoder of footers, page heads and indexes
that shares no code with them."""

from __future__ import annotations

import ctypes
import json
import os
import pathlib
import struct
import zlib
from typing import Any

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BRIDGE = pathlib.Path(
    os.environ.get("MESETA_PARQUET_BRIDGE", ROOT / "build" / "tests" / "parquet" / "libparquet_bridge.so")
)


def bridge() -> ctypes.CDLL:
    if not BRIDGE.exists():
        pytest.skip(f"{BRIDGE} is not built (make test-c)")
    return ctypes.CDLL(str(BRIDGE))


def write(data: Any, path: pathlib.Path, **options: Any) -> None:
    """An Arrow table to a file; options as tests/parquet/bridge.c names them."""
    stream = data.__arrow_c_stream__()
    api = ctypes.pythonapi.PyCapsule_GetPointer
    api.restype, api.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    message = ctypes.create_string_buffer(1000)
    failed = bridge().bridge_write(
        ctypes.c_void_p(api(stream, b"arrow_array_stream")), str(path).encode(), json.dumps(options).encode(), message
    )
    if failed:
        raise ValueError(message.value.decode())


def read(path: pathlib.Path, columns: list[str] | None = None) -> Any:
    """A file as a pyarrow table."""
    import pyarrow as pa

    stream = ctypes.create_string_buffer(40)
    message = ctypes.create_string_buffer(1000)
    names = (ctypes.c_char_p * len(columns))(*[c.encode() for c in columns]) if columns is not None else None
    if bridge().bridge_read(str(path).encode(), names, len(columns or ()), ctypes.byref(stream), message):
        raise ValueError(message.value.decode())
    return pa.RecordBatchReader._import_from_c(ctypes.addressof(stream)).read_all()


class Thrift:
    """The compact protocol: structs become dicts by field number."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data, self.at = data, at

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def number(self) -> int:
        v = self.varint()
        return v >> 1 ^ -(v & 1)

    def value(self, kind: int, element: bool = False) -> Any:
        if kind in (1, 2):
            if element:
                kind = self.data[self.at]
                self.at += 1
            return kind == 1
        if kind == 3:
            self.at += 1
            return struct.unpack_from("<b", self.data, self.at - 1)[0]
        if kind in (4, 5, 6):
            return self.number()
        if kind == 7:
            self.at += 8
            return struct.unpack_from("<d", self.data, self.at - 8)[0]
        if kind == 8:
            n = self.varint()
            self.at += n
            return self.data[self.at - n : self.at]
        if kind == 9:
            head = self.data[self.at]
            self.at += 1
            n = head >> 4 if head >> 4 != 15 else self.varint()
            return [self.value(head & 15, True) for _ in range(n)]
        assert kind == 12, kind
        return self.struct()

    def struct(self) -> dict[int, Any]:
        fields: dict[int, Any] = {}
        last = 0
        while True:
            head = self.data[self.at]
            self.at += 1
            if head == 0:
                return fields
            last = last + (head >> 4) if head >> 4 else self.number()
            fields[last] = self.value(head & 15)


def footer(data: bytes) -> dict[int, Any]:
    assert data[:4] == data[-4:] == b"PAR1"
    size = struct.unpack("<I", data[-8:-4])[0]
    thrift = Thrift(data, len(data) - 8 - size)
    found = thrift.struct()
    assert thrift.at == len(data) - 8
    return found


def pages(data: bytes, chunk: dict[int, Any]) -> list[tuple[int, int, dict[int, Any]]]:
    """(offset, size with header, header) of each page of a column chunk; CRCs are checked."""
    meta = chunk[3]
    at = meta.get(11, meta[9])
    end, found = at + meta[7], []
    while at < end:
        thrift = Thrift(data, at)
        head = thrift.struct()
        body = data[thrift.at : thrift.at + head[3]]
        if 4 in head:
            assert zlib.crc32(body) == head[4] & 0xFFFFFFFF
        found.append((at, thrift.at + head[3] - at, head))
        at = thrift.at + head[3]
    assert at == end
    return found
