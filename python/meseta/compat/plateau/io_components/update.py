"""Changes of a dataset."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..core.dataset import DatasetMetadata
from ..core.index import PartitionIndex
from ..core.utils import ensure_store
from .write import store_dataset_from_partitions


def update_dataset_from_partitions(
    partition_list: Iterable[Any],
    store_factory: Any,
    dataset_uuid: str | None,
    ds_factory: Any,
    delete_scope: Iterable[dict[str, Any]] | None,
    metadata: Any,
    metadata_merger: Any,
) -> DatasetMetadata:
    """Add partitions to a dataset (or make it), and remove those that match `delete_scope`."""
    removed: list[str] = []
    if ds_factory:
        ds_factory = ds_factory.load_all_indices()
        for scope in delete_scope or ():
            removed += ds_factory.query(**scope)
        for column, index in list(ds_factory.indices.items()):
            if isinstance(index, PartitionIndex):  # files' keys say it, the main document does not
                del ds_factory.indices[column]
        dataset_uuid = dataset_uuid or ds_factory.uuid
    return store_dataset_from_partitions(
        partition_list=partition_list,
        store=ds_factory.store if store_factory is None else ensure_store(store_factory),
        dataset_uuid=dataset_uuid or "",
        dataset_metadata=metadata,
        metadata_merger=metadata_merger,
        update_dataset=ds_factory,
        remove_partitions=removed,
    )
