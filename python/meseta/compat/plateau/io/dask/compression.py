"""Frames packed for a shuffle: the rows of a group as one compressed value."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

import dask
import dask.dataframe as dd
import pandas as pd

try:
    from distributed.protocol import deserialize_bytes, serialize_bytes

    HAS_DISTRIBUTED = True
except ImportError:
    HAS_DISTRIBUTED = False
    serialize_bytes = deserialize_bytes = None

__all__ = ("pack_payload", "pack_payload_pandas", "unpack_payload", "unpack_payload_pandas")

_logger = logging.getLogger()
_PAYLOAD_COL = "__ktk_shuffle_payload"
#: Indices of these types do not survive packing.
_UNFIT = ("float64", "datetime64[ns]")


def _cannot() -> bool:
    if not HAS_DISTRIBUTED:
        _logger.warning("Shuffle payload columns cannot be compressed since distributed is not installed.")
    return not HAS_DISTRIBUTED


def pack_payload_pandas(partition: pd.DataFrame, group_key: list[str]) -> pd.DataFrame:
    """Pack each group's rows into one."""
    if _cannot():
        return partition
    if partition.empty:
        return partition[group_key].assign(**{_PAYLOAD_COL: b""})
    packed = partition.groupby(group_key, sort=False, observed=True, as_index=True).apply(
        lambda rows: pd.Series({_PAYLOAD_COL: serialize_bytes(rows)})
    )
    return packed.reset_index()


def unpack_payload_pandas(partition: pd.DataFrame, unpack_meta: pd.DataFrame) -> pd.DataFrame:
    """Undo `pack_payload_pandas`."""
    if _cannot():
        return partition
    if partition.empty:
        return unpack_meta.iloc[:0]
    # Columns that rows were grouped by are not in what was packed.
    keys = [column for column in partition.columns if column != _PAYLOAD_COL]
    frames = []
    for row in partition.to_dict("records"):
        rows = deserialize_bytes(row[_PAYLOAD_COL])
        frames.append(rows.assign(**{key: row[key] for key in keys if key not in rows.columns}))
    united = pd.concat(frames, ignore_index=True)
    if not keys:
        return united
    types = {key: partition[key].dtype for key in keys if united[key].dtype != partition[key].dtype}
    return united.astype(types)[list(unpack_meta.columns)]


def pack_payload(df: Any, group_key: list[str] | str) -> Any:
    """Pack each group's rows of each of a dask frame's partitions into one."""
    if df._meta.index.dtype in _UNFIT or _cannot():
        return df
    keys = group_key if isinstance(group_key, list) else [group_key]
    meta = df._meta[keys].assign(**{_PAYLOAD_COL: b""})
    with dask.config.set({"dataframe.convert-string": False}):
        return df.map_partitions(partial(pack_payload_pandas, group_key=keys), meta=meta)


def unpack_payload(df: Any, unpack_meta: pd.DataFrame) -> dd.DataFrame:
    """Undo `pack_payload`."""
    if df._meta.index.dtype in _UNFIT or _cannot():
        return df
    with dask.config.set({"dataframe.convert-string": False}):
        return df.map_partitions(unpack_payload_pandas, unpack_meta=unpack_meta, meta=unpack_meta)
