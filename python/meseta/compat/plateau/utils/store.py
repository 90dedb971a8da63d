"""Objects copied between stores."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ..core.utils import ensure_store

__all__ = ("copy_keys",)

_KEY = re.compile(r"[\\`!\"#$%&'()+,\-.<=>?@\[\]^_{}~/ 0-9a-zA-Z]+")


def copy_keys(keys: Iterable[str], src_store: Any, tgt_store: Any) -> None:
    """Copy objects from one store to another.

    Raises
    ------
    ValueError
        For a key that is none; nothing is copied then.
    """
    wanted = list(keys)
    for key in wanted:
        if key is None or _KEY.fullmatch(key) is None or key == "/":
            raise ValueError(f"Illegal key: {key}")
    source, target = ensure_store(src_store), ensure_store(tgt_store)
    for key in sorted(wanted):
        target.put(key, source.get(key))
