"""Options as the library takes them: storage options as pairs of text, the rest as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .errors import ArgumentError

__all__ = ["pairs", "size", "to_json"]

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}


def _flatten(options: Mapping[str, Any], prefix: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for key, value in options.items():
        if value is None:
            continue
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            found += _flatten(value, f"{name}.")
        elif isinstance(value, bool):
            found.append((name, "true" if value else "false"))
        else:
            found.append((name, str(value)))
    return found


def pairs(options: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """Storage options, nested ones (``client_kwargs``) by dotted names; None values are left out."""
    return _flatten(options or {}, "")


def to_json(options: Mapping[str, Any]) -> str:
    """JSON text, "" for no options."""
    try:
        return json.dumps(dict(options)) if options else ""
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"options must be plain values: {error}") from None


def size(value: int | str | None, what: str) -> int:
    """Bytes from a number or text such as "64MiB"; 0 for None."""
    if value is None:
        return 0
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    if isinstance(value, str):
        text = value.strip()
        digits = text.rstrip("kKmMgGtTiIbB ")
        unit = text[len(digits) :].strip().lower().removesuffix("b")
        try:
            number = float(digits) * _UNITS[unit]
        except (KeyError, ValueError):
            number = 0
        if number >= 1:
            return round(number)
    raise ArgumentError(f"{what} must be a number of bytes above 0 or text such as '64MiB', not {value!r}")
