"""Rows brought together by partition keys and hash buckets before they are stored."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from ...io_components.metapartition import MetaPartition, parse_input_to_metapartition
from ...io_components.write import _KTK_HASH_BUCKET, write_partition
from .compression import pack_payload, unpack_payload_pandas


def _hash_bucket(df: pd.DataFrame, subset: Sequence[str] | None, num_buckets: int) -> pd.DataFrame:
    """Add the bucket of each row, as the narrowest type that holds all."""
    hashes = pd.util.hash_pandas_object(df[list(subset)] if subset else df, index=False)
    width = next(bits for bits in (8, 16, 32, 64) if bits > math.log2(num_buckets))
    return df.assign(**{_KTK_HASH_BUCKET: (hashes % num_buckets).astype(f"uint{width}")})


def shuffle_store_dask_partitions(
    ddf: Any, num_buckets: int | None, bucket_by: Sequence[str] | None, **writing: Any
) -> Any:
    """Shuffle a dask frame and store its rows; gives a series of partitions.

    Parameters
    ----------
    ddf : dask.dataframe.DataFrame
    num_buckets : int
    bucket_by : sequence of str, optional
    **writing
        Arguments of `write_partition`.
    """
    if ddf.npartitions == 0:
        return ddf
    if num_buckets is None:
        raise ValueError("``num_buckets`` must not be None when shuffling data.")
    keys = [*writing["partition_on"], _KTK_HASH_BUCKET]
    meta = ddf._meta.assign(**{_KTK_HASH_BUCKET: np.uint64(0)})
    hashed = ddf.map_partitions(_hash_bucket, bucket_by, num_buckets, meta=meta)
    shuffled = pack_payload(hashed, group_key=keys).shuffle(on=keys)
    return shuffled.map_partitions(
        partial(_unpack_store_partition, unpacked_meta=hashed._meta, **writing), meta=("MetaPartition", "object")
    )


def _unpack_store_partition(df: pd.DataFrame, unpacked_meta: pd.DataFrame, **writing: Any) -> MetaPartition:
    rows = unpack_payload_pandas(df, unpacked_meta)
    if _KTK_HASH_BUCKET not in rows:
        return write_partition(partition_df=rows, **writing)
    stored = [
        write_partition(partition_df=bucket, **writing) for _, bucket in rows.groupby(_KTK_HASH_BUCKET, observed=True)
    ]
    return parse_input_to_metapartition(stored)
