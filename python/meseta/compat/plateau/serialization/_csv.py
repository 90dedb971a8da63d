"""Frames as CSV files, separated by semicolons."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from io import BytesIO
from typing import Any

import pandas as pd
import pyarrow as pa
from minimalkv import KeyValueStore

from ._generic import DataFrameSerializer, PredicatesType, check_predicates, filter_df, filter_df_from_predicates


class CsvSerializer(DataFrameSerializer):
    """CSV, which knows no types.

    Parameters
    ----------
    compress : bool
        With gzip.
    """

    def __init__(self, compress: bool = True) -> None:
        self.compress = compress

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, CsvSerializer) and self.compress == other.compress

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"CsvSerializer(compress={self.compress!r})"

    @staticmethod
    def restore_dataframe(  # type: ignore[override]
        store: KeyValueStore,
        key: str,
        filter_query: str | None = None,
        columns: Iterable[str] | None = None,
        predicate_pushdown_to_io: Any = None,
        categories: Iterable[str] | None = None,
        predicates: PredicatesType | None = None,
        date_as_object: Any = None,
        **kwargs: Any,
    ) -> pd.DataFrame:
        """Restore a frame; see `DataFrameSerializer.restore_dataframe`."""
        check_predicates(predicates)
        wanted = None if columns is None else list(columns)
        try:
            frame = pd.read_csv(
                BytesIO(store.get(key)),
                compression="gzip" if key.endswith(".gz") else None,
                sep=";",
                encoding="utf-8",
                usecols=wanted or None,
                dtype=dict.fromkeys(categories, "category") if categories else None,
            )
        except pd.errors.EmptyDataError:
            frame = pd.DataFrame()
        if wanted == []:
            frame = frame[[]]
        if frame.empty:
            frame.index = pd.RangeIndex(len(frame))
        return filter_df_from_predicates(frame, predicates) if predicates else filter_df(frame, filter_query)

    def store(self, store: KeyValueStore, key_prefix: str, df: Any) -> str:
        """Store a frame and return its key."""
        if isinstance(df, pa.Table):
            df = df.to_pandas(coerce_temporal_nanoseconds=True)
        data = df.to_csv(index=False, sep=";").encode("utf-8")
        key = f"{key_prefix}.csv"
        if self.compress:
            data, key = gzip.compress(data), key + ".gz"
        store.put(key, data)
        return key
