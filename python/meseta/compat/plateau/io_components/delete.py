"""Deleting what a dataset consists of."""

from __future__ import annotations

from typing import Any

from ..core import naming


def delete_common_metadata(dataset_factory: Any) -> Any:
    """Delete the schema."""
    for table in dataset_factory.tables:
        dataset_factory.store.delete(f"{dataset_factory.uuid}/{table}/{naming.TABLE_METADATA_FILE}")
    return dataset_factory


def delete_indices(dataset_factory: Any) -> Any:
    """Delete the secondary indices."""
    for index in dataset_factory.secondary_indices.values():
        if index.index_storage_key:
            dataset_factory.store.delete(index.index_storage_key)
    return dataset_factory


def delete_top_level_metadata(dataset_factory: Any, *args: Any) -> None:
    """Delete the main document: its msgpack twin first, so that no older state shows up."""
    for format in ("msgpack", "json"):
        key = naming.metadata_key_from_uuid(dataset_factory.dataset_uuid, format=format)
        if key in dataset_factory.store:
            dataset_factory.store.delete(key)
