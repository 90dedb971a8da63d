"""Datasets as dask bags."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import dask.bag as db

from ...core.docs import default_docs
from ...core.factory import DatasetFactory, _ensure_factory
from ...core.naming import DEFAULT_METADATA_STORAGE_FORMAT, DEFAULT_METADATA_VERSION, SINGLE_TABLE
from ...core.uuid import gen_uuid
from ...io_components.index import update_indices_from_partitions
from ...io_components.metapartition import MetaPartition, parse_input_to_metapartition
from ...io_components.read import dispatch_metapartitions_from_factory
from ...io_components.utils import normalize_args, raise_if_indices_overlap
from ...io_components.write import raise_if_dataset_exists, store_dataset_from_partitions
from ._utils import _cast_categorical_to_index_cat, _get_data, _load_and_concat, _maybe_get_categoricals_from_index

__all__ = ("build_dataset_indices__bag", "read_dataset_as_dataframe_bag", "store_bag_as_dataset")


def _commit(stored: Iterable[Iterable[MetaPartition]], **kwargs: Any) -> Any:
    return store_dataset_from_partitions([part for parts in stored for part in parts], **kwargs)


@default_docs
def read_dataset_as_metapartitions_bag(
    dataset_uuid: str | None = None,
    store: Any = None,
    columns: list[str] | None = None,
    predicate_pushdown_to_io: bool = True,
    categoricals: list[str] | None = None,
    dates_as_object: bool = True,
    predicates: Any = None,
    factory: DatasetFactory | None = None,
    dispatch_by: list[str] | None = None,
    partition_size: int | None = None,
) -> db.Bag:
    """Read a dataset as a bag of partitions with their rows.

    Parameters
    ----------
    """
    dataset = _ensure_factory(dataset_uuid=dataset_uuid, store=store, factory=factory)
    parts = dispatch_metapartitions_from_factory(
        dataset_factory=dataset, predicates=predicates, dispatch_by=dispatch_by
    )
    loaded = db.from_sequence(parts, partition_size=partition_size).map(
        MetaPartition.load_dataframes if dispatch_by is None else _load_and_concat,
        store=dataset.store_factory,
        columns=columns,
        categoricals=categoricals,
        predicate_pushdown_to_io=predicate_pushdown_to_io,
        dates_as_object=dates_as_object,
        predicates=predicates,
    )
    categories = _maybe_get_categoricals_from_index(dataset, categoricals)
    if not categories:
        return loaded
    return loaded.map(
        MetaPartition.apply, func=partial(_cast_categorical_to_index_cat, categories=categories), type_safe=True
    )


@default_docs
def read_dataset_as_dataframe_bag(
    dataset_uuid: str | None = None,
    store: Any = None,
    columns: list[str] | None = None,
    predicate_pushdown_to_io: bool = True,
    categoricals: list[str] | None = None,
    dates_as_object: bool = True,
    predicates: Any = None,
    factory: DatasetFactory | None = None,
    dispatch_by: list[str] | None = None,
    partition_size: int | None = None,
) -> db.Bag:
    """Read a dataset as a bag of frames.

    Parameters
    ----------
    """
    parts = read_dataset_as_metapartitions_bag(
        dataset_uuid=dataset_uuid,
        store=store,
        factory=factory,
        columns=columns,
        predicate_pushdown_to_io=predicate_pushdown_to_io,
        categoricals=categoricals,
        dates_as_object=dates_as_object,
        predicates=predicates,
        dispatch_by=dispatch_by,
        partition_size=partition_size,
    )
    return parts.map(_get_data)


@default_docs
@normalize_args
def store_bag_as_dataset(
    bag: db.Bag,
    store: Any,
    dataset_uuid: str | None = None,
    metadata: Any = None,
    df_serializer: Any = None,
    overwrite: bool = False,
    metadata_merger: Any = None,
    metadata_version: int = DEFAULT_METADATA_VERSION,
    partition_on: Any = None,
    metadata_storage_format: str = DEFAULT_METADATA_STORAGE_FORMAT,
    secondary_indices: Any = None,
    table_name: str = SINGLE_TABLE,
) -> Any:
    """Store a bag of frames as a new dataset.

    Parameters
    ----------
    """
    uuid = gen_uuid() if dataset_uuid is None else dataset_uuid
    if not overwrite:
        raise_if_dataset_exists(dataset_uuid=uuid, store=store)
    raise_if_indices_overlap(partition_on, secondary_indices)
    parts = bag.map(partial(parse_input_to_metapartition, metadata_version=metadata_version, table_name=table_name))
    if partition_on:
        parts = parts.map(MetaPartition.partition_on, partition_on=partition_on)
    if secondary_indices:
        parts = parts.map(MetaPartition.build_indices, columns=secondary_indices)
    stored = parts.map(MetaPartition.store_dataframes, store=store, df_serializer=df_serializer, dataset_uuid=uuid)
    commit = partial(
        _commit,
        dataset_uuid=uuid,
        store=store,
        dataset_metadata=metadata,
        metadata_merger=metadata_merger,
        metadata_storage_format=metadata_storage_format,
    )
    return stored.reduction(perpartition=list, aggregate=commit, split_every=False)


@default_docs
def build_dataset_indices__bag(
    store: Any,
    dataset_uuid: str | None,
    columns: Any,
    partition_size: int | None = None,
    factory: DatasetFactory | None = None,
) -> Any:
    """Build secondary indices of columns of a dataset.

    Parameters
    ----------
    """
    dataset = _ensure_factory(dataset_uuid=dataset_uuid, store=store, factory=factory)
    assert dataset.schema is not None
    wanted = [name for name in dataset.schema.names if name in set(columns)]
    parts = db.from_sequence(seq=dispatch_metapartitions_from_factory(dataset), partition_size=partition_size)
    return (
        parts.map(MetaPartition.load_dataframes, store=dataset.store_factory, columns=wanted)
        .map(MetaPartition.build_indices, columns=columns)
        .map(MetaPartition.remove_dataframes)
        .reduction(list, list, split_every=False, out_type=db.Bag)
        .flatten()
        .map_partitions(list)
        .map_partitions(update_indices_from_partitions, dataset_metadata_factory=dataset)
    )
