"""Values brought into one form."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pandas as pd
import pyarrow as pa

__all__ = (
    "converter_str",
    "converter_str_set",
    "converter_str_set_optional",
    "converter_str_tupleset",
    "converter_tuple",
    "get_str_to_python_converter",
)

_TRUE = ("1", "t", "y", "true", "yes")
_FALSE = ("0", "f", "n", "false", "no")


def converter_str(obj: Any) -> str:
    """Return text; bytes are decoded, anything else is refused."""
    if isinstance(obj, bytes):
        return obj.decode("utf-8")
    if not isinstance(obj, str):
        raise TypeError(f"Object of type {type(obj).__name__} is not a string: {obj}")
    return obj


def converter_tuple(obj: Any) -> tuple[Any, ...]:
    """Return a tuple of what can be iterated over, of one value, or of nothing for None."""
    if obj is None:
        return ()
    return tuple(obj) if hasattr(obj, "__iter__") and not isinstance(obj, (str, bytes)) else (obj,)


def converter_str_set(obj: Any) -> frozenset[str]:
    """Return a set of texts."""
    return frozenset(converter_str(item) for item in converter_tuple(obj))


def converter_str_set_optional(obj: Any) -> frozenset[str] | None:
    """Return a set of texts, or None for None."""
    return None if obj is None else converter_str_set(obj)


def converter_str_tupleset(obj: Iterable[str] | str | None) -> tuple[str, ...]:
    """Return distinct texts in their order, which sets and maps do not have."""
    if isinstance(obj, (dict, frozenset, set)):
        raise TypeError(f"{obj} which has type {type(obj).__name__} has an unstable iteration order")
    found = tuple(converter_str(item) for item in converter_tuple(obj))
    if len(set(found)) != len(found):
        raise ValueError(f"Tuple-set contains duplicates: {', '.join(found)}")
    return found


def _to_bool(text: str) -> bool:
    if text.lower() not in _TRUE + _FALSE:
        raise ValueError(f"Cannot parse bool: {text}")
    return text.lower() in _TRUE


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def get_str_to_python_converter(pa_type: pa.DataType) -> Callable[[str], Any]:
    """Return the function that reads text as a value of a type."""
    is_a = pa.types
    for test, convert in (
        (is_a.is_boolean, _to_bool),
        (is_a.is_floating, float),
        (is_a.is_integer, int),
        (is_a.is_string, _unquoted),
        (is_a.is_timestamp, pd.Timestamp),
    ):
        if test(pa_type):
            return convert  # type: ignore[return-value]
    raise ValueError(f"Cannot handle type {pa_type}")
