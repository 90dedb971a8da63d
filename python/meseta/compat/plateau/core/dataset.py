"""A dataset's main document: partitions, indices, metadata."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable
from typing import Any, TypeVar

import pandas as pd
import pyarrow as pa
import simplejson
from minimalkv import KeyValueStore

from ..serialization._generic import PredicatesType, columns_in_predicates
from . import _time, naming
from ._compat import load_json
from ._mixins import CopyMixin
from ._zmsgpack import packb, unpackb
from .common_metadata import SchemaWrapper, read_schema_metadata
from .docs import default_docs
from .index import ExplicitSecondaryIndex, IndexBase, PartitionIndex, filter_indices
from .naming import EXTERNAL_INDEX_SUFFIX, PARQUET_FILE_SUFFIX, SINGLE_TABLE
from .partition import Partition
from .typing import StoreInput
from .urlencode import decode_key, quote_indices
from .utils import ensure_store, verify_metadata_version

__all__ = ("DatasetMetadata", "DatasetMetadataBase")

T = TypeVar("T", bound="DatasetMetadataBase")

_UUID = re.compile(r"[a-zA-Z0-9+\-_]+")


def _validate_uuid(uuid: str) -> bool:
    return _UUID.fullmatch(uuid) is not None


def _add_creation_time(described: Any) -> None:
    described.metadata.setdefault("creation_time", _time.datetime_utcnow().isoformat())


def _as_plain(value: Any) -> Any:
    return {name: _as_plain(inner) for name, inner in value.items()} if isinstance(value, dict) else value


def _one_table(uuid: str, tables: list[str]) -> None:
    if len(tables) > 1:
        raise RuntimeError(
            f"Dataset {uuid} has tables {tables} but read support for multi tabled dataset was dropped with plateau 4.0."
        )


class DatasetMetadataBase(CopyMixin):
    """What the main document says, without a store.

    Parameters
    ----------
    uuid : str
        Letters, digits, ``+ - _``.
    partitions : dict of str to Partition, optional
    metadata : dict, optional
    indices : dict of str to IndexBase, optional
    metadata_version : int
    explicit_partitions : bool
        False: partitions are the files that are there.
    partition_keys : list of str, optional
    schema : SchemaWrapper, optional
    table_name : str, optional
    """

    def __init__(
        self,
        uuid: str,
        partitions: dict[str, Partition] | None = None,
        metadata: dict[str, Any] | None = None,
        indices: dict[str, IndexBase] | None = None,
        metadata_version: int = naming.DEFAULT_METADATA_VERSION,
        explicit_partitions: bool = True,
        partition_keys: list[str] | None = None,
        schema: SchemaWrapper | None = None,
        table_name: str | None = SINGLE_TABLE,
    ) -> None:
        if not _validate_uuid(uuid):
            raise ValueError("UUID contains illegal character")
        self.uuid = uuid
        self.metadata_version = metadata_version
        self.partitions: dict[str, Any] = partitions or {}
        self.metadata = metadata or {}
        self.indices: dict[str, Any] = indices or {}
        self.explicit_partitions = explicit_partitions
        self.partition_keys = partition_keys or []
        self.schema = schema
        self._table_name = table_name
        _add_creation_time(self)

    def copy(self: T, **kwargs: Any) -> T:
        """Return a copy with some attributes replaced."""
        new = super().copy(**kwargs)
        _add_creation_time(new)
        return new

    def __eq__(self, other: Any) -> bool:
        return (
            isinstance(other, DatasetMetadataBase)
            and self.uuid == other.uuid
            and _as_plain(self.partitions) == _as_plain(other.partitions)
            and _as_plain(self.metadata) == _as_plain(other.metadata)
            and self.indices == other.indices
            and self.explicit_partitions == other.explicit_partitions
            and self.partition_keys == other.partition_keys
            and self.schema == other.schema
        )

    __hash__ = None  # type: ignore[assignment]

    @property
    def primary_indices_loaded(self) -> bool:
        """Whether the indices of the partition keys are there."""
        return bool(self.partition_keys) and all(key in self.indices for key in self.partition_keys)

    @property
    def tables(self) -> list[str]:
        """Names of the tables: one."""
        tables = list(next(iter(self.partitions.values())).files) if self.partitions else []
        _one_table(self.uuid, tables)
        return tables

    @property
    def table_name(self) -> str:
        """Name of the table."""
        if self._table_name:
            return self._table_name
        tables = self.tables
        return tables[0] if tables else "<Unknown Table>"

    @property
    def index_columns(self) -> set[str]:
        """Columns with an index of either kind."""
        return {*self.indices, *self.partition_keys}

    @property
    def secondary_indices(self) -> dict[str, ExplicitSecondaryIndex]:
        """The secondary indices by column."""
        return {column: index for column, index in self.indices.items() if isinstance(index, ExplicitSecondaryIndex)}

    @staticmethod
    def exists(uuid: str, store: StoreInput) -> bool:
        """Whether there is a dataset of this name."""
        found = ensure_store(store)
        return any(naming.metadata_key_from_uuid(uuid, format) in found for format in ("json", "msgpack"))

    @staticmethod
    def storage_keys(uuid: str, store: StoreInput) -> list[str]:
        """All keys that belong to the dataset, sorted."""
        return sorted(key for key in ensure_store(store).iter_keys(uuid) if key.startswith((uuid + ".", uuid + "/")))

    def to_dict(self) -> dict[str, Any]:
        """Return the main document."""
        return _document(self)

    def to_json(self) -> bytes:
        """Return the main document as JSON."""
        return simplejson.dumps(self.to_dict()).encode("utf-8")

    def to_msgpack(self) -> bytes:
        """Return the main document as msgpack in zstd."""
        return packb(self.to_dict())

    def load_partition_indices(self: T) -> T:
        """Read the partition keys' indices out of the keys of the files."""
        if self.primary_indices_loaded:
            return self
        found = _construct_dynamic_index_from_partitions(self.partitions, self.schema, None, self.partition_keys)
        return self.copy(indices={**self.indices, **found})

    def load_index(self: T, column: str, store: StoreInput) -> T:
        """Load the index of a column.

        Raises
        ------
        KeyError
            When the column has none.
        """
        if column in self.partition_keys:
            return self.load_partition_indices()
        if column not in self.indices:
            raise KeyError(f"No index specified for column '{column}'")
        index = self.indices[column]
        if index.loaded or not isinstance(index, ExplicitSecondaryIndex):
            return self
        loaded = {column: index.load(store=store)}
        if not self.explicit_partitions:
            loaded = filter_indices(loaded, self.partitions)
        return self.copy(indices={**self.indices, **loaded})

    def load_all_indices(self: T, store: StoreInput) -> T:
        """Load all indices."""
        loaded = {
            column: index.load(store) if isinstance(index, ExplicitSecondaryIndex) else index
            for column, index in self.indices.items()
        }
        return self.copy(indices=loaded).load_partition_indices()

    def query(self, indices: Iterable[IndexBase] | None = None, **kwargs: Any) -> list[str]:
        """Labels of the partitions that may hold rows with all these ``column=value``; columns without an index are passed over."""
        known = {**self.indices, **{index.column: index for index in indices or ()}}
        found = set(self.partitions)
        for column, value in kwargs.items():
            if column in known:
                found &= set(known[column].query(value))
        return list(found)

    @default_docs
    def get_indices_as_dataframe(
        self, columns: list[str] | None = None, date_as_object: bool = True, predicates: PredicatesType = None
    ) -> pd.DataFrame:
        """Return the indices as a frame of values by labels, one row for each combination.

        Parameters
        ----------
        columns : list of str, optional
            Indexed columns; all by default.
        date_as_object : bool
            Dates as `datetime.date`.
        """
        wants_keys = columns is None or not set(columns).isdisjoint(self.partition_keys)
        loaded = self.load_partition_indices() if self.partition_keys and wants_keys else self
        if columns is None:
            columns = sorted(loaded.indices)
        if not columns:
            return pd.DataFrame(index=list(loaded.partitions))
        if not predicates:
            return loaded._indices_joined(columns, None, date_as_object)
        needed = sorted((columns_in_predicates(predicates) & self.indices.keys()) | set(columns))
        found = pd.concat([loaded._indices_joined(needed, [conjunction], date_as_object) for conjunction in predicates])
        label = found.index.name
        return found.loc[:, columns].reset_index().drop_duplicates().set_index(label)

    def _indices_joined(self, columns: list[str], predicates: PredicatesType, date_as_object: bool) -> pd.DataFrame:
        missing = set(columns) - self.indices.keys()
        if missing & set(self.partition_keys):
            raise RuntimeError(
                "Partition indices not loaded. Please call `DatasetMetadata.load_partition_indices` first."
            )
        if missing:
            raise ValueError(f"Unknown index columns: {', '.join(sorted(missing))}")
        frames = [
            pd.DataFrame(
                self.indices[c].as_flat_series(
                    partitions_as_index=True, date_as_object=date_as_object, predicates=predicates
                )
            )
            for c in columns
        ]
        first, *others = sorted(frames, key=len)
        for frame in others:
            first = first.merge(frame, left_index=True, right_index=True)
        if first.empty:
            first.index = first.index.astype("object")
        return first


def _document(described: Any) -> dict[str, Any]:
    """The main document, members in the order in which plateau writes them."""
    found: dict[str, Any] = {naming.METADATA_VERSION_KEY: described.metadata_version, naming.UUID_KEY: described.uuid}
    if described.indices:
        found["indices"] = {column: _index_entry(index) for column, index in described.indices.items()}
    if described.metadata:
        found["metadata"] = described.metadata
    if described.explicit_partitions or (described.partitions and isinstance(described, DatasetMetadataBase)):
        found["partitions"] = {label: partition.to_dict() for label, partition in described.partitions.items()}
    if described.partition_keys is not None:
        found["partition_keys"] = described.partition_keys
    return found


def _index_entry(index: Any) -> Any:
    if isinstance(index, str):
        return index
    if index.loaded:
        return index.to_dict()
    return index.index_storage_key if isinstance(index, ExplicitSecondaryIndex) else {}


class DatasetMetadata(DatasetMetadataBase):
    """A dataset's metadata; see `load_from_store`."""

    def __repr__(self) -> str:
        return (
            f"DatasetMetadata(uuid={self.uuid}, table_name={self.table_name}, partition_keys={self.partition_keys}, "
            f"metadata_version={self.metadata_version}, indices={list(self.indices)}, explicit_partitions={self.explicit_partitions})"
        )

    @staticmethod
    def load_from_buffer(buf: bytes, store: KeyValueStore, format: str = "json") -> DatasetMetadata:
        """Read a main document that is in memory."""
        return DatasetMetadata.load_from_dict(load_json(buf) if format == "json" else unpackb(buf), store)

    @staticmethod
    def load_from_store(
        uuid: str, store: StoreInput, load_schema: bool = True, load_all_indices: bool = False
    ) -> DatasetMetadata:
        """Open a dataset.

        Raises
        ------
        KeyError
            When there is none of this name.
        """
        found = ensure_store(store)
        keys = [naming.metadata_key_from_uuid(uuid, format) for format in ("json", "msgpack")]
        parsers: tuple[Any, ...] = (load_json, unpackb)
        for key, parse in zip(keys, parsers, strict=True):
            try:
                data = found.get(key)
            except KeyError:
                continue
            dataset = DatasetMetadata.load_from_dict(parse(data), found, load_schema=load_schema)
            return dataset.load_all_indices(found) if load_all_indices else dataset
        raise KeyError(f"Dataset does not exist. Tried {keys[0]} and {keys[1]}")

    @staticmethod
    def load_from_dict(dct: dict[str, Any], store: KeyValueStore, load_schema: bool = True) -> DatasetMetadata:
        """Complete a main document: files of implicit partitions, table and schema."""
        uuid = dct[naming.UUID_KEY]
        found = {"metadata": {}, **dct}
        explicit = "partitions" in found
        keys = None if explicit and found["partitions"] else DatasetMetadata.storage_keys(uuid, store)
        if not explicit:
            found["partitions"] = _partitions_of_keys(keys or [])
        if found["partitions"]:
            tables = list(next(iter(found["partitions"].values()))["files"])
        else:
            tables = sorted({key.split("/")[1] for key in keys or [] if key.endswith(naming.TABLE_METADATA_FILE)})
        found["schema"] = read_schema_metadata(uuid, store, tables[0]) if tables and load_schema else None
        if "partition_keys" not in found:
            found["partition_keys"] = _get_partition_keys_from_partitions(found["partitions"])
        dataset = DatasetMetadata.from_dict(found, explicit_partitions=explicit)
        if tables:
            dataset._table_name = tables[0]
        return dataset

    @staticmethod
    def from_buffer(buf: bytes | str, format: str = "json", explicit_partitions: bool = True) -> DatasetMetadata:
        """Read a main document that is in memory, without what lies elsewhere."""
        found = load_json(buf) if format == "json" else unpackb(buf)  # type: ignore[arg-type]
        return DatasetMetadata.from_dict(found, explicit_partitions=explicit_partitions)

    @staticmethod
    def from_dict(dct: dict[str, Any], explicit_partitions: bool = True) -> DatasetMetadata:
        """Make a dataset of a main document."""
        builder = DatasetMetadataBuilder(
            uuid=dct[naming.UUID_KEY],
            metadata_version=dct[naming.METADATA_VERSION_KEY],
            explicit_partitions=explicit_partitions,
            partition_keys=dct.get("partition_keys"),
            schema=dct.get("schema"),
        )
        for name, value in dct.get("metadata", {}).items():
            builder.add_metadata(name, value)
        for label, partition in dct.get("partitions", {}).items():
            builder.add_partition(label, Partition.from_dict(label, partition))
        for column, index in dct.get("indices", {}).items():
            builder.add_embedded_index(
                column, index if isinstance(index, IndexBase) else ExplicitSecondaryIndex.from_v2(column, index)
            )
        return builder.to_dataset()


class DatasetMetadataBuilder(CopyMixin):
    """Puts a main document together."""

    def __init__(
        self,
        uuid: str,
        metadata_version: int = naming.DEFAULT_METADATA_VERSION,
        explicit_partitions: bool = True,
        partition_keys: list[str] | None = None,
        schema: SchemaWrapper | None = None,
    ) -> None:
        verify_metadata_version(metadata_version)
        self.uuid = uuid
        self.metadata: dict[str, Any] = {}
        self.indices: dict[str, Any] = {}
        self.metadata_version = metadata_version
        self.partitions: dict[str, Partition] = {}
        self.partition_keys = partition_keys
        self.schema = schema
        self.explicit_partitions = explicit_partitions
        _add_creation_time(self)

    @staticmethod
    def from_dataset(dataset: DatasetMetadataBase) -> DatasetMetadataBuilder:
        """Begin with what a dataset has."""
        dataset = copy.deepcopy(dataset)
        builder = DatasetMetadataBuilder(
            uuid=dataset.uuid,
            metadata_version=dataset.metadata_version,
            explicit_partitions=dataset.explicit_partitions,
            partition_keys=dataset.partition_keys,
            schema=dataset.schema,
        )
        builder.metadata = dataset.metadata
        builder.indices = dataset.indices
        builder.partitions = dataset.partitions
        return builder

    def add_partition(self, name: str, partition: Partition) -> DatasetMetadataBuilder:
        """Add or replace a partition."""
        _one_table(self.uuid, sorted(partition.files))
        self.partitions[name] = partition
        return self

    def add_embedded_index(self, column: str, index: IndexBase) -> None:
        """Add an index with its values."""
        if column != index.column:
            raise RuntimeError(f"The index is one of column {index.column!r}, not of {column!r}.")
        self.indices[column] = index

    def add_external_index(self, column: str, filename: str | None = None) -> str:
        """Add an index that is stored elsewhere and return its key."""
        key = filename or f"{self.uuid}.{column}{naming.EXTERNAL_INDEX_SUFFIX}"
        self.indices[column] = ExplicitSecondaryIndex(column, index_storage_key=key)
        return key

    def add_metadata(self, key: str, value: Any) -> None:
        """Add or replace a member of the user's metadata."""
        self.metadata[key] = value

    def to_dict(self) -> dict[str, Any]:
        """Return the main document."""
        return _document(self)

    def to_json(self) -> tuple[str, bytes]:
        """Return key and JSON of the main document."""
        return f"{naming.metadata_key_from_uuid(self.uuid)}", simplejson.dumps(self.to_dict()).encode("utf-8")

    def to_msgpack(self) -> tuple[str, bytes]:
        """Return key and msgpack of the main document."""
        return f"{naming.metadata_key_from_uuid(self.uuid, format='msgpack')}", packb(self.to_dict())

    def to_dataset(self) -> DatasetMetadata:
        """Return the dataset."""
        return DatasetMetadata(
            uuid=self.uuid,
            partitions=self.partitions,
            metadata=self.metadata,
            indices=self.indices,
            metadata_version=self.metadata_version,
            explicit_partitions=self.explicit_partitions,
            partition_keys=self.partition_keys,
            schema=self.schema,
        )


# ---- partitions by their keys ----------------------------------------------------------------------------------------


def _type_of_key(schema: SchemaWrapper | None, column: str, default: pa.DataType | None) -> pa.DataType:
    if schema is not None:
        return schema[schema.get_field_index(column)].type
    if default is None:
        raise ValueError(f'Cannot find type information for partition column "{column}"')
    return default


def _files_of(partition: Any) -> dict[str, str]:
    files: dict[str, str] = partition["files"] if isinstance(partition, dict) else partition.files
    return files


def _same_depth(depth: int | None, pairs: list[tuple[str, str]]) -> int:
    if depth is not None and depth != len(pairs):
        raise RuntimeError(
            "Unknown file structure encountered. Depth of filename indices is not equal for all partitions."
        )
    return len(pairs)


def _construct_dynamic_index_from_partitions(
    partitions: dict[str, Any],
    schema: SchemaWrapper | None,
    default_dtype: pa.DataType | None,
    partition_keys: list[str],
) -> dict[str, PartitionIndex]:
    """Indices of the partition keys, out of the files' keys."""
    first = _files_of(next(iter(partitions.values()))) if partitions else {}
    if not first:
        return {
            c: PartitionIndex(column=c, index_dct={}, dtype=_type_of_key(schema, c, default_dtype))
            for c in partition_keys
        }
    table = next(iter(first))
    labels: dict[str, dict[str, set[str]]] = {}
    depth = None
    for label, partition in partitions.items():
        key = _files_of(partition)[table]
        _, _, pairs, name = decode_key(key)
        if name is None or not key.endswith(PARQUET_FILE_SUFFIX) or key.endswith(EXTERNAL_INDEX_SUFFIX):
            continue
        depth = _same_depth(depth, pairs)
        for column, value in pairs:
            labels.setdefault(column, {}).setdefault(value, set()).add(label)
    return {
        column: PartitionIndex(
            column=column,
            index_dct={value: sorted(found) for value, found in values.items()},
            dtype=_type_of_key(schema, column, default_dtype),
        )
        for column, values in labels.items()
    }


def _get_partition_keys_from_partitions(partitions: dict[str, Any]) -> list[str] | None:
    files = _files_of(next(iter(partitions.values()))) if partitions else {}
    pairs = decode_key(next(iter(files.values())))[2] if files else []
    return [column for column, _ in pairs] or None


def _partitions_of_keys(keys: Iterable[str]) -> dict[str, Any]:
    """Implicit partitions: the data files that are there; indices are none, though they end like them."""
    found: dict[str, Any] = {}
    depth = None
    for key in keys:
        _, table, pairs, name = decode_key(key)
        if (
            name is None
            or not name.endswith(PARQUET_FILE_SUFFIX)
            or (table == "indices" and name.endswith(EXTERNAL_INDEX_SUFFIX))
        ):
            continue
        depth = _same_depth(depth, pairs)
        label = "/".join([*quote_indices(pairs), name.removesuffix(PARQUET_FILE_SUFFIX)])
        found.setdefault(label, {"files": {}})["files"][table] = key
    return found


def create_partition_key(
    dataset_uuid: str, table: str, index_values: Iterable[tuple[Any, Any]], filename: str = "data"
) -> str:
    """Key of a data file.

    Examples
    --------
    >>> create_partition_key("sales", "table", [("day", "2024-02-28")], "part.parquet")
    'sales/table/day=2024-02-28/part.parquet'
    """
    return "/".join([dataset_uuid, table, *quote_indices(index_values), filename])
