"""A frame for tests of serialisers."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd

#: Bytes that are no text, or text in several encodings.
BINARY_COLUMNS = [
    b"\x01",
    b"1",
    b"2",
    b"3",
    "4".encode("utf-16"),
    "4".encode("utf-32"),
    bytes.fromhex("8fb6e54090dc11e8a0ae0242ac120106"),
    "🙈".encode(),
    "\x80".encode(),
]

_NUMBERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64")


def get_dataframe_not_nested(n: int) -> pd.DataFrame:
    """Return a frame of `n` distinct rows with a column of each plain type."""
    days = [datetime.datetime(2018, 1, i % 31 + 1) for i in range(1, n + 1)]
    binary = [*BINARY_COLUMNS, *(str(i).encode() for i in range(len(BINARY_COLUMNS), n))][:n]
    columns: dict[str, pd.Series] = {name: pd.Series(np.arange(n).astype(name)) for name in _NUMBERS}
    columns["bool"] = pd.Series([i < n // 2 for i in range(n)], dtype=bool)
    columns["date"] = pd.Series([day.date() for day in days], dtype=object)
    columns["datetime64"] = pd.Series(days, dtype="datetime64[ns]")
    columns["unicode"] = pd.Series([str(i) for i in range(n)], dtype=str)
    columns["null"] = pd.Series([None] * n, dtype=object)
    columns["bytes"] = pd.Series(binary, dtype=object)
    return pd.DataFrame(columns).sort_index(axis=1)
