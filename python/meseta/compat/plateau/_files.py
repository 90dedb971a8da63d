"""Parquet files as Arrow tables: the way to meseta's reader and writer."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

PARQUET_VERSION = "2.4"


def schema_to_bytes(schema: pa.Schema) -> bytes:
    """Return a Parquet file without rows."""
    sink = pa.BufferOutputStream()
    pq.write_metadata(schema, sink, version=PARQUET_VERSION, coerce_timestamps="us")
    return sink.getvalue().to_pybytes()


def schema_from_bytes(data: bytes) -> pa.Schema:
    """Return the schema of a Parquet file."""
    return pq.read_schema(pa.BufferReader(data))


def read_table(data: bytes) -> pa.Table:
    """Return all of a Parquet file."""
    return pq.read_table(pa.BufferReader(data))


def table_to_bytes(
    table: pa.Table, row_group_rows: int | None = None, compression: str = "SNAPPY", coerce_timestamps: bool = False
) -> bytes:
    """Return a Parquet file of a table."""
    sink = pa.BufferOutputStream()
    options: dict[str, Any] = {"version": PARQUET_VERSION, "coerce_timestamps": "us"} if coerce_timestamps else {}
    pq.write_table(table, sink, row_group_size=row_group_rows, compression=compression, **options)
    return sink.getvalue().to_pybytes()


class File:
    """A Parquet file, read row group by row group."""

    def __init__(self, source: Any) -> None:
        self._file = pq.ParquetFile(source)
        self.schema: pa.Schema = self._file.schema.to_arrow_schema()
        self.num_row_groups: int = self._file.num_row_groups
        self.num_rows: int = self._file.metadata.num_rows
        self.footer_size: int = self._file.metadata.serialized_size

    def row_group(self, i: int) -> Any:
        """Facts of a row group: ``num_rows``, ``column(i).statistics``."""
        return self._file.metadata.row_group(i)

    def column_name_idx(self, name: str) -> int:
        """Position of a column."""
        return int(self._file.reader.column_name_idx(name))

    def read(self, columns: list[str] | None = None) -> pa.Table:
        """Return all rows, with the columns that pandas' row index is made of."""
        return self._file.read(columns=columns, use_pandas_metadata=True)

    def read_row_group(self, i: int, columns: list[str] | None = None) -> pa.Table:
        """Return one row group."""
        return self._file.read_row_group(i, columns=columns)

    def __enter__(self) -> File:
        return self

    def __exit__(self, *args: Any) -> None:
        self._file.close()


def open_file(store: Any, key: str, whole: bool) -> File:
    """Open an object of a store; `whole`: all of it will be needed."""
    return File(pa.BufferReader(store.get(key)) if whole else store.open(key))
