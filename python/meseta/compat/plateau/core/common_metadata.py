"""A table's schema: made from frames, normalised, compared, stored as ``_common_metadata``."""

from __future__ import annotations

import copy
import difflib
import logging
import pprint
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd
import pyarrow as pa
import simplejson
from minimalkv import KeyValueStore

from .. import _files
from . import naming
from ._compat import load_json
from .naming import SINGLE_TABLE
from .utils import ensure_string_type

__all__ = (
    "SchemaWrapper",
    "empty_dataframe_from_schema",
    "make_meta",
    "normalize_column_order",
    "normalize_type",
    "validate_compatible",
)

_logger = logging.getLogger()
_PANDAS = b"pandas"
_ORIGINS_SHOWN = 200


def _dict_to_binary(dct: dict[str, Any]) -> bytes:
    return simplejson.dumps(dct, sort_keys=True).encode("utf8")


class SchemaWrapper:
    """An Arrow schema that knows where it came from and compares by names and types, not by metadata.

    Parameters
    ----------
    schema : pyarrow.Schema
        The row index of a frame is taken out of it.
    origin : str or set of str
        Where it came from, for messages.
    """

    def __init__(self, schema: Any, origin: str | set[str]) -> None:
        origins = {origin} if isinstance(origin, str) else set(origin)
        if not all(isinstance(text, str) for text in origins):
            raise TypeError("Schema origin elements must be strings.")
        self.__origin = origins
        self.__schema = _without_row_index(schema)

    def with_origin(self, origin: str | set[str]) -> SchemaWrapper:
        """Return the same schema with another origin."""
        return SchemaWrapper(self.__schema, origin)

    def internal(self) -> pa.Schema:
        """Return the Arrow schema."""
        return self.__schema

    @property
    def origin(self) -> set[str]:
        """Where the schema came from."""
        return set(self.__origin)

    def __repr__(self) -> str:
        return repr(self.__schema)

    def __eq__(self, other: Any) -> bool:
        return self.equals(other)

    def __ne__(self, other: Any) -> bool:
        return not self.equals(other)

    def __hash__(self) -> int:
        return hash(_schema2bytes(self.__schema))

    def __getstate__(self) -> Any:
        return _schema2bytes(self.__schema), self.__origin

    def __setstate__(self, state: Any) -> None:
        self.__schema = _bytes2schema(state[0])
        self.__origin = state[1]

    def __getattr__(self, attr: str) -> Any:
        if attr.startswith("_SchemaWrapper"):
            raise AttributeError(attr)
        return getattr(self.__schema, attr)

    def __getitem__(self, i: int | str) -> pa.Field:
        return self.__schema.field(i)

    def __len__(self) -> int:
        return len(self.__schema)

    def equals(self, other: Any, check_metadata: bool = False) -> bool:
        """Compare names and types in order; metadata only when asked to."""
        if isinstance(other, SchemaWrapper):
            other = other.__schema
        return isinstance(other, pa.Schema) and self.__schema.equals(other, check_metadata)

    def remove(self, i: int) -> SchemaWrapper:
        """Leave the field at `i` out."""
        return SchemaWrapper(self.__schema.remove(i), self.__origin)

    def remove_metadata(self) -> SchemaWrapper:
        """Leave the metadata out."""
        return SchemaWrapper(self.__schema.remove_metadata(), {text + "__no_metadata" for text in self.__origin})

    def set(self, i: int, field: pa.Field) -> SchemaWrapper:
        """Replace the field at `i`."""
        return SchemaWrapper(self.__schema.set(i, field), self.__origin)


def _without_row_index(schema: Any) -> Any:
    """Take the columns that hold a frame's row index out; texts of older frames become those of this version."""
    described = None if schema is None else schema.pandas_metadata
    if described is None:
        return schema
    levels = described["index_columns"]
    if len(levels) > 1:
        raise NotImplementedError("Treatment of MultiIndex not implemented.")
    for level in levels:
        at = -1 if isinstance(level, dict) else schema.get_field_index(level)
        if at >= 0:
            schema = schema.remove(at)
    for column in described["columns"]:
        at = schema.get_field_index(column["field_name"]) if column.get("name") is not None else -1
        if at < 0:
            continue
        field = schema.field(at)
        if pa.types.is_string(field.type) and (column["pandas_type"], column["numpy_type"]) == ("unicode", "object"):
            schema = schema.set(at, pa.field(field.name, pa.large_string(), field.nullable, field.metadata))
            column.update(pandas_type="object", numpy_type="str", metadata=None)
    return schema.with_metadata({_PANDAS: _dict_to_binary(described)})


def normalize_column_order(schema: Any, partition_keys: Sequence[str] | None = None) -> SchemaWrapper:
    """Put the partition keys first, then all other columns in the order of their names."""
    if not isinstance(schema, SchemaWrapper):
        schema = SchemaWrapper(schema, "__unknown__")
    keys = list(partition_keys or [])
    described = schema.pandas_metadata

    def rank(column: dict[str, Any]) -> tuple[int, int, str]:
        name = column.get("name")
        if name is None:
            return 2, 0, ""
        return (0, keys.index(name), "") if name in keys else (1, 0, name)

    described["columns"] = sorted(described["columns"], key=rank)
    places = [schema.get_field_index(column["field_name"]) for column in described["columns"]]
    metadata = {**schema.metadata, _PANDAS: _dict_to_binary(described)}
    return SchemaWrapper(pa.schema([schema[at] for at in places if at >= 0], metadata), schema.origin)


def make_meta(obj: Any, origin: str | set[str], partition_keys: Sequence[str] | None = None) -> SchemaWrapper:
    """Make the normalised schema of a frame or an Arrow schema.

    Parameters
    ----------
    obj : pandas.DataFrame, pyarrow.Schema or SchemaWrapper
    origin : str or set of str
    partition_keys : sequence of str, optional
        Columns to put first.
    """
    if isinstance(obj, SchemaWrapper):
        return obj
    if isinstance(obj, pa.Schema):
        return normalize_column_order(SchemaWrapper(obj, origin), partition_keys)
    if not isinstance(obj, pd.DataFrame):
        raise ValueError("Input must be a pyarrow schema, or a pandas dataframe")
    schema = pa.Schema.from_pandas(obj)
    described = schema.pandas_metadata
    types = {field.name: field.type for field in schema}
    for column in described["columns"]:
        if column.get("name") is None:
            continue
        name = column["field_name"]
        types[name], column["pandas_type"], column["numpy_type"], column["metadata"] = normalize_type(
            types[name], column["pandas_type"], column["numpy_type"], column["metadata"]
        )
    metadata = {**schema.metadata, _PANDAS: _dict_to_binary(described)}
    schema = pa.schema([pa.field(name, kind) for name, kind in types.items()], metadata)
    return normalize_column_order(SchemaWrapper(schema, origin), partition_keys)


def normalize_type(
    t_pa: pa.DataType, t_pd: str | None, t_np: str | None, metadata: dict[str, Any] | None
) -> tuple[pa.DataType, str | None, str | None, dict[str, Any] | None]:
    """Widen a type to the one that all partitions share: 64-bit numbers, plain values for categories, one kind of text."""
    is_a = pa.types
    for test, wide, name in (
        (is_a.is_signed_integer, pa.int64(), "int64"),
        (is_a.is_unsigned_integer, pa.uint64(), "uint64"),
        (is_a.is_floating, pa.float64(), "float64"),
    ):
        if test(t_pa):
            return wide, name, name, None
    if is_a.is_list(t_pa):
        inside = None if t_pd is None else t_pd[len("list[") : -1]
        item, item_name, _, _ = normalize_type(t_pa.value_type, inside, None, None)
        return pa.list_(item), f"list[{item_name}]", "object", None
    if is_a.is_dictionary(t_pa):
        return normalize_type(t_pa.value_type, t_pd, t_np, None)
    if is_a.is_string(t_pa) or is_a.is_large_string(t_pa):
        if t_pd == "categorical" or t_np == "str":
            return pa.large_string(), "object", "str", None
        if t_np == "string":
            return pa.string(), "unicode", "string", None
    return t_pa, t_pd, t_np, metadata


def _get_common_metadata_key(dataset_uuid: str, table: str) -> str:
    return f"{dataset_uuid}/{table}/{naming.TABLE_METADATA_FILE}"


def read_schema_metadata(dataset_uuid: str, store: KeyValueStore, table: str = SINGLE_TABLE) -> SchemaWrapper:
    """Read a table's schema."""
    key = _get_common_metadata_key(dataset_uuid, table)
    return SchemaWrapper(_bytes2schema(store.get(key)), key)


def store_schema_metadata(
    schema: SchemaWrapper, dataset_uuid: str, store: KeyValueStore, table: str = SINGLE_TABLE
) -> str:
    """Store a table's schema and return its key."""
    return store.put(_get_common_metadata_key(dataset_uuid, table), _schema2bytes(schema.internal()))


def _schema2bytes(schema: pa.Schema) -> bytes:
    return _files.schema_to_bytes(schema)


def _bytes2schema(data: bytes) -> pa.Schema:
    """Timestamps without a zone, which lie in files as microseconds, are nanoseconds in memory."""
    schema = _files.schema_from_bytes(data)
    fields = [pa.field(f.name, pa.timestamp("ns")) if f.type == pa.timestamp("us") else f for f in schema]
    return pa.schema(fields, schema.metadata)


# ---- comparing -------------------------------------------------------------------------------------------------------


def _pandas_in_schemas(schemas: Iterable[Any]) -> bool:
    return any(schema.metadata and _PANDAS in schema.metadata for schema in schemas)


def _require_pandas(schema: Any) -> dict[str, Any]:
    if schema.metadata is None or _PANDAS not in schema.metadata:
        raise ValueError(
            "Pandas and non-Pandas schemas are not comparable. "
            "Use ignore_pandas=True if you only want to compare on Arrow level."
        )
    described: dict[str, Any] = load_json(schema.metadata[_PANDAS])
    return described


def _null_columns(schema: SchemaWrapper) -> set[str]:
    return {field.name for field in schema.internal() if pa.types.is_null(field.type)}


def _same_version(schema: SchemaWrapper) -> SchemaWrapper:
    described = _require_pandas(schema)
    described["pandas_version"] = pd.__version__
    metadata = {**schema.metadata, _PANDAS: _dict_to_binary(described)}
    return SchemaWrapper(schema.internal().with_metadata(metadata), schema.origin)


def _choose_reference(
    schemas: Sequence[Any], ignore_pandas: bool
) -> tuple[SchemaWrapper | None, list[tuple[SchemaWrapper, set[str]]]]:
    """Find the schema in which most columns have a type; with it the others and the columns that they know nothing of.

    A column that is all null in one frame has no type there. Where no schema knows all columns, the reference is put together.
    """
    compare_pandas = _pandas_in_schemas(schemas) and not ignore_pandas
    reference: SchemaWrapper | None = None
    unknown: set[str] = set()
    others: list[tuple[SchemaWrapper, set[str]]] = []
    for schema in set(schemas):
        current = schema if isinstance(schema, SchemaWrapper) else SchemaWrapper(schema, "__unknown__")
        if compare_pandas:
            current = _same_version(current)
        nulls = _null_columns(current)
        if reference is None:
            reference, unknown = current, nulls
            continue
        if not unknown <= nulls and len(nulls) < len(unknown):
            reference, current = current, reference
            unknown, nulls = nulls, unknown
        for name in sorted(unknown - nulls):
            at, known = reference.get_field_index(name), current.get_field_index(name)
            if known >= 0:
                reference = reference.set(at, current[known])
                unknown = unknown - {name}
        others.append((current, nulls))
    return reference, others


def _strip_columns_from_schema(schema: Any, field_names: Iterable[str]) -> Any:
    stripped = schema
    for name in field_names:
        at = stripped.get_field_index(name)
        if at < 0:
            _logger.warning(
                "Unexpected field `%s` encountered while trying to strip `null` columns.\nSchema was:\n\n`%s`",
                name,
                schema,
            )
            return schema
        stripped = stripped.remove(at)
    return stripped


def _diff_lines(first: str, second: str) -> str:
    lines = list(difflib.unified_diff(first.splitlines(), second.splitlines()))
    begin = next((i for i, line in enumerate(lines) if line.startswith("@")), 0)
    return "\n".join(lines[begin:])


def _diff_schemas(first: Any, second: Any) -> str:
    """Say what differs, of the Arrow types and of what pandas noted."""
    arrow = _diff_lines(str(first.remove_metadata()), str(second.remove_metadata()))
    pandas = _diff_lines(pprint.pformat(first.pandas_metadata), pprint.pformat(second.pandas_metadata))
    return f"Arrow schema:\n{arrow}\n\nPandas_metadata:\n{pandas}"


def _show_origin(origin: set[str]) -> str:
    text = ", ".join(sorted(origin))
    return "{" + (text if len(text) <= _ORIGINS_SHOWN + 3 else text[:_ORIGINS_SHOWN] + "...") + "}"


def validate_compatible(schemas: Iterable[Any], ignore_pandas: bool = False) -> SchemaWrapper | None:
    """Compare schemas by names, types and order; columns without a type in one of them count for nothing there.

    Returns
    -------
    SchemaWrapper or None
        A schema in which each column has a type if any of `schemas` has one.

    Raises
    ------
    ValueError
        Where they differ, with the difference.
    """
    reference, others = _choose_reference(list(schemas), ignore_pandas)
    if reference is None:
        return None
    origin = reference.origin
    for current, nulls in others:
        origin |= current.origin
        left = _strip_columns_from_schema(reference, nulls).remove_metadata()
        right = _strip_columns_from_schema(current, nulls).remove_metadata()
        if left != right:
            raise ValueError(
                f"Schema violation\n\nOrigin schema: {_show_origin(current.origin)}\n"
                f"Origin reference: {_show_origin(reference.origin)}\n\n"
                f"Diff:\n{_diff_schemas(reference, current)}\n\nReference schema:\n{reference}"
            )
    return reference.with_origin(origin)


def validate_shared_columns(schemas: Sequence[Any], ignore_pandas: bool = False) -> None:
    """Compare the columns that several schemas have in common.

    Raises
    ------
    ValueError
        Where one has different types.
    """
    seen: dict[str, tuple[pa.Field, str]] = {}
    compare_pandas = _pandas_in_schemas(schemas) and not ignore_pandas
    for schema in schemas:
        if compare_pandas:
            names = [c["field_name"] for c in _require_pandas(schema)["columns"] if c.get("name") is not None]
        else:
            names = schema.names
        for name in names:
            found = (schema.field(name), name)
            known = seen.setdefault(name, found)
            if pa.types.is_null(known[0].type) or pa.types.is_null(found[0].type):
                continue
            if known != found:
                raise ValueError(f'Found incompatible entries for column "{name}"\n{known}\n{found}')


def _names_as_text(schema: pa.Schema) -> pa.Schema:
    """What pandas noted in old files may call the columns' names bytes."""
    described = schema.pandas_metadata
    if described is None:
        return schema
    described = copy.deepcopy(described)
    for index in described.get("column_indexes") or []:
        if index.get("pandas_type") == "bytes":
            index["pandas_type"] = "unicode"
    return schema.with_metadata({**(schema.metadata or {}), _PANDAS: simplejson.dumps(described).encode("utf8")})


def empty_dataframe_from_schema(
    schema: Any,
    columns: Sequence[str] | None = None,
    date_as_object: bool = False,
    coerce_temporal_nanoseconds: bool = True,
) -> pd.DataFrame:
    """Make a frame with the schema's columns and no rows."""
    table = _names_as_text(schema.internal()).empty_table()
    frame = table.to_pandas(date_as_object=date_as_object, coerce_temporal_nanoseconds=coerce_temporal_nanoseconds)
    frame.columns = frame.columns.map(ensure_string_type)
    return frame if columns is None else frame[list(columns)]
