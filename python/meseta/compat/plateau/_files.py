"""Parquet files as Arrow tables: the way to meseta's reader and writer."""

from __future__ import annotations

import datetime
import decimal
import uuid
from types import SimpleNamespace
from typing import Any

import pyarrow as pa

import meseta
from meseta import _meseta
from meseta.stream import Stream

#: What files of plateau's own writer call themselves.
PARQUET_VERSION = "2.4"

_PANDAS = b"pandas"
_CODECS = {"NONE": "none", "SNAPPY": "snappy", "GZIP": "gzip", "BROTLI": "brotli", "ZSTD": "zstd", "LZ4": "lz4"}


def _to_bytes(table: pa.Table, **options: Any) -> bytes:
    """The file that `meseta.parquet.write` makes of a table."""
    place = f"memory://meseta-{uuid.uuid4().hex}/file"
    metadata = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items() if key == _PANDAS}
    try:
        meseta.parquet.write(table, place, metadata=metadata, **options)
        return _meseta.cat(place, [])
    finally:
        _meseta.remove(place, [])


def _in_microseconds(schema: pa.Schema) -> pa.Schema:
    fields = []
    for field in schema:
        if pa.types.is_timestamp(field.type) and field.type.unit != "us":
            field = field.with_type(pa.timestamp("us", tz=field.type.tz))
        elif pa.types.is_duration(field.type) and field.type.unit != "us":
            field = field.with_type(pa.duration("us"))
        fields.append(field)
    return pa.schema(fields, schema.metadata)


def schema_to_bytes(schema: pa.Schema) -> bytes:
    """Return a Parquet file without rows."""
    return _to_bytes(_in_microseconds(schema).empty_table(), codec="none")


def _schema_of(file: meseta.parquet.File) -> pa.Schema:
    schema = pa.schema(file.schema)
    described = file.metadata.get("pandas")
    return schema if described is None else schema.with_metadata({_PANDAS: described.encode()})


def schema_from_bytes(data: bytes) -> pa.Schema:
    """Return the schema of a Parquet file."""
    return _schema_of(meseta.parquet.File(data))


def read_table(data: bytes) -> pa.Table:
    """Return all of a Parquet file."""
    return File(data).read()


def table_to_bytes(
    table: pa.Table, row_group_rows: int | None = None, compression: str = "SNAPPY", coerce_timestamps: bool = False
) -> bytes:
    """Return a Parquet file of a table.

    Raises
    ------
    pyarrow.ArrowInvalid
        With `coerce_timestamps`, for what is no whole number of microseconds.
    """
    if coerce_timestamps:
        table = table.cast(_in_microseconds(table.schema))
    return _to_bytes(table, codec=_CODECS[compression.upper()], row_group_rows=row_group_rows)


def _bound(said: Any, kind: pa.DataType) -> Any:
    """A bound as the footer's description says it, as Python has it."""
    if isinstance(said, dict):
        return bytes.fromhex(said["hex"])
    if not isinstance(said, str):
        return said
    is_a = pa.types
    if is_a.is_dictionary(kind):
        kind = kind.value_type
    if is_a.is_integer(kind):  # beyond what JSON readers take for a whole number
        return int(said)
    if is_a.is_date(kind):
        return datetime.date.fromisoformat(said)
    if is_a.is_timestamp(kind):
        return datetime.datetime.fromisoformat(said[:26].replace("Z", "+00:00")).replace(tzinfo=None)
    if is_a.is_decimal(kind):
        return decimal.Decimal(said)
    if is_a.is_floating(kind):
        return float(said.replace("Infinity", "inf"))
    return said.encode() if is_a.is_binary(kind) else said


class _RowGroup:
    """Facts of a row group under the names that pyarrow has for them."""

    def __init__(self, described: dict[str, Any], schema: pa.Schema) -> None:
        self._described = described
        self._schema = schema
        self.num_rows: int = described["rows"]
        self.num_columns: int = len(described["columns"])
        self.total_byte_size: int = described["plain_bytes"]

    def column(self, i: int) -> Any:
        """Facts of the column at position `i`."""
        said = self._described["columns"][i]
        at = self._schema.get_field_index(said["name"])
        kind = self._schema.field(at).type if at >= 0 else pa.null()
        known = "min" in said and "max" in said
        statistics = SimpleNamespace(
            has_min_max=known,
            min=_bound(said["min"], kind) if known else None,
            max=_bound(said["max"], kind) if known else None,
            null_count=said.get("nulls", 0),
        )
        return SimpleNamespace(
            statistics=statistics if known or "nulls" in said else None, total_uncompressed_size=said["plain_bytes"]
        )


#: A file without rows has no row group; plateau's have one that is empty.
NO_ROWS = _RowGroup({"rows": 0, "columns": [], "plain_bytes": 0}, pa.schema([]))


class File:
    """A Parquet file, read row group by row group."""

    def __init__(self, data: bytes) -> None:
        self._file = meseta.parquet.File(data)
        self.schema = _schema_of(self._file)
        self.num_row_groups: int = self._file.row_groups
        self.num_rows: int = self._file.rows
        self._facts: dict[str, Any] | None = None

    def _described(self) -> dict[str, Any]:
        if self._facts is None:
            self._facts = self._file.describe()
        return self._facts

    @property
    def footer_size(self) -> int:
        """Bytes of the footer."""
        size: int = self._described()["footer_bytes"]
        return size

    def row_group(self, i: int) -> Any:
        """Facts of a row group: ``num_rows``, ``column(i).statistics``."""
        return _RowGroup(self._described()["groups"][i], self.schema)

    def column_name_idx(self, name: str) -> int:
        """Position of a column; -1 when there is none."""
        return next((i for i, each in enumerate(self._described()["columns"]) if each["name"] == name), -1)

    def _index_columns(self) -> list[str]:
        described = self.schema.pandas_metadata or {}
        return [name for name in described.get("index_columns", []) if isinstance(name, str)]

    def _table(self, columns: list[str] | None, first: int, groups: int) -> pa.Table:
        table = Stream(self._file._native.read(columns, None, None, 0, first, groups)).arrow()
        return table.replace_schema_metadata(self.schema.metadata)

    def read(self, columns: list[str] | None = None) -> pa.Table:
        """Return all rows, with the columns that pandas' row index is made of."""
        if columns is not None:
            columns = [*columns, *(name for name in self._index_columns() if name not in columns)]
        return self._table(columns, 0, 0)

    def read_row_group(self, i: int, columns: list[str] | None = None) -> pa.Table:
        """Return one row group."""
        return self._table(columns, i, 1)

    def __enter__(self) -> File:
        return self

    def __exit__(self, *args: Any) -> None:
        pass


def open_file(store: Any, key: str, whole: bool) -> File:
    """Open an object of a store; `whole`: all of it will be needed."""
    if whole:
        return File(store.get(key))
    with store.open(key) as stream:
        return File(stream.read())
