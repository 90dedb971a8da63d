"""Datasets at once."""

from __future__ import annotations

from typing import Any

import pandas as pd

from ..core.common_metadata import empty_dataframe_from_schema, make_meta, store_schema_metadata
from ..core.dataset import DatasetMetadata, DatasetMetadataBuilder
from ..core.docs import default_docs
from ..core.factory import DatasetFactory, _ensure_factory
from ..core.naming import (
    DEFAULT_METADATA_STORAGE_FORMAT,
    DEFAULT_METADATA_VERSION,
    PARQUET_FILE_SUFFIX,
    SINGLE_TABLE,
    get_partition_file_prefix,
)
from ..core.utils import ensure_store, lazy_store
from ..io_components.delete import delete_common_metadata, delete_indices, delete_top_level_metadata
from ..io_components.gc import delete_files, dispatch_files_to_gc
from ..io_components.index import update_indices_from_partitions
from ..io_components.metapartition import MetaPartition, parse_input_to_metapartition
from ..io_components.read import dispatch_metapartitions_from_factory
from ..io_components.update import update_dataset_from_partitions
from ..io_components.utils import _ensure_compatible_indices, align_categories, normalize_args, validate_partition_keys
from ..io_components.write import prepared, raise_if_dataset_exists, store_main_document
from .iter import read_dataset_as_metapartitions__iterator, store_dataframes_as_dataset__iter

__all__ = (
    "build_dataset_indices",
    "commit_dataset",
    "create_empty_dataset_header",
    "delete_dataset",
    "garbage_collect_dataset",
    "read_dataset_as_dataframes",
    "read_table",
    "store_dataframes_as_dataset",
    "update_dataset_from_dataframes",
    "write_single_partition",
)


@default_docs
@normalize_args
def delete_dataset(dataset_uuid: str | None = None, store: Any = None, factory: DatasetFactory | None = None) -> None:
    """Delete a dataset and all its files.

    Parameters
    ----------
    """
    dataset = _ensure_factory(dataset_uuid=dataset_uuid, load_schema=False, store=store, factory=factory)
    garbage_collect_dataset(factory=dataset)
    delete_indices(dataset_factory=dataset)
    for part in dispatch_metapartitions_from_factory(dataset):
        part.delete_from_store(dataset_uuid=dataset.uuid, store=dataset.store)
    delete_common_metadata(dataset_factory=dataset)
    delete_top_level_metadata(dataset_factory=dataset)


@default_docs
def read_dataset_as_dataframes(
    dataset_uuid: str | None = None,
    store: Any = None,
    columns: Any = None,
    predicate_pushdown_to_io: bool = True,
    categoricals: list[str] | None = None,
    dates_as_object: bool = True,
    predicates: Any = None,
    factory: DatasetFactory | None = None,
    dispatch_by: list[str] | None = None,
) -> list[pd.DataFrame]:
    """Read a dataset as a list of frames, one for each partition.

    Parameters
    ----------
    """
    parts = read_dataset_as_metapartitions(
        dataset_uuid=dataset_uuid,
        store=store,
        columns=columns,
        predicate_pushdown_to_io=predicate_pushdown_to_io,
        categoricals=categoricals,
        dates_as_object=dates_as_object,
        predicates=predicates,
        factory=factory,
        dispatch_by=dispatch_by,
    )
    return [part.data for part in parts]


@default_docs
def read_dataset_as_metapartitions(
    dataset_uuid: str | None = None,
    store: Any = None,
    columns: Any = None,
    predicate_pushdown_to_io: bool = True,
    categoricals: list[str] | None = None,
    dates_as_object: bool = True,
    predicates: Any = None,
    factory: DatasetFactory | None = None,
    dispatch_by: list[str] | None = None,
) -> list[MetaPartition]:
    """Read a dataset as a list of partitions with their rows.

    Parameters
    ----------
    """
    return list(
        read_dataset_as_metapartitions__iterator(
            columns=columns,
            predicate_pushdown_to_io=predicate_pushdown_to_io,
            categoricals=categoricals,
            dates_as_object=dates_as_object,
            predicates=predicates,
            factory=_ensure_factory(dataset_uuid=dataset_uuid, store=store, factory=factory),
            dispatch_by=dispatch_by,
        )
    )


@default_docs
def read_table(
    dataset_uuid: str | None = None,
    store: Any = None,
    columns: Any = None,
    predicate_pushdown_to_io: bool = True,
    categoricals: list[str] | None = None,
    dates_as_object: bool = True,
    predicates: Any = None,
    factory: DatasetFactory | None = None,
) -> pd.DataFrame:
    """Read a dataset as one frame, with the types of its schema.

    Parameters
    ----------
    """
    dataset = _ensure_factory(dataset_uuid=dataset_uuid, store=store, factory=factory)
    frames = read_dataset_as_dataframes(
        columns=columns,
        predicate_pushdown_to_io=predicate_pushdown_to_io,
        categoricals=categoricals,
        dates_as_object=dates_as_object,
        predicates=predicates,
        factory=dataset,
    )
    # A frame without rows carries the types of the schema into the result.
    empty = empty_dataframe_from_schema(schema=dataset.schema, columns=columns)
    if categoricals:
        empty = empty.astype(dict.fromkeys(categoricals, "category"))
        frames = align_categories(frames, categoricals) if frames else frames
        aligned = {name: frames[0][name].dtype for name in categoricals if frames}
        empty = empty.astype({name: dtype for name, dtype in aligned.items() if isinstance(dtype, pd.CategoricalDtype)})
    table = pd.concat([*frames, empty], ignore_index=True, sort=False)
    return table if list(empty.columns) == list(table.columns) else table.reindex(columns=empty.columns)


@default_docs
@normalize_args
def commit_dataset(
    store: Any = None,
    dataset_uuid: str | None = None,
    new_partitions: Any = None,
    delete_scope: Any = None,
    metadata: Any = None,
    metadata_merger: Any = None,
    default_metadata_version: int = DEFAULT_METADATA_VERSION,
    partition_on: Any = None,
    factory: DatasetFactory | None = None,
    secondary_indices: Any = None,
) -> DatasetMetadata:
    """Commit partitions that were written before, remove others, change metadata.

    Parameters
    ----------
    """
    if not new_partitions and not metadata and not delete_scope:
        raise ValueError("Need to provide either new data, new metadata or a delete scope. None of it was provided.")
    tables = {part.table_name for part in new_partitions or ()}
    if len(tables) > 1:
        raise RuntimeError(f"Cannot commit more than one table to a dataset but got tables {sorted(tables)}")
    dataset, metadata_version, partition_on = validate_partition_keys(
        dataset_uuid=dataset_uuid,
        store=store,
        ds_factory=factory,
        default_metadata_version=default_metadata_version,
        partition_on=partition_on,
    )
    table = SINGLE_TABLE if dataset is None else dataset.table_name
    parts = parse_input_to_metapartition(new_partitions, metadata_version=metadata_version, table_name=table)
    if secondary_indices:
        parts = parts.build_indices(columns=secondary_indices)
    uuid = dataset_uuid or dataset.uuid
    return update_dataset_from_partitions(
        [_with_file(part, uuid) for part in parts],
        store_factory=store,
        dataset_uuid=dataset_uuid,
        ds_factory=dataset,
        delete_scope=delete_scope,
        metadata=metadata,
        metadata_merger=metadata_merger,
    )


def _with_file(part: MetaPartition, dataset_uuid: str) -> MetaPartition:
    """A partition with rows but no file was stored under the key that its label tells."""
    if part.file is not None:
        return part
    if part.data is None or len(part.data) == 0:
        raise ValueError(
            "Trying to commit partitions without `data` or `files` information."
            "Either one is necessary to infer the dataset tables"
        )
    prefix = get_partition_file_prefix(dataset_uuid, part.label, part.table_name, part.metadata_version)
    return part.copy(file=prefix + PARQUET_FILE_SUFFIX)


@default_docs
@normalize_args
def store_dataframes_as_dataset(
    store: Any,
    dataset_uuid: str | None,
    dfs: Any,
    metadata: Any = None,
    partition_on: Any = None,
    df_serializer: Any = None,
    overwrite: bool = False,
    secondary_indices: Any = None,
    metadata_storage_format: str = DEFAULT_METADATA_STORAGE_FORMAT,
    metadata_version: int = DEFAULT_METADATA_VERSION,
    table_name: str = SINGLE_TABLE,
) -> DatasetMetadata:
    """Store frames as a new dataset.

    Parameters
    ----------
    """
    if isinstance(dfs, pd.DataFrame):
        raise TypeError(f"Please pass a list of pandas.DataFrame as input. Instead got {type(dfs)}")
    return store_dataframes_as_dataset__iter(
        dfs,
        store=store,
        dataset_uuid=dataset_uuid,
        metadata=metadata,
        partition_on=partition_on,
        df_serializer=df_serializer,
        overwrite=overwrite,
        secondary_indices=secondary_indices,
        metadata_storage_format=metadata_storage_format,
        metadata_version=metadata_version,
        table_name=table_name,
    )


@default_docs
@normalize_args
def create_empty_dataset_header(
    store: Any,
    dataset_uuid: str,
    schema: Any,
    partition_on: Any = None,
    metadata: Any = None,
    overwrite: bool = False,
    metadata_storage_format: str = DEFAULT_METADATA_STORAGE_FORMAT,
    metadata_version: int = DEFAULT_METADATA_VERSION,
    table_name: str = SINGLE_TABLE,
) -> DatasetMetadata:
    """Make a dataset without rows; files that are put into it later are its partitions.

    Parameters
    ----------
    """
    found = ensure_store(store)
    if not overwrite:
        raise_if_dataset_exists(dataset_uuid=dataset_uuid, store=found)
    schema = make_meta(schema, origin=table_name, partition_keys=partition_on)
    builder = DatasetMetadataBuilder(
        uuid=dataset_uuid,
        metadata_version=metadata_version,
        partition_keys=partition_on,
        explicit_partitions=False,
        schema=schema,
    )
    for name, value in (metadata or {}).items():
        builder.add_metadata(name, value)
    store_schema_metadata(schema=schema, dataset_uuid=dataset_uuid, store=found, table=table_name)
    store_main_document(found, builder, metadata_storage_format)
    return builder.to_dataset()


@default_docs
@normalize_args
def write_single_partition(
    store: Any = None,
    dataset_uuid: str | None = None,
    data: Any = None,
    df_serializer: Any = None,
    metadata_version: int = DEFAULT_METADATA_VERSION,
    partition_on: Any = None,
    factory: DatasetFactory | None = None,
    secondary_indices: Any = None,
    table_name: str = SINGLE_TABLE,
) -> MetaPartition:
    """Store rows as data files of a dataset without committing them; see `commit_dataset`.

    Parameters
    ----------
    """
    if data is None:
        raise TypeError("The parameter `data` is not optional")
    dataset, version, partition_on = validate_partition_keys(
        dataset_uuid=dataset_uuid,
        store=store,
        ds_factory=factory,
        default_metadata_version=metadata_version,
        partition_on=partition_on,
    )
    if dataset is not None and dataset.table_name and dataset.table_name != table_name:
        raise RuntimeError(
            f"Trying to write a partition with table name {table_name} but dataset {dataset.dataset_uuid} has already table "
            f"{dataset.table_name}."
        )
    uuid = dataset_uuid or dataset.uuid
    found = lazy_store(dataset.store_factory if store is None else store)
    part = prepared(parse_input_to_metapartition(data, table_name, version), [], partition_on, secondary_indices)
    part = part.validate_schema_compatible(dataset_uuid=uuid, store=found)
    return part.store_dataframes(store=found, dataset_uuid=uuid, df_serializer=df_serializer)


@default_docs
@normalize_args
def update_dataset_from_dataframes(
    df_list: Any,
    store: Any = None,
    dataset_uuid: str | None = None,
    delete_scope: Any = None,
    metadata: Any = None,
    df_serializer: Any = None,
    metadata_merger: Any = None,
    default_metadata_version: int = DEFAULT_METADATA_VERSION,
    partition_on: Any = None,
    sort_partitions_by: Any = None,
    secondary_indices: Any = None,
    table_name: str = SINGLE_TABLE,
    factory: DatasetFactory | None = None,
) -> DatasetMetadata:
    """Add frames to a dataset (or make it) and remove partitions, in one commit.

    Parameters
    ----------
    """
    dataset, metadata_version, partition_on = validate_partition_keys(
        dataset_uuid=dataset_uuid,
        store=store,
        ds_factory=factory,
        default_metadata_version=default_metadata_version,
        partition_on=partition_on,
    )
    indices = _ensure_compatible_indices(dataset, secondary_indices)
    parts = parse_input_to_metapartition(df_list, metadata_version=metadata_version, table_name=table_name)
    parts = prepared(parts, sort_partitions_by, partition_on, indices)
    parts = parts.store_dataframes(
        store=dataset.store if store is None else store,
        dataset_uuid=dataset_uuid or dataset.uuid,
        df_serializer=df_serializer,
    )
    return update_dataset_from_partitions(
        parts,
        store_factory=store,
        dataset_uuid=dataset_uuid,
        ds_factory=dataset,
        delete_scope=delete_scope,
        metadata=metadata,
        metadata_merger=metadata_merger,
    )


@default_docs
@normalize_args
def build_dataset_indices(
    store: Any, dataset_uuid: str | None, columns: Any, factory: DatasetFactory | None = None
) -> Any:
    """Build secondary indices of columns of a dataset.

    Parameters
    ----------
    """
    dataset = _ensure_factory(dataset_uuid=dataset_uuid, store=store, factory=factory)
    if dataset.schema is None:
        raise ValueError("Dataset schema needs to be loaded for column selection.")
    wanted = [name for name in dataset.schema.names if name in set(columns)]
    built = []
    for part in dispatch_metapartitions_from_factory(dataset):
        loaded = part.load_dataframes(store=dataset.store, columns=wanted)
        built.append(loaded.build_indices(columns=columns).remove_dataframes())
    return update_indices_from_partitions(built, dataset_metadata_factory=dataset)


@default_docs
@normalize_args
def garbage_collect_dataset(
    dataset_uuid: str | None = None, store: Any = None, factory: DatasetFactory | None = None
) -> None:
    """Delete files that the dataset does not name any more.

    Parameters
    ----------
    """
    dataset = _ensure_factory(dataset_uuid=dataset_uuid, store=store, factory=factory)
    for files in dispatch_files_to_gc(dataset_uuid=None, store_factory=None, chunk_size=None, factory=dataset):
        delete_files(files, store_factory=dataset.store_factory)
