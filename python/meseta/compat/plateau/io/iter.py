"""Datasets one partition after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pandas as pd

from ..core.dataset import DatasetMetadata
from ..core.docs import default_docs
from ..core.factory import DatasetFactory, _ensure_factory
from ..core.naming import DEFAULT_METADATA_STORAGE_FORMAT, DEFAULT_METADATA_VERSION, SINGLE_TABLE
from ..core.uuid import gen_uuid
from ..io_components.metapartition import MetaPartition, parse_input_to_metapartition
from ..io_components.read import dispatch_metapartitions_from_factory
from ..io_components.update import update_dataset_from_partitions
from ..io_components.utils import (
    _ensure_compatible_indices,
    normalize_args,
    raise_if_indices_overlap,
    validate_partition_keys,
)
from ..io_components.write import prepared, raise_if_dataset_exists, store_dataset_from_partitions

__all__ = (
    "read_dataset_as_dataframes__iterator",
    "store_dataframes_as_dataset__iter",
    "update_dataset_from_dataframes__iter",
)


@default_docs
@normalize_args
def read_dataset_as_metapartitions__iterator(
    dataset_uuid: str | None = None,
    store: Any = None,
    columns: list[str] | None = None,
    predicate_pushdown_to_io: bool = True,
    categoricals: list[str] | None = None,
    dates_as_object: bool = True,
    predicates: Any = None,
    factory: DatasetFactory | None = None,
    dispatch_by: list[str] | None = None,
) -> Iterator[MetaPartition]:
    """Give the partitions with their rows.

    Parameters
    ----------
    """
    dataset = _ensure_factory(dataset_uuid=dataset_uuid, store=store, factory=factory)

    def load(part: MetaPartition) -> MetaPartition:
        return part.load_dataframes(
            store=dataset.store,
            columns=columns,
            categoricals=categoricals,
            predicate_pushdown_to_io=predicate_pushdown_to_io,
            dates_as_object=dates_as_object,
            predicates=predicates,
        )

    for found in dispatch_metapartitions_from_factory(dataset, predicates=predicates, dispatch_by=dispatch_by):
        yield (
            load(found) if dispatch_by is None else MetaPartition.concat_metapartitions([load(part) for part in found])
        )


@default_docs
@normalize_args
def read_dataset_as_dataframes__iterator(
    dataset_uuid: str | None = None,
    store: Any = None,
    columns: list[str] | None = None,
    predicate_pushdown_to_io: bool = True,
    categoricals: list[str] | None = None,
    dates_as_object: bool = True,
    predicates: Any = None,
    factory: DatasetFactory | None = None,
    dispatch_by: list[str] | None = None,
) -> Iterator[pd.DataFrame]:
    """Give the rows of one partition after the other.

    Parameters
    ----------
    """
    for part in read_dataset_as_metapartitions__iterator(
        dataset_uuid=dataset_uuid,
        store=store,
        columns=columns,
        predicate_pushdown_to_io=predicate_pushdown_to_io,
        categoricals=categoricals,
        dates_as_object=dates_as_object,
        predicates=predicates,
        factory=factory,
        dispatch_by=dispatch_by,
    ):
        yield part.data


@default_docs
@normalize_args
def update_dataset_from_dataframes__iter(
    df_generator: Iterable[Any],
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
) -> DatasetMetadata:
    """Add rows to a dataset (or make it) and remove partitions, in one commit.

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
    stored = []
    for item in df_generator:
        part = parse_input_to_metapartition(item, metadata_version=metadata_version, table_name=table_name)
        part = prepared(part, sort_partitions_by, partition_on, indices)
        stored.append(
            part.store_dataframes(
                store=dataset.store if store is None else store,
                dataset_uuid=dataset_uuid or dataset.uuid,
                df_serializer=df_serializer,
            )
        )
    return update_dataset_from_partitions(
        stored,
        store_factory=store,
        dataset_uuid=dataset_uuid,
        ds_factory=dataset,
        delete_scope=delete_scope,
        metadata=metadata,
        metadata_merger=metadata_merger,
    )


@default_docs
@normalize_args
def store_dataframes_as_dataset__iter(
    df_generator: Iterable[Any],
    store: Any,
    dataset_uuid: str | None = None,
    metadata: Any = None,
    partition_on: Any = None,
    df_serializer: Any = None,
    overwrite: bool = False,
    metadata_storage_format: str = DEFAULT_METADATA_STORAGE_FORMAT,
    metadata_version: int = DEFAULT_METADATA_VERSION,
    secondary_indices: Any = None,
    table_name: str = SINGLE_TABLE,
) -> DatasetMetadata:
    """Store frames as a new dataset, holding one at a time.

    Parameters
    ----------
    """
    uuid = gen_uuid() if dataset_uuid is None else dataset_uuid
    if not overwrite:
        raise_if_dataset_exists(dataset_uuid=uuid, store=store)
    raise_if_indices_overlap(partition_on, secondary_indices)
    stored = []
    for item in df_generator:
        part = parse_input_to_metapartition(item, metadata_version=metadata_version, table_name=table_name)
        part = prepared(part, [], partition_on, secondary_indices)
        stored.append(part.store_dataframes(store=store, dataset_uuid=uuid, df_serializer=df_serializer))
    return store_dataset_from_partitions(
        partition_list=stored,
        dataset_uuid=uuid,
        store=store,
        dataset_metadata=metadata,
        metadata_storage_format=metadata_storage_format,
    )
