"""From partitions to a committed dataset."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import pandas as pd
import pyarrow as pa
from minimalkv import KeyValueStore

from ..core import naming
from ..core.common_metadata import SchemaWrapper, read_schema_metadata, store_schema_metadata, validate_compatible
from ..core.dataset import DatasetMetadata, DatasetMetadataBuilder
from ..core.index import ExplicitSecondaryIndex, PartitionIndex
from ..core.naming import SINGLE_TABLE
from ..core.typing import StoreFactory, StoreInput
from ..core.utils import ensure_store
from ..serialization import DataFrameSerializer
from .metapartition import (
    MetaPartition,
    MetaPartitionInput,
    parse_input_to_metapartition,
    partition_labels_from_mps,
)
from .utils import combine_metadata, extract_duplicates, sort_values_categorical

#: Column that shuffling puts into frames; it is never stored.
_KTK_HASH_BUCKET = "__KTK_HASH_BUCKET"


def write_partition(
    partition_df: MetaPartitionInput,
    secondary_indices: list[str],
    sort_partitions_by: list[str],
    dataset_uuid: str,
    partition_on: list[str],
    store_factory: StoreFactory,
    df_serializer: DataFrameSerializer | None,
    metadata_version: int,
    dataset_table_name: str = SINGLE_TABLE,
) -> MetaPartition:
    """Store the rows of a frame as data files, without committing them."""
    if isinstance(partition_df, pd.DataFrame) and _KTK_HASH_BUCKET in partition_df.columns:
        partition_df = partition_df.drop(columns=_KTK_HASH_BUCKET)
    parts = parse_input_to_metapartition(partition_df, metadata_version=metadata_version, table_name=dataset_table_name)
    return prepared(parts, sort_partitions_by, partition_on, secondary_indices).store_dataframes(
        store=ensure_store(store_factory), dataset_uuid=dataset_uuid, df_serializer=df_serializer
    )


def prepared(
    parts: MetaPartition, sort_by: list[str], partition_on: list[str], secondary_indices: list[str]
) -> MetaPartition:
    """Sort, partition and index rows before they are stored."""
    if sort_by:
        parts = parts.apply(partial(sort_values_categorical, columns=sort_by))
    if partition_on:
        parts = parts.partition_on(partition_on)
    return parts.build_indices(secondary_indices) if secondary_indices else parts


def persist_indices(store: StoreInput, dataset_uuid: str, indices: dict[str, Any]) -> dict[str, str]:
    """Store the secondary indices and return their keys."""
    keys = {}
    for column, index in indices.items():
        if isinstance(index, PartitionIndex):
            continue
        if isinstance(index, dict):
            legacy = f"{dataset_uuid}.{column}{naming.EXTERNAL_INDEX_SUFFIX}"
            index = ExplicitSecondaryIndex(column=column, index_dct=index, index_storage_key=legacy)
        keys[column] = index.store(store=ensure_store(store), dataset_uuid=dataset_uuid)
    return keys


def persist_common_metadata(
    schemas: Iterable[SchemaWrapper], update_dataset: Any, store: KeyValueStore, dataset_uuid: str, table_name: str
) -> SchemaWrapper | None:
    """Compare all schemas, with the stored one too, and store what they agree on."""
    found = set(schemas)
    if not found:
        return None
    if update_dataset:
        found.add(read_schema_metadata(dataset_uuid=dataset_uuid, store=store, table=table_name))
    try:
        agreed = validate_compatible(sorted(found, key=lambda schema: sorted(schema.origin)))
    except ValueError as error:
        raise ValueError(f"Schemas for dataset '{dataset_uuid}' are not compatible!\n\n{error}") from error
    if agreed:
        store_schema_metadata(schema=agreed, dataset_uuid=dataset_uuid, store=store, table=table_name)
    return agreed


def coerce_schema_timestamps(wrapper: SchemaWrapper) -> SchemaWrapper:
    """Timestamps without a zone count as nanoseconds, whatever their unit."""
    schema = wrapper.internal()
    fields = [
        pa.field(field.name, pa.timestamp("ns"))
        if pa.types.is_timestamp(field.type) and field.type.tz is None
        else field
        for field in schema
    ]
    return SchemaWrapper(pa.schema(fields, schema.metadata), wrapper.origin)


def store_main_document(store: KeyValueStore, builder: DatasetMetadataBuilder, metadata_storage_format: str) -> None:
    """Commit: put the main document."""
    format = metadata_storage_format.lower()
    if format not in ("json", "msgpack"):
        raise ValueError(f"Unknown metadata storage format encountered: {metadata_storage_format}")
    store.put(*(builder.to_json() if format == "json" else builder.to_msgpack()))


def store_dataset_from_partitions(
    partition_list: Iterable[MetaPartition],
    store: StoreInput,
    dataset_uuid: str,
    dataset_metadata: Any = None,
    metadata_merger: Any = None,
    update_dataset: Any = None,
    remove_partitions: Iterable[str] | None = None,
    metadata_storage_format: str = naming.DEFAULT_METADATA_STORAGE_FORMAT,
) -> DatasetMetadata:
    """Commit partitions whose files are stored: as a new dataset, or as a change of one.

    Parameters
    ----------
    partition_list : iterable of MetaPartition
    store : StoreInput
    dataset_uuid : str
    dataset_metadata : dict or Callable, optional
        The user's metadata to add.
    metadata_merger : Callable, optional
        Unites the metadata there is.
    update_dataset : DatasetMetadataBase, optional
        The dataset to change.
    remove_partitions : iterable of str, optional
        Labels of partitions to remove.
    metadata_storage_format : str
        ``json`` or ``msgpack``.
    """
    found_store = ensure_store(store)
    parts = list(partition_list)
    if update_dataset:
        builder = DatasetMetadataBuilder.from_dataset(update_dataset)
        table_name = update_dataset.table_name
        schemas = {update_dataset.schema}
    else:
        if not parts:
            raise ValueError("Cannot store empty datasets, partition_list must not be empty if in store mode.")
        table_name = parts[0].table_name
        builder = DatasetMetadataBuilder(
            uuid=dataset_uuid, metadata_version=parts[0].metadata_version, partition_keys=parts[0].partition_keys
        )
        schemas = set()
    schemas |= {coerce_schema_timestamps(part.schema) for part in parts if part.schema}
    builder.schema = persist_common_metadata(schemas, update_dataset, found_store, dataset_uuid, table_name)
    twice = extract_duplicates(partition_labels_from_mps(parts))
    if twice:
        raise ValueError(f"The labels {', '.join(twice)} are duplicated. Dataset metadata was not written.")
    removed = list(remove_partitions or [])
    update_metadata(builder, metadata_merger or combine_metadata, dataset_metadata)
    update_partitions(builder, parts, removed)
    update_indices(builder, found_store, parts, removed)
    store_main_document(found_store, builder, metadata_storage_format)
    return builder.to_dataset()


def update_metadata(
    dataset_builder: DatasetMetadataBuilder, metadata_merger: Any, dataset_metadata: Any
) -> DatasetMetadataBuilder:
    """Unite the metadata there is with new ones, which win."""
    merged = metadata_merger([dataset_builder.metadata])
    new = dataset_metadata() if callable(dataset_metadata) else dataset_metadata or {}
    merged.update(new)
    for name, value in merged.items():
        dataset_builder.add_metadata(name, value)
    return dataset_builder


def update_partitions(
    dataset_builder: DatasetMetadataBuilder, add_partitions: Iterable[MetaPartition], remove_partitions: Iterable[str]
) -> DatasetMetadataBuilder:
    """Add and remove partitions."""
    for mp in add_partitions:
        for part in mp:
            dataset_builder.explicit_partitions = True
            dataset_builder.add_partition(part.label, part.partition)
    for label in remove_partitions:
        del dataset_builder.partitions[label]
    return dataset_builder


def update_indices(
    dataset_builder: DatasetMetadataBuilder,
    store: StoreInput,
    add_partitions: Iterable[MetaPartition],
    remove_partitions: list[str],
) -> DatasetMetadataBuilder:
    """Bring the secondary indices up to date and store them."""
    added = MetaPartition.merge_indices(add_partitions)
    indices = dataset_builder.indices or added
    if dataset_builder.indices:
        if remove_partitions:
            indices = {
                column: index.remove_partitions(remove_partitions, inplace=True) for column, index in indices.items()
            }
        for column, index in added.items():
            indices[column] = indices[column].update(index, inplace=True)
    for column, key in persist_indices(store, dataset_builder.uuid, indices).items():
        dataset_builder.add_external_index(column, key)
    return dataset_builder


def raise_if_dataset_exists(dataset_uuid: str, store: StoreInput) -> None:
    """Refuse to write over a dataset."""
    if DatasetMetadata.exists(dataset_uuid, store):
        raise RuntimeError("Dataset `%s` already exists and overwrite is not permitted!", dataset_uuid)
