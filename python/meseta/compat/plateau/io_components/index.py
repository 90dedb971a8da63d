"""Indices of datasets that have rows already."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..core import naming
from ..core.index import ExplicitSecondaryIndex
from .metapartition import MetaPartition
from .write import persist_indices


def update_indices_from_partitions(partition_list: Iterable[MetaPartition], dataset_metadata_factory: Any) -> Any:
    """Store the united indices of partitions and commit them."""
    dataset = dataset_metadata_factory
    keys = persist_indices(dataset.store, dataset.uuid, MetaPartition.merge_indices(partition_list))
    for column, key in keys.items():
        dataset.indices[column] = ExplicitSecondaryIndex(column=column, index_storage_key=key)
    dataset.store.put(naming.metadata_key_from_uuid(dataset.uuid), dataset.to_json())
    return dataset
