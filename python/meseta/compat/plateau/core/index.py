"""Indices: which partitions hold a value."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa

from .. import _files
from ..serialization._generic import (
    PredicatesType,
    check_predicates,
    filter_array_like,
    filter_df_from_predicates,
    filter_predicates_by_column,
)
from . import _time, naming
from ._mixins import CopyMixin
from .common_metadata import normalize_type
from .docs import default_docs
from .typing import StoreInput
from .urlencode import quote
from .utils import ensure_store

__all__ = ("ExplicitSecondaryIndex", "IndexBase", "PartitionIndex")

ValueType = TypeVar("ValueType")
IndexDictType = dict[ValueType, list[str]]

_logger = logging.getLogger(__name__)
_PARTITION_COLUMN_NAME = "partition"
_ROWS_PER_GROUP = 10_000


class IndexBase(CopyMixin):
    """A map from the values of a column to the labels of partitions.

    Parameters
    ----------
    column : str
    index_dct : dict, optional
        Value → labels.
    dtype : pyarrow.DataType, optional
        Type of the values; found out when it is not given.
    normalize_dtype : bool
        Widen type and values as schemas are.
    """

    def __init__(
        self,
        column: str,
        index_dct: IndexDictType[Any] | None = None,
        dtype: pa.DataType | None = None,
        normalize_dtype: bool = True,
    ) -> None:
        if column == _PARTITION_COLUMN_NAME:
            raise ValueError(f"Cannot create an index for column {column}: the name is taken by the index itself.")
        if dtype is None and index_dct:
            dtype = _index_dct_to_table(index_dct, column, None).schema.field(0).type
            if pa.types.is_timestamp(dtype):
                dtype = pa.timestamp("ns", tz=dtype.tz)
        if dtype is not None:
            if pa.types.is_nested(dtype):
                raise NotImplementedError("Indices w/ nested types are not supported")
            if pa.types.is_null(dtype):
                raise NotImplementedError("Indices w/ null/NA type are not supported")
            if normalize_dtype:
                dtype = normalize_type(dtype, None, None, None)[0]
        self.column = column
        self.dtype = dtype
        self.creation_time = _time.datetime_utcnow()
        self._index_dct_available = index_dct is not None
        self.index_dct: IndexDictType[Any] = {}
        if index_dct is not None:
            self.index_dct = self._normalized(index_dct) if normalize_dtype else index_dct

    def _normalized(self, index_dct: IndexDictType[Any]) -> IndexDictType[Any]:
        found: IndexDictType[Any] = {}
        collisions = 0
        for given, labels in index_dct.items():
            value = self.normalize_value(self.dtype, given)
            if value in found:
                found[value] += [label for label in labels if label not in found[value]]
                collisions += 1
            else:
                found[value] = list(labels)
        if collisions:
            _logger.warning(
                "Value normalization for index column %s resulted in %d collision(s). The affected lists of partitions were merged.",
                self.column,
                collisions,
            )
        return found

    def copy(self, **kwargs: Any) -> Any:
        """Return a copy with some attributes replaced; it counts as made now."""
        new = super().copy(**kwargs)
        new.creation_time = _time.datetime_utcnow()
        return new

    def _with(self, index_dct: IndexDictType[Any]) -> Any:
        new = self.copy(index_dct=index_dct)
        new._index_dct_available = True
        return new

    def __repr__(self) -> str:
        parts = (
            f"{name}={sorted(value) if isinstance(value, dict) else value}" for name, value in self.__dict__.items()
        )
        return f"{type(self).__name__}({', '.join(parts)})"

    @property
    def loaded(self) -> bool:
        """Whether the values are in memory."""
        return self._index_dct_available

    @staticmethod
    def normalize_value(dtype: pa.DataType | None, value: Any) -> Any:
        """Turn a value into the Python object by which the index knows it."""
        is_a = pa.types
        if dtype is None:
            raise ValueError("Cannot normalize index values as long as dtype is not set")
        if is_a.is_string(dtype) or is_a.is_large_string(dtype):
            return value.decode("utf-8") if isinstance(value, bytes) else str(value)
        if is_a.is_binary(dtype):
            return value if isinstance(value, bytes) else str(value).encode("utf-8")
        if is_a.is_date(dtype):
            return pd.Timestamp(value).date()
        if is_a.is_timestamp(dtype) or is_a.is_time(dtype) or is_a.is_duration(dtype):
            return pd.Timestamp(value).to_datetime64().astype("datetime64[ns]")
        if is_a.is_integer(dtype):
            return int(value)
        if is_a.is_floating(dtype):
            return float(value)
        if is_a.is_boolean(dtype):
            if not isinstance(value, str):
                return bool(value)
            if value.lower() not in ("true", "false"):
                raise ValueError(f'Cannot parse boolean value "{value}"')
            return value.lower() == "true"
        raise NotImplementedError(f"Cannot normalize index value for type {dtype}")

    def observed_values(
        self, date_as_object: bool = True, coerce_temporal_nanoseconds: bool = True
    ) -> np.ndarray[Any, Any]:
        """All values that are indexed."""
        keys = _safe_paarray(np.array(list(self.index_dct)), self.dtype)
        return np.array(
            keys.to_pandas(date_as_object=date_as_object, coerce_temporal_nanoseconds=coerce_temporal_nanoseconds)
        )

    def _values_as_array(self) -> np.ndarray[Any, Any]:
        if self.dtype is not None and not pa.types.is_date(self.dtype):
            try:
                return np.fromiter(self.index_dct, dtype=self.dtype.to_pandas_dtype())
            except ValueError:  # texts and bytes have no width of their own
                pass
        return np.array(list(self.index_dct))

    def eval_operator(self, op: str, value: Any) -> set[str]:
        """Labels of the partitions with a value for which ``x op value`` holds."""
        values = self._values_as_array()
        matching = filter_array_like(values, op, value, strict_date_types=True, column_name=self.column)
        return {label for found in values[matching] for label in self.index_dct[found]}

    def query(self, value: Any) -> list[str]:
        """Labels of the partitions with this value."""
        return self.index_dct.get(self.normalize_value(self.dtype, value), [])

    def to_dict(self) -> IndexDictType[Any]:
        """Return the map from values to labels."""
        return self.index_dct

    def update(self, index: IndexBase, inplace: bool = False) -> Any:
        """Unite with another index of the same column."""
        if not isinstance(index, IndexBase):
            raise TypeError(f"Need to input an index object, instead got `{type(index)}`")
        if None not in (self.dtype, index.dtype) and self.dtype != index.dtype:
            raise TypeError(
                f"Trying to update an index with different types. Expected `{self.dtype}` but got `{index.dtype}`"
            )
        if self.column != index.column:
            raise ValueError(
                f"Trying to update an index with the wrong column. Got `{index.column}` but expected `{self.column}`"
            )
        if not index.index_dct:
            return self
        united = self.index_dct if inplace else dict(self.index_dct)
        for value, labels in index.index_dct.items():
            united[value] = list(dict.fromkeys([*united.get(value, []), *labels]))
        return self._with(united)

    def remove_partitions(self, list_of_partitions: Iterable[str], inplace: bool = False) -> Any:
        """Forget partitions, and values that none is left of."""
        gone = set(list_of_partitions)
        if not gone:
            return self
        left = {value: [label for label in labels if label not in gone] for value, labels in self.index_dct.items()}
        return self._replaced({value: labels for value, labels in left.items() if labels}, inplace)

    def remove_values(self, list_of_values: Iterable[Any], inplace: bool = False) -> Any:
        """Forget values."""
        gone = {self.normalize_value(self.dtype, value) for value in list_of_values}
        if not gone:
            return self
        return self._replaced({value: labels for value, labels in self.index_dct.items() if value not in gone}, inplace)

    def _replaced(self, left: IndexDictType[Any], inplace: bool) -> Any:
        if inplace:
            self.index_dct.clear()
            self.index_dct.update(left)
            left = self.index_dct
        return self._with(left)

    def __eq__(self, other: Any) -> bool:
        if not isinstance(other, IndexBase) or self.column != other.column:
            return False
        if (self.dtype is None) != (other.dtype is None) or self.dtype != other.dtype:
            return False
        if self.index_dct.keys() != other.index_dct.keys():
            return False
        return all(set(labels) == set(other.index_dct[value]) for value, labels in self.index_dct.items())

    def __ne__(self, other: Any) -> bool:
        return not self == other

    __hash__ = None  # type: ignore[assignment]

    @default_docs
    def as_flat_series(
        self,
        compact: bool = False,
        partitions_as_index: bool = False,
        date_as_object: bool = False,
        predicates: PredicatesType = None,
    ) -> pd.Series:
        """Return the index as a series of labels by values, or of values by labels.

        Parameters
        ----------
        compact : bool
            One row for each value (or label), with a list.
        partitions_as_index : bool
            Values by labels.
        date_as_object : bool
            Dates as `datetime.date`.
        """
        check_predicates(predicates)
        table = _index_dct_to_table(self.index_dct, self.column, self.dtype)
        df = table.to_pandas(date_as_object=date_as_object, coerce_temporal_nanoseconds=True)
        own = [filter_predicates_by_column([conjunction], [self.column]) for conjunction in predicates or []]
        # A conjunction that says nothing of this column lets every value pass.
        if own and None not in own:
            df = filter_df_from_predicates(df, predicates=filter_predicates_by_column(predicates, [self.column]))
        if compact and not partitions_as_index:
            return df.set_index(self.column)[_PARTITION_COLUMN_NAME]
        df = self._exploded(df)
        if not partitions_as_index:
            return df.set_index(self.column)[_PARTITION_COLUMN_NAME]
        if not compact:
            return df.set_index(_PARTITION_COLUMN_NAME)[self.column]
        listed = df.groupby(df[_PARTITION_COLUMN_NAME], observed=True).apply(lambda rows: rows[self.column].tolist())
        listed.name = self.column
        return listed

    def _exploded(self, df: pd.DataFrame) -> pd.DataFrame:
        lists = df[_PARTITION_COLUMN_NAME].values
        labels = np.concatenate(lists) if len(df) else np.array([], dtype=lists.dtype)
        rows = np.repeat(np.arange(len(df)), [len(labels) for labels in lists])
        return pd.DataFrame({_PARTITION_COLUMN_NAME: labels, self.column: df[self.column].values[rows]})


class PartitionIndex(IndexBase):
    """The index that the keys of the data files are."""

    def __init__(
        self,
        column: str,
        index_dct: IndexDictType[Any] | None = None,
        dtype: pa.DataType | None = None,
        normalize_dtype: bool = True,
    ) -> None:
        if dtype is None:
            raise ValueError(f'PartitionIndex dtype of column "{column}" cannot be None!')
        super().__init__(column, index_dct, dtype, normalize_dtype)

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, PartitionIndex) and super().__eq__(other)

    __hash__ = None  # type: ignore[assignment]


class ExplicitSecondaryIndex(IndexBase):
    """An index with an object of its own, loaded when it is needed.

    Parameters
    ----------
    column, index_dct, dtype, normalize_dtype
        As of `IndexBase`.
    index_storage_key : str, optional
        Where it is stored; it must be given when `index_dct` is not.
    """

    def __init__(
        self,
        column: str,
        index_dct: IndexDictType[Any] | None = None,
        index_storage_key: str | None = None,
        dtype: pa.DataType | None = None,
        normalize_dtype: bool = True,
    ) -> None:
        if index_dct is None and not index_storage_key:
            raise ValueError("No valid index source specified")
        if not index_storage_key and not index_dct and dtype is None:
            raise ValueError("Trying to create non-typesafe index")
        self.index_storage_key = index_storage_key
        super().__init__(column, index_dct, dtype, normalize_dtype)

    def copy(self, **kwargs: Any) -> ExplicitSecondaryIndex:
        """Return a copy; one that was changed has not been stored yet."""
        if kwargs:
            kwargs.setdefault("index_storage_key", None)
        return super().copy(**kwargs)  # type: ignore[no-any-return]

    def unload(self) -> ExplicitSecondaryIndex:
        """Return the index without its values."""
        new = self.copy(index_dct={}, index_storage_key=self.index_storage_key)
        new._index_dct_available = False
        return new

    def __eq__(self, other: Any) -> bool:
        if not isinstance(other, ExplicitSecondaryIndex) or self.index_storage_key != other.index_storage_key:
            return False
        return super().__eq__(other)

    __hash__ = None  # type: ignore[assignment]

    @staticmethod
    def from_v2(column: str, dct_or_str: str | IndexDictType[Any]) -> ExplicitSecondaryIndex:
        """Read what the main document says of an index: its key, or the index itself."""
        if isinstance(dct_or_str, str):
            return ExplicitSecondaryIndex(column=column, index_storage_key=dct_or_str)
        return ExplicitSecondaryIndex(column=column, index_dct=dct_or_str)

    def load(self, store: StoreInput) -> ExplicitSecondaryIndex:
        """Load the values, unless they are there."""
        if self.loaded:
            return self
        table = _files.read_table(ensure_store(store).get(self.index_storage_key))
        index_dct, dtype = _table_to_index_dct(table, self.column)
        new = ExplicitSecondaryIndex(
            column=self.column,
            index_dct=index_dct,
            dtype=dtype,
            index_storage_key=self.index_storage_key,
            normalize_dtype=False,
        )
        new.creation_time = self.creation_time
        return new

    def store(self, store: StoreInput, dataset_uuid: str) -> str:
        """Store the index below its dataset and return its key; one that has not changed keeps its key."""
        key = self.index_storage_key
        if key is None or not dataset_uuid or dataset_uuid not in key:
            key = f"{dataset_uuid}/indices/{quote(self.column)}/{quote(self.creation_time.isoformat())}{naming.EXTERNAL_INDEX_SUFFIX}"
        table = _index_dct_to_table(self.index_dct, self.column, self.dtype)
        ensure_store(store).put(key, _files.table_to_bytes(table, row_group_rows=_ROWS_PER_GROUP))
        return key

    def __getstate__(self) -> Any:
        if not self.loaded:
            return self.column, self.index_storage_key, self.dtype, self.creation_time, None
        table = _index_dct_to_table(self.index_dct, self.column, self.dtype)
        return self.column, self.index_storage_key, self.dtype, self.creation_time, _files.table_to_bytes(table)

    def __setstate__(self, state: Any) -> None:
        self.column, self.index_storage_key, self.dtype, self.creation_time, stored = state
        self._index_dct_available = stored is not None
        self.index_dct = {}
        if stored is not None:
            self.index_dct, self.dtype = _table_to_index_dct(_files.read_table(stored), self.column)


# ---- many indices ----------------------------------------------------------------------------------------------------


def merge_indices(list_of_indices: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Unite maps from columns to indices, column by column."""
    merged: dict[str, Any] = {}
    for indices in list_of_indices:
        for column, index in indices.items():
            merged[column] = (
                merged[column].update(index, inplace=True)
                if column in merged
                else index.copy(index_dct={value: list(labels) for value, labels in index.index_dct.items()})
            )
    return merged


def remove_partitions_from_indices(index_dict: dict[str, Any], partitions: list[str]) -> dict[str, Any]:
    """Forget partitions in all indices."""
    return {column: index.remove_partitions(partitions, inplace=True) for column, index in index_dict.items()}


def filter_indices(index_dict: dict[str, Any], partitions: Iterable[str]) -> dict[str, Any]:
    """Keep only these partitions in all indices."""
    wanted = set(partitions)
    kept = {}
    for column, index in index_dict.items():
        left = {value: [label for label in labels if label in wanted] for value, labels in index.index_dct.items()}
        kept[column] = index._with({value: labels for value, labels in left.items() if labels})
    return kept


def _safe_paarray(arr: np.ndarray[Any, Any], dtype: pa.DataType | None) -> pa.Array:
    """numpy gives bytes and texts a width, and dates a unit, that Arrow would take at their word."""
    if arr.dtype.kind in "SU" or (dtype is not None and pa.types.is_binary(dtype)):
        return pa.array(arr.tolist(), type=dtype)
    return pa.array(arr, type=dtype)


def _keys_to_array(keys: Iterable[Any], dtype: pa.DataType | None) -> pa.Array:
    values = list(keys)
    if dtype is not None and pa.types.is_timestamp(dtype):
        # What carries a zone is kept as the same moment of UTC.
        moments = [pd.Timestamp(value) for value in values]
        moments = [m.tz_convert("UTC").tz_localize(None) if m.tzinfo is not None else m for m in moments]
        return pa.array(np.array(moments, dtype="datetime64[ns]"), type=pa.timestamp("ns")).cast(dtype)
    if dtype is None and values and isinstance(values[0], (np.generic, pd.Timestamp)):
        return (
            _safe_paarray(np.array(values), None)
            if isinstance(values[0], np.generic)
            else pa.array(values, type=pa.timestamp("ns"))
        )
    if (
        dtype is None
        and values
        and isinstance(values[0], int)
        and not isinstance(values[0], bool)
        and max(values) > np.iinfo(np.int64).max
    ):
        return pa.array(values, type=pa.uint64())
    return pa.array(values, type=dtype)


def _index_dct_to_table(index_dct: IndexDictType[Any], column: str, dtype: pa.DataType | None) -> pa.Table:
    labels = pa.array(list(index_dct.values()), type=pa.list_(pa.string()))
    schema_keys = _keys_to_array(index_dct.keys(), dtype)
    return pa.Table.from_arrays([schema_keys, labels], names=[column, _PARTITION_COLUMN_NAME])


def _table_to_index_dct(table: pa.Table, column: str) -> tuple[IndexDictType[Any], pa.DataType]:
    dtype = table.schema.field(column).type
    if dtype == pa.timestamp("us"):
        dtype = pa.timestamp("ns")
    keys = table.column(column)
    if pa.types.is_timestamp(dtype):
        values: list[Any] = list(keys.cast(pa.timestamp("ns", tz=dtype.tz)).to_numpy())
    else:
        values = keys.to_pylist()
    return dict(zip(values, table.column(_PARTITION_COLUMN_NAME).to_pylist(), strict=True)), dtype
