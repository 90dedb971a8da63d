"""Keys of data files: quoted ``column=value`` parts between table and file name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote as _quote
from urllib.parse import unquote_to_bytes


def quote(value: Any) -> str:
    """Percent-encode all bytes but letters, digits and ``-._~/``; what is neither text nor bytes goes through `str`."""
    if not isinstance(value, (str, bytes)):
        value = str(value)
    return _quote(value, safe="-._~/")


def unquote(value: str | bytes) -> str:
    """Undo `quote`; what is no whole ``%XX`` stays."""
    return unquote_to_bytes(value).decode("utf-8")


def quote_indices(indices: Iterable[tuple[Any, Any]]) -> list[str]:
    """``column=value`` of each pair, both quoted.

    Examples
    --------
    >>> quote_indices([("day", "a b")])
    ['day=a%20b']
    """
    return [f"{quote(column)}={quote(value)}" for column, value in indices]


def unquote_indices(index_strings: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of the parts that hold exactly one ``=``; others are no pairs and are left out."""
    found = []
    for text in index_strings:
        parts = text.split("=")
        if len(parts) == 2:
            found.append((unquote(parts[0]), unquote(parts[1])))
    return found


def decode_key(key: str) -> tuple[str, str | None, list[tuple[str, str]], str | None]:
    """Split a key into uuid, table, pairs and file name; table and file name are None where it is no data file's."""
    parts = key.split("/")
    if len(parts) < 3:
        return key, None, [], None
    return parts[0], parts[1], unquote_indices(parts[2:-1]), parts[-1]
