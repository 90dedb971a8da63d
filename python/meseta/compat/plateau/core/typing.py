"""Types of arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from minimalkv import KeyValueStore

#: A URL, a store, or a function that gives a store.
StoreInput: TypeAlias = str | KeyValueStore | Callable[[], KeyValueStore]
StoreFactory: TypeAlias = Callable[[], KeyValueStore]
