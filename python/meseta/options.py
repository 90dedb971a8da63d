"""Arguments as the library takes them, checked: text, URLs, counts, sizes, storage options, the rest as JSON."""

from __future__ import annotations

import os

from .errors import ArgumentError

TYPE_CHECKING = False  # so that importing the package does not import typing
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

__all__ = ["count", "flag", "json_text", "pairs", "size", "text", "url"]

_MAX = 2**63 - 1
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}


def url(value: object, what: str) -> str:
    """A URL or path of text, bytes or a path object."""
    if not isinstance(value, (str, bytes, os.PathLike)):
        raise ArgumentError(f"{what} must be a URL or a path, not {type(value).__name__}")
    found = os.fsdecode(value)
    if not found:
        raise ArgumentError(f"{what} is empty")
    return found


def text(value: object, what: str) -> str | None:
    """Text or None."""
    if value is not None and not isinstance(value, str):
        raise ArgumentError(f"{what} must be text, not {type(value).__name__}")
    return value


def texts(value: object, what: str) -> str | None:
    """Text, or several texts without blanks, which are joined by them, or None."""
    if value is None or isinstance(value, str):
        return value
    try:
        each = list(value)  # type: ignore[call-overload]
    except TypeError:
        each = [value]
    for one in each:
        if not isinstance(one, str):
            raise ArgumentError(f"{what} must be text or a list of texts, not {type(one).__name__}")
        if one.split() != [one]:
            raise ArgumentError(f"{what} {one!r}: each of several is one text without blanks")
    if not each:
        raise ArgumentError(f"{what} is an empty list")
    return " ".join(each)


def flag(value: object, what: str) -> bool:
    """True or False; other things are more likely a slip than a wish."""
    if isinstance(value, bool) or type(value).__name__ in ("bool_", "bool"):
        return bool(value)
    raise ArgumentError(f"{what} must be True or False, not {value!r}")


def count(value: object, what: str, most: int = _MAX) -> int:
    """A whole number above 0; 0 for None."""
    import operator

    if value is None:
        return 0
    try:
        number = -1 if isinstance(value, bool) else operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = -1
    if not 1 <= number <= most:
        raise ArgumentError(f"{what} must be a whole number from 1 to {most}, not {value!r}")
    return number


def size(value: object, what: str) -> int:
    """Bytes from a number or text such as "64MiB"; 0 for None."""
    if isinstance(value, str):
        given = value.strip()
        digits = given.rstrip("kKmMgGtTiIbB ")
        unit = _UNITS.get(given[len(digits) :].strip().lower().removesuffix("b"))
        try:
            number = int(digits) if digits.isdecimal() else float(digits)
            if unit is not None and 1 <= number * unit <= _MAX:
                return round(number * unit)
        except ValueError:
            pass
    elif value is None or not isinstance(value, (float, bytes)):
        try:
            return count(value, what)
        except ArgumentError:
            pass
    raise ArgumentError(f"{what} must be a number of bytes above 0 or text such as '64MiB', not {value!r}")


def _flatten(options: Mapping[Any, Any], prefix: str) -> list[tuple[str, str]]:
    from collections.abc import Mapping

    found: list[tuple[str, str]] = []
    for key, value in options.items():
        if not isinstance(key, str):
            raise ArgumentError(f"names of storage options must be text, not {key!r}")
        name = prefix + key
        if value is None:
            continue
        if isinstance(value, Mapping):
            found += _flatten(value, f"{name}.")
        elif isinstance(value, bool):
            found.append((name, "true" if value else "false"))
        elif isinstance(value, (str, int, float)):
            found.append((name, str(value)))
        elif isinstance(value, (bytes, os.PathLike)):
            found.append((name, os.fsdecode(value)))
        else:
            raise ArgumentError(
                f"the storage option {name!r} must be text, a number, True or False, not {type(value).__name__}"
            )
    return found


def pairs(options: object) -> list[tuple[str, str]]:
    """Storage options, nested ones (``client_kwargs``) by dotted names; None values are left out."""
    from collections.abc import Mapping

    if options is None:
        return []
    if not isinstance(options, Mapping):
        raise ArgumentError(f"storage_options must be a dict, not {type(options).__name__}")
    return _flatten(options, "")


def _plain(value: Any) -> Any:
    """What json cannot print itself but has a plain form: NumPy's numbers, sequences, mappings."""
    from collections.abc import Mapping

    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "__iter__"):
        return list(value)
    raise ArgumentError(f"options must be plain values, not {type(value).__name__}")


def json_text(options: Mapping[str, Any]) -> str:
    """JSON text of the options that are not None, "" for none."""
    import json

    given = {key: value for key, value in options.items() if value is not None}
    try:
        return json.dumps(given, default=_plain, allow_nan=False) if given else ""
    except (TypeError, ValueError, RecursionError) as error:
        raise ArgumentError(f"options must be plain values: {error}") from None
