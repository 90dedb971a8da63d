"""Datasets as delayed tasks of dask."""

from __future__ import annotations

from functools import partial
from typing import Any

import dask
from dask import delayed

from ...core.docs import default_docs
from ...core.factory import DatasetFactory, _ensure_factory
from ...core.naming import DEFAULT_METADATA_STORAGE_FORMAT, DEFAULT_METADATA_VERSION, SINGLE_TABLE
from ...core.uuid import gen_uuid
from ...io_components.delete import delete_common_metadata, delete_indices, delete_top_level_metadata
from ...io_components.gc import delete_files, dispatch_files_to_gc
from ...io_components.metapartition import MetaPartition, parse_input_to_metapartition
from ...io_components.read import dispatch_metapartitions_from_factory
from ...io_components.update import update_dataset_from_partitions
from ...io_components.utils import (
    _ensure_compatible_indices,
    normalize_arg,
    normalize_args,
    raise_if_indices_overlap,
    validate_partition_keys,
)
from ...io_components.write import raise_if_dataset_exists, store_dataset_from_partitions, write_partition
from ._utils import (
    _cast_categorical_to_index_cat,
    _get_data,
    _load_and_concat,
    _maybe_get_categoricals_from_index,
    map_delayed,
)

__all__ = (
    "delete_dataset__delayed",
    "garbage_collect_dataset__delayed",
    "read_dataset_as_delayed",
    "store_delayed_as_dataset",
    "update_dataset_from_delayed",
)


def _delete_all_additional_metadata(dataset_factory: DatasetFactory) -> None:
    delete_indices(dataset_factory=dataset_factory)
    delete_common_metadata(dataset_factory=dataset_factory)


def _delete_tl_metadata(dataset_factory: DatasetFactory, *after: Any) -> None:
    delete_top_level_metadata(dataset_factory=dataset_factory)


@default_docs
@normalize_args
def delete_dataset__delayed(
    dataset_uuid: str | None = None, store: Any = None, factory: DatasetFactory | None = None
) -> Any:
    """Delete a dataset and all its files.

    Parameters
    ----------
    """
    dataset = _ensure_factory(dataset_uuid=dataset_uuid, store=store, factory=factory, load_schema=False)
    collected = garbage_collect_dataset__delayed(factory=dataset)
    additional = delayed(_delete_all_additional_metadata)(dataset_factory=dataset)
    files = map_delayed(
        MetaPartition.delete_from_store,
        dispatch_metapartitions_from_factory(dataset),
        store=dataset.store_factory,
        dataset_uuid=dataset.dataset_uuid,
    )
    return delayed(_delete_tl_metadata)(dataset, list(files), collected, additional)


@default_docs
@normalize_args
def garbage_collect_dataset__delayed(
    dataset_uuid: str | None = None, store: Any = None, chunk_size: int = 100, factory: DatasetFactory | None = None
) -> list[Any]:
    """Delete files that the dataset does not name any more.

    Parameters
    ----------
    """
    dataset = _ensure_factory(dataset_uuid=dataset_uuid, store=store, factory=factory)
    files = dispatch_files_to_gc(dataset_uuid=None, store_factory=None, chunk_size=chunk_size, factory=dataset)
    return list(map_delayed(delete_files, files, store_factory=dataset.store_factory))


@default_docs
@normalize_args
def read_dataset_as_delayed_metapartitions(
    dataset_uuid: str | None = None,
    store: Any = None,
    columns: list[str] | None = None,
    predicate_pushdown_to_io: bool = True,
    categoricals: list[str] | None = None,
    dates_as_object: bool = True,
    predicates: Any = None,
    factory: DatasetFactory | None = None,
    dispatch_by: list[str] | None = None,
) -> list[Any]:
    """Read a dataset as tasks that give a partition with its rows each.

    Parameters
    ----------
    """
    dataset = _ensure_factory(dataset_uuid=dataset_uuid, store=store, factory=factory)
    tasks = map_delayed(
        MetaPartition.load_dataframes if dispatch_by is None else _load_and_concat,
        dispatch_metapartitions_from_factory(dataset_factory=dataset, predicates=predicates, dispatch_by=dispatch_by),
        store=dataset.store_factory,
        columns=columns,
        categoricals=categoricals,
        predicate_pushdown_to_io=predicate_pushdown_to_io,
        dates_as_object=dates_as_object,
        predicates=predicates,
    )
    categories = _maybe_get_categoricals_from_index(dataset, categoricals)
    if categories:
        cast = partial(_cast_categorical_to_index_cat, categories=categories)
        tasks = map_delayed(partial(MetaPartition.apply, func=cast, type_safe=True), tasks)
    return list(tasks)


@default_docs
def read_dataset_as_delayed(
    dataset_uuid: str | None = None,
    store: Any = None,
    columns: list[str] | None = None,
    predicate_pushdown_to_io: bool = True,
    categoricals: list[str] | None = None,
    dates_as_object: bool = True,
    predicates: Any = None,
    factory: DatasetFactory | None = None,
    dispatch_by: list[str] | None = None,
) -> list[Any]:
    """Read a dataset as tasks that give a frame each.

    Parameters
    ----------
    """
    parts = read_dataset_as_delayed_metapartitions(
        dataset_uuid=dataset_uuid,
        store=store,
        factory=factory,
        columns=columns,
        predicate_pushdown_to_io=predicate_pushdown_to_io,
        categoricals=categoricals,
        dates_as_object=dates_as_object,
        predicates=predicates,
        dispatch_by=dispatch_by,
    )
    return list(map_delayed(_get_data, parts))


@default_docs
def update_dataset_from_delayed(
    delayed_tasks: list[Any],
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
    factory: DatasetFactory | None = None,
    table_name: str = SINGLE_TABLE,
) -> Any:
    """Add the frames of tasks to a dataset (or make it) and remove partitions, in one commit.

    Parameters
    ----------
    """
    store = normalize_arg("store", store)
    dataset, metadata_version, partition_on = validate_partition_keys(
        dataset_uuid=dataset_uuid,
        store=store,
        default_metadata_version=default_metadata_version,
        partition_on=normalize_arg("partition_on", partition_on),
        ds_factory=factory,
    )
    stored = map_delayed(
        write_partition,
        delayed_tasks,
        secondary_indices=_ensure_compatible_indices(dataset, normalize_arg("secondary_indices", secondary_indices)),
        metadata_version=metadata_version,
        partition_on=partition_on,
        store_factory=dataset.store_factory if store is None else store,
        df_serializer=df_serializer,
        dataset_uuid=dataset_uuid or dataset.dataset_uuid,
        sort_partitions_by=sort_partitions_by,
        dataset_table_name=table_name,
    )
    # The scope may itself be a task.
    return dask.delayed(update_dataset_from_partitions)(
        list(stored),
        store_factory=store,
        dataset_uuid=dataset_uuid,
        ds_factory=dataset,
        delete_scope=dask.delayed(normalize_arg)("delete_scope", delete_scope),
        metadata=metadata,
        metadata_merger=metadata_merger,
    )


@default_docs
@normalize_args
def store_delayed_as_dataset(
    delayed_tasks: list[Any],
    store: Any,
    dataset_uuid: str | None = None,
    metadata: Any = None,
    df_serializer: Any = None,
    overwrite: bool = False,
    metadata_merger: Any = None,
    metadata_version: int = DEFAULT_METADATA_VERSION,
    partition_on: Any = None,
    metadata_storage_format: str = DEFAULT_METADATA_STORAGE_FORMAT,
    table_name: str = SINGLE_TABLE,
    secondary_indices: Any = None,
) -> Any:
    """Store the frames of tasks as a new dataset.

    Parameters
    ----------
    """
    uuid = gen_uuid() if dataset_uuid is None else dataset_uuid
    if not overwrite:
        raise_if_dataset_exists(dataset_uuid=uuid, store=store)
    raise_if_indices_overlap(partition_on, secondary_indices)
    parts = map_delayed(
        partial(parse_input_to_metapartition, metadata_version=metadata_version, table_name=table_name), delayed_tasks
    )
    if partition_on:
        parts = map_delayed(MetaPartition.partition_on, parts, partition_on=partition_on)
    if secondary_indices:
        parts = map_delayed(MetaPartition.build_indices, parts, columns=secondary_indices)
    stored = map_delayed(
        MetaPartition.store_dataframes, parts, store=store, df_serializer=df_serializer, dataset_uuid=uuid
    )
    return delayed(store_dataset_from_partitions)(
        list(stored),
        dataset_uuid=uuid,
        store=store,
        dataset_metadata=metadata,
        metadata_merger=metadata_merger,
        metadata_storage_format=metadata_storage_format,
    )
