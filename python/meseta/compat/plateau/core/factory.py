"""A dataset that opens itself when it is first needed, and can be sent to workers."""

from __future__ import annotations

import copy
from typing import Any, TypeVar, cast

from minimalkv import KeyValueStore

from .dataset import DatasetMetadata, DatasetMetadataBase
from .typing import StoreInput
from .utils import lazy_store

__all__ = ["DatasetFactory"]

T = TypeVar("T", bound="DatasetFactory")


class DatasetFactory(DatasetMetadataBase):
    """Loads the metadata on first use and keeps it until `invalidate`.

    Parameters
    ----------
    dataset_uuid : str
        Name of the dataset.
    store_factory : str, KeyValueStore or Callable
        Where it lies.
    load_schema, load_all_indices : bool
        What to load along with the metadata.
    """

    _nullable_attributes = ["_cache_metadata", "_cache_store"]

    def __init__(
        self, dataset_uuid: str, store_factory: StoreInput, load_schema: bool = True, load_all_indices: bool = False
    ) -> None:
        self._cache_metadata: DatasetMetadata | None = None
        self._cache_store: KeyValueStore | None = None
        self.store_factory = lazy_store(store_factory)
        self.dataset_uuid = dataset_uuid
        self.load_schema = load_schema
        self._ds_callable = None
        self.is_loaded = False
        self.load_all_indices_flag = load_all_indices

    def __repr__(self) -> str:
        return f"<DatasetFactory: uuid={self.dataset_uuid} is_loaded={self.is_loaded}>"

    @property
    def store(self) -> KeyValueStore:
        """The store, opened once."""
        if self._cache_store is None:
            self._cache_store = self.store_factory()
        return self._cache_store

    def _load(self: T) -> T:
        if self._cache_metadata is None:
            self._cache_metadata = DatasetMetadata.load_from_store(
                uuid=self.dataset_uuid,
                store=self.store,
                load_schema=self.load_schema,
                load_all_indices=self.load_all_indices_flag,
            )
            self.is_loaded = True
        return self

    @property
    def dataset_metadata(self) -> DatasetMetadata:
        """The metadata, loaded once."""
        return cast(DatasetMetadata, self._load()._cache_metadata)

    def invalidate(self) -> None:
        """Forget the metadata: the next use loads it anew."""
        self.is_loaded = False
        self._cache_metadata = None

    def __getattr__(self, name: str) -> Any:
        # Only what the factory does not have itself is asked of the dataset; copies and pickles ask before there is anything.
        if name.startswith("__") or name in self._nullable_attributes or "_cache_metadata" not in self.__dict__:
            raise AttributeError(name)
        return getattr(self.dataset_metadata, name)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in self._nullable_attributes}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for name in self._nullable_attributes:
            setattr(self, name, None)
        self.is_loaded = False

    def __deepcopy__(self, memo: dict[int, Any]) -> DatasetFactory:
        new = type(self).__new__(type(self))
        memo[id(self)] = new
        for name, value in self.__dict__.items():
            # The store is shared: it may not be something that can be copied.
            setattr(new, name, value if name in ("_cache_store", "store_factory") else copy.deepcopy(value, memo))
        return new

    def load_index(self: T, column: str, store: Any = None) -> T:
        """Load a secondary index."""
        self._cache_metadata = self.dataset_metadata.load_index(column, self.store)
        return self

    def load_all_indices(self: T, store: Any = None) -> T:
        """Load all indices, those of the partition keys too."""
        self._cache_metadata = self.dataset_metadata.load_all_indices(self.store)
        return self

    def load_partition_indices(self: T) -> T:
        """Load the indices of the partition keys."""
        self._cache_metadata = self.dataset_metadata.load_partition_indices()
        return self


def _ensure_factory(
    dataset_uuid: str | None, store: StoreInput | None, factory: DatasetFactory | None, load_schema: bool = True
) -> DatasetFactory:
    """Return `factory`, or one of `dataset_uuid` and `store`: exactly one of both is to be given."""
    if store is None and dataset_uuid is None and factory is not None:
        return factory
    if factory is None and store is not None and dataset_uuid is not None:
        return DatasetFactory(dataset_uuid=dataset_uuid, store_factory=lazy_store(store), load_schema=load_schema)
    raise ValueError("Need to supply either a `factory` or `dataset_uuid` and `store`")
