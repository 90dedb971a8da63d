"""Partitions on their way between frames and a store."""

from __future__ import annotations

import functools
import inspect
import io
import logging
import os
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from minimalkv import KeyValueStore
from pandas.api.types import is_datetime64_any_dtype

from .. import _files
from ..core import naming
from ..core._compat import pandas_infer_string
from ..core.common_metadata import (
    SchemaWrapper,
    make_meta,
    normalize_column_order,
    read_schema_metadata,
    validate_compatible,
)
from ..core.docs import default_docs
from ..core.index import ExplicitSecondaryIndex, IndexBase
from ..core.index import merge_indices as _merge_indices
from ..core.naming import SINGLE_TABLE, get_partition_file_prefix
from ..core.partition import Partition
from ..core.typing import StoreInput
from ..core.urlencode import decode_key, quote_indices
from ..core.utils import ensure_store, ensure_string_type, verify_metadata_version
from ..core.uuid import gen_uuid
from ..serialization import DataFrameSerializer, PredicatesType, default_serializer, filter_df_from_predicates
from .utils import align_categories

LOGGER = logging.getLogger(__name__)

_INTEGER = np.dtype(int)
_METADATA_SCHEMA: dict[str, Any] = {
    "partition_label": str if pandas_infer_string() else np.dtype("O"),
    "row_group_id": _INTEGER,
    "row_group_compressed_size": _INTEGER,
    "row_group_uncompressed_size": _INTEGER,
    "number_rows_total": _INTEGER,
    "number_row_groups": _INTEGER,
    "serialized_size": _INTEGER,
    "number_rows_per_row_group": _INTEGER,
}

MetaPartitionInput = Any


class _Literal(NamedTuple):
    column: str
    op: str
    value: Any


def _joined(predicates: PredicatesType, conjunction: Any) -> list[list[_Literal]] | None:
    """`predicates` with the clauses of `conjunction` added to each AND."""
    if not conjunction:
        both = predicates
    elif predicates is None:
        both = [conjunction]
    else:
        both = [[*clauses, *conjunction] for clauses in predicates]
    return None if both is None else [[_Literal(*clause) for clause in clauses] for clauses in both]


def _on_each(method: Callable[..., MetaPartition]) -> Callable[..., MetaPartition]:
    """Let a method that deals with one partition be called on many; a store may be given in any form."""
    names = list(inspect.signature(method).parameters)

    @functools.wraps(method)
    def on_each(self: MetaPartition, *args: Any, **kwargs: Any) -> MetaPartition:
        if len(self) == 0:
            raise RuntimeError("Invalid MetaPartition. No sub-partitions to act upon.")
        if "store" in kwargs:
            kwargs["store"] = ensure_store(kwargs["store"])
        elif "store" in names and len(args) >= names.index("store"):
            at = names.index("store") - 1
            args = (*args[:at], ensure_store(args[at]), *args[at + 1 :])
        if self.is_sentinel:
            return method(self, *args, **kwargs)
        result = self.as_sentinel()
        for part in self:
            returned = method(part, *args, **kwargs)
            if not isinstance(returned, MetaPartition):
                raise ValueError(f"Method {method.__name__} did not return a MetaPartition but {type(returned)}")
            if returned.is_sentinel:
                result = returned
                continue
            for one in returned:
                result = result.add_metapartition(one, schema_validation=False)
        return result

    return on_each


class MetaPartition(Iterable["MetaPartition"]):
    """One or more partitions with their rows, files and indices, as far as they are known.

    Parameters
    ----------
    label : str or None
        None: no partition at all, only what partitions would have in common.
    file : str, optional
        Key of the data file.
    table_name : str
    data : pandas.DataFrame, optional
        Its rows.
    indices : dict, optional
        Column → index.
    metadata_version : int, optional
    schema : SchemaWrapper, optional
        Made of `data` when it is not given.
    partition_keys : sequence of str, optional
    logical_conjunction : list of tuple, optional
        A condition that rows are filtered by when they are loaded.
    """

    def __init__(
        self,
        label: str | None,
        file: str | None = None,
        table_name: str = SINGLE_TABLE,
        data: pd.DataFrame | None = None,
        indices: dict[Any, Any] | None = None,
        metadata_version: int | None = None,
        schema: SchemaWrapper | None = None,
        partition_keys: Sequence[str] | None = None,
        logical_conjunction: list[tuple[Any, str, Any]] | None = None,
    ) -> None:
        self.metadata_version = naming.DEFAULT_METADATA_VERSION if metadata_version is None else metadata_version
        verify_metadata_version(self.metadata_version)
        self.table_name = table_name
        if data is not None and schema is None:
            schema = make_meta(data, origin=f"{table_name}/{label}", partition_keys=partition_keys)
        self.schema = schema
        self.partition_keys: Any = partition_keys or []
        self.logical_conjunction = logical_conjunction
        found = indices or {}
        for column, index in found.items():
            if isinstance(index, dict):
                found[column] = ExplicitSecondaryIndex(column=column, index_dct=index)
        #: Each partition's own facts; all else is shared.
        self.metapartitions: list[dict[str, Any]] = [
            {
                "label": label,
                "data": data,
                "file": file or None,
                "indices": found,
                "logical_conjunction": logical_conjunction,
            }
        ]

    def __repr__(self) -> str:
        label = f"NESTED ({len(self)})" if len(self) > 1 else self.label
        return f"<{type(self).__name__} v{self.metadata_version} | {label} >"

    def __len__(self) -> int:
        return len(self.metapartitions)

    def __iter__(self) -> Iterator[MetaPartition]:
        if self.is_sentinel:
            return
        for own in self.metapartitions:
            yield MetaPartition.from_dict({**self._shared(), **own, "logical_conjunction": self.logical_conjunction})

    def __getitem__(self, label: str) -> MetaPartition:
        for part in self:
            if part.label == label:
                return part
        raise KeyError(f"Metapartition doesn't contain partition `{label}`")

    def _shared(self) -> dict[str, Any]:
        return {
            "metadata_version": self.metadata_version,
            "schema": self.schema,
            "partition_keys": self.partition_keys,
            "table_name": self.table_name,
        }

    def _own(self, name: str) -> Any:
        if len(self.metapartitions) > 1:
            raise AttributeError(f"Accessing `{name}` attribute is not allowed while nested")
        return self.metapartitions[0][name]

    @property
    def label(self) -> Any:
        """Label of the partition."""
        return self._own("label")

    @property
    def data(self) -> Any:
        """Rows of the partition."""
        return self._own("data")

    @property
    def file(self) -> Any:
        """Key of the partition's file."""
        return self._own("file")

    @property
    def indices(self) -> Any:
        """The partition's part of the indices."""
        return self._own("indices")

    @property
    def is_sentinel(self) -> bool:
        """Whether there is no partition at all."""
        return len(self.metapartitions) == 1 and self.metapartitions[0]["label"] is None

    @property
    def partition(self) -> Partition:
        """The partition as the main document names it."""
        return Partition(label=self.label, files={self.table_name: self.file})

    def __eq__(self, other: Any) -> bool:
        if (
            not isinstance(other, MetaPartition)
            or self.metadata_version != other.metadata_version
            or len(self) != len(other)
        ):
            return False
        if self.schema is not None and not self.schema.equals(other.schema):
            return False
        ours, theirs = (sorted(mp.metapartitions, key=lambda own: str(own["label"])) for mp in (self, other))
        for one, two in zip(ours, theirs, strict=True):
            if one["label"] != two["label"] or one["file"] != two["file"]:
                return False
            if one["data"] is not None and not one["data"].equals(two["data"]):
                return False
        return True

    __hash__ = None  # type: ignore[assignment]

    # ---- making ------------------------------------------------------------------------------------------------------

    @staticmethod
    def from_partition(
        partition: Partition,
        data: pd.DataFrame | None = None,
        indices: dict[Any, Any] | None = None,
        metadata_version: int | None = None,
        schema: SchemaWrapper | None = None,
        partition_keys: list[str] | None = None,
        logical_conjunction: list[tuple[Any, str, Any]] | None = None,
        table_name: str = SINGLE_TABLE,
    ) -> MetaPartition:
        """Make one of a partition that the main document names."""
        return MetaPartition(
            label=partition.label,
            file=partition.files[table_name],
            data=data,
            indices=indices,
            metadata_version=metadata_version,
            schema=schema,
            partition_keys=partition_keys,
            logical_conjunction=logical_conjunction,
            table_name=table_name,
        )

    @staticmethod
    def from_dict(dct: dict[str, Any]) -> MetaPartition:
        """Make one of the members that `to_dict` gives."""
        known = inspect.signature(MetaPartition.__init__).parameters
        return MetaPartition(**{name: value for name, value in dct.items() if name in known})

    def to_dict(self) -> dict[str, Any]:
        """Return what the partition consists of."""
        own = {name: self._own(name) for name in ("label", "file", "data", "indices")}
        return {**own, **self._shared(), "logical_conjunction": self.logical_conjunction}

    def as_sentinel(self) -> MetaPartition:
        """Return what the partitions have in common, without any."""
        return MetaPartition(None, metadata_version=self.metadata_version, partition_keys=self.partition_keys)

    def copy(self, **kwargs: Any) -> MetaPartition:
        """Return a copy with some facts replaced."""
        shared = {**self._shared(), "logical_conjunction": self.logical_conjunction}
        shared.update({name: kwargs[name] for name in shared if name in kwargs})
        if "partition_keys" in kwargs and shared["schema"] is not None:
            shared["schema"] = normalize_column_order(shared["schema"], kwargs["partition_keys"])
        parts = [*(kwargs.get("metapartitions") or []), *self.metapartitions]
        if len(parts) == 1:
            own = {name: kwargs.get(name, parts[0][name]) for name in ("label", "file", "data", "indices")}
            return MetaPartition(**own, **shared)
        new = MetaPartition(label=None, **shared)
        for part in parts:
            own = {name: part.get(name) for name in ("label", "file", "data", "indices")}
            new = new.add_metapartition(MetaPartition(**own, **shared), schema_validation=False)
        return new

    def add_metapartition(self, metapartition: MetaPartition, schema_validation: bool = True) -> MetaPartition:
        """Return these partitions and others; labels are not to be there twice.

        Parameters
        ----------
        metapartition : MetaPartition
        schema_validation : bool
            Compare the schemas.
        """
        if self.is_sentinel:
            return metapartition
        labels = {own["label"] for own in self.metapartitions}
        if any(own["label"] in labels for own in metapartition.metapartitions):
            raise RuntimeError("Duplicate labels for nested metapartitions are not allowed!")
        schema = metapartition.schema
        if schema_validation and schema:
            schema = validate_compatible([self.schema, schema])
        new = MetaPartition(
            label="NestedMetaPartition",
            metadata_version=metapartition.metadata_version,
            schema=schema,
            partition_keys=metapartition.partition_keys or None,
            logical_conjunction=metapartition.logical_conjunction or None,
            table_name=metapartition.table_name,
        )
        new.metapartitions = [*self.metapartitions, *metapartition.metapartitions]
        return new

    @_on_each
    def remove_dataframes(self) -> MetaPartition:
        """Return the partitions without their rows."""
        return self.copy(data=None)

    @_on_each
    def apply(self, func: Callable[[Any], Any], type_safe: bool = False) -> MetaPartition:
        """Return the partitions with their rows changed by a function.

        Parameters
        ----------
        func : Callable
            Frame → frame.
        type_safe : bool
            The function leaves the schema as it is.
        """
        data = func(self.data)
        schema = self.schema if type_safe else make_meta(data, origin=self.label, partition_keys=self.partition_keys)
        return self.copy(data=data, schema=schema)

    # ---- reading -----------------------------------------------------------------------------------------------------

    @_on_each
    def load_schema(self, store: StoreInput, dataset_uuid: str) -> MetaPartition:
        """Load the schema, unless it is there."""
        if self.schema is None:
            self.schema = read_schema_metadata(dataset_uuid, ensure_store(store), self.table_name)
        return self

    @default_docs
    @_on_each
    def load_dataframes(
        self,
        store: KeyValueStore,
        columns: Sequence[str] | None = None,
        predicate_pushdown_to_io: bool = True,
        categoricals: Sequence[str] | None = None,
        dates_as_object: bool = True,
        predicates: PredicatesType = None,
    ) -> MetaPartition:
        """Return the partitions with their rows.

        Parameters
        ----------
        """
        if not dates_as_object:
            warnings.warn(
                "`dates_as_object=False` is deprecated: dates will always be loaded as objects.",
                DeprecationWarning,
                stacklevel=2,
            )
        if not self.file:
            return self
        dataset_uuid, _, key_values, _ = decode_key(self.file)
        loaded = self.load_schema(store=store, dataset_uuid=dataset_uuid)
        in_file = columns
        if self.partition_keys and columns is not None:
            in_file = [column for column in columns if column not in self.partition_keys]
        began = time.time()
        frame = DataFrameSerializer.restore_dataframe(
            key=self.file,
            store=store,
            columns=in_file,
            categories=list(categoricals or []),
            predicate_pushdown_to_io=predicate_pushdown_to_io,
            predicates=loaded._conditions_on_file(_joined(predicates, self.logical_conjunction), key_values),
            date_as_object=dates_as_object,
        )
        LOGGER.debug("Loaded dataframe %s in %s seconds.", self.file, time.time() - began)
        frame = loaded._reconstruct_index_columns(frame, key_values, columns, categoricals or [], dates_as_object)
        frame.columns = frame.columns.map(ensure_string_type)
        if columns is not None:
            missing = set(columns) - set(frame.columns)
            if missing:
                raise ValueError(f"Columns cannot be found in stored dataframe: {', '.join(sorted(missing))}")
            frame = frame.reindex(columns=list(columns))
        return loaded.copy(data=frame)

    def _conditions_on_file(self, predicates: list[list[_Literal]] | None, key_values: list[tuple[str, str]]) -> Any:
        """What is left to ask of the file, the values of its partition keys being known; None: nothing."""
        if not predicates:
            return predicates
        if not any(clause.column in self.partition_keys for clauses in predicates for clause in clauses):
            return predicates
        keys = self._keys_as_frame(key_values)
        left = []
        for clauses in predicates:
            on_keys = [clause for clause in clauses if clause.column in self.partition_keys]
            on_file = [clause for clause in clauses if clause.column not in self.partition_keys]
            if on_keys and filter_df_from_predicates(keys, [on_keys], strict_date_types=True).empty:  # type: ignore[list-item]
                continue
            if not on_file:
                return None
            left.append(on_file)
        return left

    def _key_type(self, column: str) -> pa.DataType:
        if self.schema is None:
            raise ValueError("The schema needs to be loaded before values of partition keys are known.")
        return self.schema.field(column).type

    def _keys_as_frame(self, key_values: list[tuple[str, str]]) -> pd.DataFrame:
        columns = {}
        for column, text in key_values:
            kind = self._key_type(column)
            value = IndexBase.normalize_value(kind, text)
            if pa.types.is_date(kind):
                columns[column] = pd.Series(pd.to_datetime([value])).dt.date
            else:
                columns[column] = pd.Series([value], dtype=kind.to_pandas_dtype())
        return pd.DataFrame(columns)

    def _key_value(self, column: str, text: str, date_as_object: bool) -> Any:
        """The value of a partition key, read out of a file's key."""
        kind = self._key_type(column)
        dtype = kind.to_pandas_dtype()
        if pa.types.is_boolean(kind):
            return np.bool_(IndexBase.normalize_value(kind, text))
        if isinstance(dtype, np.dtype):
            if not is_datetime64_any_dtype(dtype):
                return dtype.type(text)
            moment = pd.Timestamp(text).as_unit("ns")
            return moment.date() if date_as_object and pa.types.is_date(kind) else moment
        if isinstance(dtype, type):
            return dtype(text)
        raise RuntimeError(f"Unexpected object encountered: ({dtype}, {type(dtype)})")

    def _reconstruct_index_columns(
        self,
        df: pd.DataFrame,
        key_indices: list[tuple[str, str]],
        columns: Any,
        categories: Sequence[str] | None,
        date_as_object: bool,
    ) -> pd.DataFrame:
        """Put the partition keys back, in front; what the file has of them does not count."""
        if not key_indices:
            return df
        names = {column for column, _ in key_indices}
        frame = df.reset_index(drop=True)
        if not names.isdisjoint(frame.columns):
            frame = frame[[column for column in frame.columns if column not in names]]
        wanted = [(column, text) for column, text in key_indices if columns is None or column in columns]
        for at, (column, text) in enumerate(wanted):
            value = self._key_value(column, text, date_as_object)
            if categories and column in categories:
                value = pd.Categorical.from_codes(np.zeros(len(frame), dtype=int), categories=[value])
            frame.insert(at, column, value)
        return frame

    # ---- writing -----------------------------------------------------------------------------------------------------

    @_on_each
    def validate_schema_compatible(self, store: StoreInput, dataset_uuid: str) -> MetaPartition:
        """Compare the schema with the dataset's."""
        stored = read_schema_metadata(dataset_uuid, ensure_store(store), self.table_name)
        try:
            validate_compatible([self.schema, stored])
        except ValueError as error:
            raise ValueError(f"Schemas for dataset '{dataset_uuid}' are not compatible!\n\n{error}") from error
        return self

    @_on_each
    def store_dataframes(
        self, store: StoreInput, dataset_uuid: str, df_serializer: DataFrameSerializer | None = None
    ) -> MetaPartition:
        """Store the rows as data files and return the partitions without them."""
        if self.data is None:
            return self
        prefix = get_partition_file_prefix(dataset_uuid, self.label, self.table_name, self.metadata_version)
        try:
            file = (df_serializer or default_serializer()).store(ensure_store(store), prefix, self.data)
        except Exception as error:
            if isinstance(self.data, pd.DataFrame):
                described = io.StringIO()
                self.data.info(buf=described)
                LOGGER.error("Writing dataframe failed.\n%s\n%s\n%s", error, described.getvalue(), self.data.head())
            raise
        return self.copy(file=file, data=None)

    @_on_each
    def build_indices(self, columns: Iterable[str]) -> MetaPartition:
        """Return the partitions with indices of the values in their rows."""
        if self.is_sentinel:
            return self
        built = {}
        for column in columns:
            if column not in self.data:
                raise RuntimeError(
                    f"Column `{column}` could not be found in the partition `{self.label}` "
                    "Please check for any typos and validate your dataset."
                )
            index = ExplicitSecondaryIndex(
                column=column,
                index_dct={value: [self.label] for value in self.data[column].dropna().unique()},
                dtype=None if self.schema is None else self.schema.field(column).type,
            )
            known = self.indices.get(column)
            built[column] = known.update(index) if known is not None and known.loaded else index
        return self.copy(indices=built)

    @_on_each
    def partition_on(self, partition_on: str | Sequence[str]) -> MetaPartition:
        """Return the rows as partitions by the values of columns.

        Parameters
        ----------
        partition_on : str or sequence of str
            It begins with the partition keys that there are already.
        """
        if partition_on == self.partition_keys:
            return self
        keys = [partition_on] if isinstance(partition_on, str) else list(partition_on)
        if any(column in self.indices for column in keys):
            raise ValueError("Trying to `partition_on` on a column with an explicit index!")
        if self.is_sentinel:
            return self.copy(partition_keys=keys)
        have = list(self.partition_keys)
        if have != keys[: len(have)]:
            raise ValueError(
                "Incompatible partitioning encountered. `partition_on` needs to include the already existing partition keys and must "
                f"preserve their order.\nCurrent partition keys: `{have}`\nPartition on called with: `{keys}`"
            )
        schema = normalize_column_order(self.schema, keys)
        new = self.as_sentinel().copy(partition_keys=keys, schema=schema)
        for label, data in self._partition_data(keys[len(have) :]).items():
            part = MetaPartition(
                label=label,
                file=self.file,
                data=data,
                metadata_version=self.metadata_version,
                schema=schema.with_origin(label),
                partition_keys=keys,
                table_name=self.table_name,
            )
            new = new.add_metapartition(part, schema_validation=False)
        return new.build_indices(columns=list(self.indices)) if self.indices else new

    def _partition_data(self, partition_on: Sequence[str]) -> dict[str, pd.DataFrame]:
        _, _, existing, name = decode_key(f"uuid/table/{self.label}")
        frame = self.data
        missing = set(partition_on) - set(frame.columns)
        if missing:
            raise ValueError(f"Partition column(s) missing: {', '.join(sorted(missing))}")
        if set(frame.columns) <= set(partition_on):
            raise ValueError("No data left to save outside partition columns")
        found = {}
        groups = frame.drop(columns=list(partition_on)).groupby(
            by=[frame[c] for c in partition_on], observed=True, sort=False
        )
        for value, group in groups:
            values = value if isinstance(value, tuple) else (value,)
            pairs = quote_indices([*existing, *zip(partition_on, values, strict=True)])
            found["/".join([*pairs, str(name)])] = group
        rows = sum(len(group) for group in found.values())
        if rows != len(frame):
            raise ValueError(
                f"Original dataframe size ({len(frame)} rows) does not match new dataframe size ({rows} rows). "
                "Hint: you may see this if you are trying to use `partition_on` on a column with null values."
            )
        return found

    @_on_each
    def delete_from_store(self, dataset_uuid: Any, store: StoreInput) -> MetaPartition:
        """Delete the data files."""
        ensure_store(store).delete(self.file)
        return self.copy(file=None, data=None)

    # ---- many --------------------------------------------------------------------------------------------------------

    @staticmethod
    def merge_indices(metapartitions: Iterable[MetaPartition]) -> dict[str, Any]:
        """Unite the indices of partitions."""
        return _merge_indices([part.indices for mp in metapartitions for part in mp if part.indices])

    @staticmethod
    def concat_metapartitions(
        metapartitions: Iterable[MetaPartition], label_merger: Callable[[list[str]], str] | None = None
    ) -> MetaPartition:
        """Join the rows of partitions to one.

        Parameters
        ----------
        metapartitions : iterable of MetaPartition
        label_merger : Callable, optional
            Labels → the new one; by default the shortest.
        """
        parts = list(metapartitions)
        frames = [part.data for part in parts]
        categoricals = [name for name, series in frames[0].items() if isinstance(series.dtype, pd.CategoricalDtype)]
        if categoricals:
            frames = align_categories(frames, categoricals)
        labels = [part.label for part in parts]
        return MetaPartition(
            label=min(labels, key=len) if label_merger is None else label_merger(labels),
            data=pd.concat(frames),
            metadata_version=max(part.metadata_version for part in parts),
            schema=validate_compatible([part.schema for part in parts]),
            partition_keys=parts[-1].partition_keys,
        )

    def get_parquet_metadata(self, store: StoreInput) -> pd.DataFrame:
        """Facts of the data file, one row for each row group."""
        with _files.open_file(ensure_store(store), self.file, whole=False) as file:
            groups = [file.row_group(i) for i in range(file.num_row_groups)] or [_files.NO_ROWS]
            described = {
                "partition_label": self.label,
                "serialized_size": file.footer_size,
                "number_rows_total": file.num_rows,
                "number_row_groups": len(groups),
                "row_group_id": list(range(len(groups))),
                "number_rows_per_row_group": [group.num_rows for group in groups],
                "row_group_compressed_size": [group.total_byte_size for group in groups],
                "row_group_uncompressed_size": [
                    sum(group.column(i).total_uncompressed_size for i in range(group.num_columns)) for group in groups
                ],
            }
        return pd.DataFrame(data=described, columns=list(_METADATA_SCHEMA)).astype(_METADATA_SCHEMA)


def _unique_label(label_list: list[str]) -> str:
    """What labels have in common, or all of them."""
    label = os.path.commonprefix(label_list) or "_".join(label_list)
    while label and not label[-1].isalnum():
        label = label[:-1]
    return label


def partition_labels_from_mps(mps: Iterable[MetaPartition]) -> list[str]:
    """Labels of all partitions."""
    return [part.label for mp in mps for part in mp if part.label is not None]


def parse_input_to_metapartition(
    obj: MetaPartitionInput, table_name: str = SINGLE_TABLE, metadata_version: int | None = None
) -> MetaPartition:
    """Make partitions of a frame, of partitions, or of a list of them.

    Raises
    ------
    ValueError
        For anything else.
    """
    if isinstance(obj, MetaPartition):
        return obj
    if isinstance(obj, pd.DataFrame):
        return MetaPartition(label=gen_uuid(), data=obj, metadata_version=metadata_version, table_name=table_name)
    if obj is not None and not isinstance(obj, list):
        raise ValueError(f"Unexpected type during parsing encountered: ({type(obj)}, {obj})")
    result = MetaPartition(label=None, metadata_version=metadata_version)
    for item in obj or []:
        result = result.add_metapartition(parse_input_to_metapartition(item, table_name, metadata_version))
    return result
