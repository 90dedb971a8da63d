"""Files that no dataset names any more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ..core.factory import _ensure_factory
from ..core.naming import TABLE_METADATA_FILE


def dispatch_files_to_gc(
    dataset_uuid: str | None, store_factory: Any, chunk_size: int | None, factory: Any
) -> Iterator[list[str]]:
    """Give lists of keys to delete; one list when `chunk_size` is None."""
    dataset = _ensure_factory(dataset_uuid=dataset_uuid, store=store_factory, factory=factory)
    uuid = dataset_uuid or dataset.uuid
    unused = set(dataset.store.iter_keys(prefix=f"{uuid}/indices/"))
    unused -= {index.index_storage_key for index in dataset.secondary_indices.values()}
    if dataset.explicit_partitions:
        used = {key for partition in dataset.partitions.values() for key in partition.files.values()}
        table = f"{uuid}/{dataset.table_name}/"
        used.add(table + TABLE_METADATA_FILE)
        unused |= set(dataset.store.iter_keys(prefix=table)) - used
    keys = list(unused)
    if chunk_size is None:
        yield keys
        return
    for i in range(0, len(keys), chunk_size):
        yield keys[i : i + chunk_size]


def delete_files(files: Iterable[str], store_factory: Any) -> None:
    """Delete keys."""
    store = store_factory()
    for key in files:
        store.delete(key)
