"""Stores and versions as arguments."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

from minimalkv import KeyValueStore, get_store_from_url

from .naming import MAX_METADATA_VERSION, MIN_METADATA_VERSION
from .typing import StoreInput

__all__ = ["ensure_store", "lazy_store"]


def _verify_metadata_version(metadata_version: int) -> None:
    if metadata_version < MIN_METADATA_VERSION:
        raise NotImplementedError(f"Minimal supported metadata version is 4. You requested {metadata_version} instead.")
    if metadata_version > MAX_METADATA_VERSION:
        raise NotImplementedError(f"Future metadata version `{metadata_version}` encountered.")


def verify_metadata_version(metadata_version: int) -> None:
    """Refuse versions of the format that are not 4."""
    return _verify_metadata_version(metadata_version)


def ensure_string_type(obj: bytes | str) -> str:
    """Return text; bytes are decoded."""
    return obj.decode() if isinstance(obj, bytes) else str(obj)


def _is_store(obj: Any) -> bool:
    """By its methods: decorated stores are no subclasses."""
    return hasattr(obj, "iter_prefixes")


class _Given:
    """A store factory that gives the store it was made with."""

    def __init__(self, store: KeyValueStore) -> None:
        self.store = store

    def __call__(self) -> KeyValueStore:
        return self.store


class _Url:
    """A store factory that opens a URL."""

    def __init__(self, url: str) -> None:
        self.url = url

    def __call__(self) -> KeyValueStore:
        return get_store_from_url(self.url)


def lazy_store(store: StoreInput) -> Callable[[], KeyValueStore]:
    """Return a function that gives the store; workers receive it pickled.

    Raises
    ------
    TypeError
        For what is neither a URL, a store nor a function, and for a store that cannot be pickled.
    """
    if callable(store):
        return store
    if isinstance(store, str):
        return _Url(store)
    if not _is_store(store):
        raise TypeError(f"Provided incompatible store type. Got {type(store)} but expected {StoreInput}.")
    try:
        pickle.dumps(store, pickle.HIGHEST_PROTOCOL)
    except Exception as cause:
        raise TypeError("KeyValueStore not serializable: hand over a URL or a function that makes the store") from cause
    return _Given(store)


def ensure_store(store: StoreInput) -> KeyValueStore:
    """Return the store that a URL, a store or a function stands for."""
    if _is_store(store):
        return store  # type: ignore[return-value]
    return lazy_store(store)()
