"""Frames as Parquet files."""

from __future__ import annotations

import datetime
import logging
import math
import time
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import simplejson
from minimalkv import KeyValueStore

from .. import _files
from ._generic import (
    ConjunctionType,
    DataFrameSerializer,
    PredicatesType,
    check_predicates,
    filter_df,
    filter_df_from_predicates,
)
from ._util import ensure_unicode_string_type, schema_metadata_bytes_to_object

_logger = logging.getLogger(__name__)

MAX_NB_RETRIES = 6
BACKOFF_TIME = 0.01
PARQUET_VERSION = _files.PARQUET_VERSION
_SIGNIFICANT_DIGITS = 6


class ParquetReadError(IOError):
    """A file could not be read, however often it was tried."""


class ParquetSerializer(DataFrameSerializer):
    """Parquet, which keeps types.

    Parameters
    ----------
    compression : str
        ``NONE SNAPPY GZIP BROTLI ZSTD LZ4``.
    chunk_size : int, optional
        Rows of a row group.
    """

    type_stable = True

    def __init__(self, compression: str = "SNAPPY", chunk_size: int | None = None) -> None:
        if chunk_size is not None and not isinstance(chunk_size, int):
            raise TypeError("Cannot initialize ParquetSerializer because chunk size is not integer type")
        if chunk_size is not None and chunk_size < 1:
            raise ValueError("Cannot initialize ParquetSerializer because chunk size < 1")
        self.compression = compression
        self.chunk_size = chunk_size

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, ParquetSerializer) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"ParquetSerializer(compression={self.compression!r}, chunk_size={self.chunk_size!r})"

    @classmethod
    def restore_dataframe(
        cls,
        store: KeyValueStore,
        key: str,
        filter_query: str | None = None,
        columns: Iterable[str] | None = None,
        predicate_pushdown_to_io: bool = True,
        categories: Iterable[str] | None = None,
        predicates: PredicatesType | None = None,
        date_as_object: bool = False,
    ) -> pd.DataFrame:
        """Restore a frame, trying again after errors of reading; see `DataFrameSerializer.restore_dataframe`."""
        asked: dict[str, Any] = {
            "key": key,
            "filter_query": filter_query,
            "columns": columns,
            "predicate_pushdown_to_io": predicate_pushdown_to_io,
            "categories": categories,
            "predicates": predicates,
            "date_as_object": date_as_object,
        }
        said = ", ".join(f"{name}: {value}" for name, value in asked.items())
        for attempt in range(1, MAX_NB_RETRIES + 1):
            try:
                return cls._restore_dataframe(store=store, **asked)
            except OSError as error:
                _logger.warning(
                    "Failed to restore dataframe, attempt %d of %d: %s", attempt, MAX_NB_RETRIES, said, exc_info=True
                )
                if attempt == MAX_NB_RETRIES:
                    raise ParquetReadError(
                        f"Failed to restore dataframe after {MAX_NB_RETRIES} attempts: {said}"
                    ) from error
                time.sleep(BACKOFF_TIME * 2 ** (attempt - 1))
        raise AssertionError("unreachable")

    @staticmethod
    def _restore_dataframe(
        store: KeyValueStore,
        key: str,
        filter_query: str | None = None,
        columns: Iterable[str] | None = None,
        predicate_pushdown_to_io: bool = True,
        categories: Iterable[str] | None = None,
        predicates: PredicatesType | None = None,
        date_as_object: bool = False,
    ) -> pd.DataFrame:
        check_predicates(predicates)
        wanted = None if columns is None else list(columns)
        whole = not predicate_pushdown_to_io or (wanted is None and predicates is None)
        with _files.open_file(store, key, whole=whole) as file:
            _refuse_unknown(wanted, file.schema)
            if whole:
                table = file.read()
            elif predicates:
                pruning = _normalize_predicates(file, predicates)
                predicates = pruning
                table = _read_accepted(file, _columns_for_pushdown(wanted, predicates), pruning)
            elif wanted == []:
                # A table without columns has no rows.
                return _empty_frame(file.schema).reindex(pd.RangeIndex(file.num_rows))[[]]
            else:
                table = file.read(wanted)
        table = _reset_dictionary_columns(table, exclude=categories)
        table = table.cast(schema_metadata_bytes_to_object(table.schema))
        frame = table.to_pandas(date_as_object=date_as_object, coerce_temporal_nanoseconds=True)
        for name in categories or ():
            if name in frame:
                frame[name] = frame[name].astype("category")
        frame.columns = frame.columns.map(ensure_unicode_string_type)
        if predicates is not None:
            frame = filter_df_from_predicates(frame, predicates, strict_date_types=date_as_object)
        else:
            frame = filter_df(frame, filter_query)
        return frame if wanted is None else frame.reindex(columns=wanted)

    def store(self, store: KeyValueStore, key_prefix: str, df: Any) -> str:
        """Store a frame or an Arrow table and return its key."""
        key = f"{key_prefix}.parquet"
        table = df if isinstance(df, pa.Table) else pa.Table.from_pandas(df)
        store.put(key, _files.table_to_bytes(table, self.chunk_size, self.compression, coerce_timestamps=True))
        return key


def _empty_frame(schema: pa.Schema) -> pd.DataFrame:
    frame = schema.empty_table().to_pandas()
    frame.columns = frame.columns.map(ensure_unicode_string_type)
    return frame


def _refuse_unknown(wanted: list[str] | None, schema: pa.Schema) -> None:
    missing = set(wanted or []) - set(schema.names)
    if missing:
        raise ValueError(f"Columns cannot be found in stored dataframe: {', '.join(sorted(missing))}")


def _reset_dictionary_columns(table: pa.Table, exclude: Iterable[str] | None = None) -> pa.Table:
    """Decode dictionaries, but those of columns that are loaded as categories."""
    kept = set(exclude or ())
    schema = table.schema
    for i, field in enumerate(schema):
        if pa.types.is_dictionary(field.type) and field.name not in kept:
            schema = schema.set(i, pa.field(field.name, field.type.value_type, field.nullable, field.metadata))
    described = schema.pandas_metadata
    metadata = None if described is None else {b"pandas": simplejson.dumps(described, sort_keys=True).encode()}
    return table.cast(schema.with_metadata(metadata))


# ---- row groups ------------------------------------------------------------------------------------------------------


def _columns_for_pushdown(columns: list[str] | None, predicates: list[ConjunctionType]) -> list[str] | None:
    if columns is None:
        return None
    return list(
        dict.fromkeys(
            [*columns, *(ensure_unicode_string_type(c) for conjunction in predicates for c, _, _ in conjunction)]
        )
    )


def _read_accepted(file: Any, columns: list[str] | None, predicates: list[ConjunctionType]) -> pa.Table:
    """The row groups that may hold a match."""

    def accepts(i: int) -> bool:
        group = file.row_group(i)
        return any(
            all(_predicate_accepts(clause, group, file.schema, file) for clause in conjunction)
            for conjunction in predicates
        )

    tables = [file.read_row_group(i, columns) for i in range(file.num_row_groups) if accepts(i)]
    return pa.concat_tables(tables) if tables else file.schema.empty_table()


def _normalize_predicates(file: Any, predicates: list[ConjunctionType]) -> list[ConjunctionType]:
    """Values in the columns' types. A column of nothing but nulls matches no clause."""
    found = []
    for conjunction in predicates:
        clauses: ConjunctionType | None = []
        for name, op, value in conjunction:
            at = file.column_name_idx(ensure_unicode_string_type(name))
            if at < 0:
                raise KeyError(ensure_unicode_string_type(name))
            field = file.schema.field(at)
            if pa.types.is_null(field.type):
                clauses = None
                break
            many = op in ("in", "not in")
            assert clauses is not None
            typed = (
                [_normalize_value(v, field.type, field.name) for v in value]
                if many
                else _normalize_value(value, field.type, field.name)
            )
            clauses.append((name, op, typed))
        if clauses is not None:
            found.append(clauses)
    return found


def _normalize_value(value: Any, pa_type: pa.DataType, column_name: str | None = None) -> Any:
    """A value in the column's type.

    Raises
    ------
    TypeError
        Where the types do not fit.
    """
    is_a, is_pd = pa.types, pd.api.types
    if is_a.is_dictionary(pa_type):
        pa_type = pa_type.value_type
    if is_a.is_string(pa_type) or is_a.is_large_string(pa_type):
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, bytes):
            return value.decode("utf-8")
    elif is_a.is_binary(pa_type) or is_a.is_large_binary(pa_type):
        if isinstance(value, (bytes, str)):
            return value if isinstance(value, bytes) else value.encode("utf-8")
    elif is_a.is_date(pa_type):
        return _normalize_date(value, pa_type, column_name)
    elif is_a.is_timestamp(pa_type):
        if isinstance(value, (np.datetime64, datetime.datetime)) or (
            not isinstance(value, (bytes, str)) and is_pd.is_datetime64_dtype(value)
        ):
            return value
    elif (
        (is_a.is_integer(pa_type) and is_pd.is_integer(value))
        or (is_a.is_floating(pa_type) and is_pd.is_float(value))
        or (is_a.is_boolean(pa_type) and is_pd.is_bool(value))
    ):
        return value
    raise TypeError(
        f"Unexpected type for predicate: Column {column_name!r} has pandas type {pa_type.to_pandas_dtype()} (Arrow type {pa_type}), "
        f"but predicate value {value!r} has pandas type '{pd.Series([value]).dtype}' (Python type '{type(value)}')"
    )


def _normalize_date(value: Any, pa_type: pa.DataType, column_name: str | None) -> Any:
    if isinstance(value, bytes):
        value = value.decode("utf-8")
    if isinstance(value, str):
        return datetime.datetime.strptime(value, "%Y-%m-%d").date()
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        return value
    raise TypeError(
        f"Unexpected type for predicate: Column {column_name!r} is an Arrow date ({pa_type}), but predicate value has type "
        f"{type(value)}. Use a Python 'datetime.date' object instead."
    )


def _predicate_accepts(predicate: Any, row_meta: Any, arrow_schema: pa.Schema, parquet_reader: Any) -> bool:
    """Whether rows of a row group may match one clause, by its statistics."""
    name, op, value = predicate
    at = parquet_reader.column_name_idx(ensure_unicode_string_type(name))
    kind = arrow_schema.field(at).type
    statistics = row_meta.column(at).statistics
    if statistics is None or not statistics.has_min_max:
        return True
    least, most = statistics.min, statistics.max
    if pa.types.is_integer(kind) and most < least:  # files of old writers, ARROW-5166
        return True
    if pa.types.is_timestamp(kind):
        least, most = np.datetime64(least), np.datetime64(most)
    if isinstance(value, float):
        least, most = least - _epsilon(least), most + _epsilon(most)
    nulls = statistics.null_count

    def may_equal(item: Any) -> bool:
        return nulls > 0 if pd.isnull(item) else bool(least <= item <= most)

    if op == "in":
        return any(may_equal(item) for item in value)
    if op == "not in":
        only = least == most and len(value) > 0
        return not (only and all(nulls > 0 if pd.isnull(item) else item == least for item in value))
    if op == "==":
        return may_equal(value)
    if op in ("!=", "is distinct from"):
        if pd.isnull(value):
            return bool(nulls < row_meta.num_rows)
        return nulls > 0 or not (least >= value and most <= value)
    if op not in ("<", "<=", ">", ">="):
        raise NotImplementedError("op not supported")
    edge = least if op[0] == "<" else most
    return bool({"<": edge < value, "<=": edge <= value, ">": edge > value, ">=": edge >= value}[op])


def _epsilon(num: float) -> float:
    """One unit in the sixth significant digit."""
    if num == 0 or math.isinf(num):
        return 0
    position = math.floor(math.log10(abs(num))) + (1 if abs(num) >= 1.0 else 0) - _SIGNIFICANT_DIGITS
    return float(10.0 ** (position + 1 if position < 0 else position))
