"""Conditions as the library takes them: text as it is, the list form as JSON in which each value carries its type."""

from __future__ import annotations

from .errors import ArgumentError

TYPE_CHECKING = False  # so that importing the package does not import typing
if TYPE_CHECKING:
    from typing import Any

__all__ = ["where_text"]

_INT = 2**63


def where_text(where: object) -> str | None:
    """Text of a condition; None for none."""
    if where is None:
        return None
    if isinstance(where, str):
        if not where.strip():
            raise ArgumentError("the condition is empty")
        return where
    if isinstance(where, (bytes, dict)) or not hasattr(where, "__iter__"):
        raise ArgumentError(
            f"a condition is text or a list of lists of (column, operator, value), not {type(where).__name__}"
        )
    import json

    return json.dumps([_all_of(part) for part in where])


def _all_of(part: object) -> list[list[Any]]:
    if isinstance(part, (str, bytes, dict)) or not hasattr(part, "__iter__"):
        raise ArgumentError(f"a condition is a list (or) of lists (and) of (column, operator, value), not of {part!r}")
    return [_one(test) for test in part]


def _one(test: Any) -> list[Any]:
    if isinstance(test, (str, bytes)) or not hasattr(test, "__len__") or len(test) != 3:
        raise ArgumentError(f"a test is (column, operator, value), not {test!r}")
    column, op, value = test
    if not isinstance(column, str) or not isinstance(op, str):
        raise ArgumentError(f"column and operator of a test are text, in {test!r}")
    many = not isinstance(value, (str, bytes, bytearray, memoryview)) and hasattr(value, "__iter__")
    if many and getattr(value, "shape", None) == ():  # a NumPy array of one value and no dimension
        many = False
    return [column, op, [literal(each) for each in value] if many else literal(value)]


def _typed(kind: str, value: str) -> dict[str, str]:
    return {"type": kind, "value": value}


def literal(value: Any) -> Any:
    """A value as JSON; what JSON cannot say is ``{"type": …, "value": text}``."""
    if value is None or isinstance(value, (bool, str)):
        return str(value) if isinstance(value, str) else value
    if isinstance(value, int):
        number = int(value)
        return number if -_INT <= number < _INT else _typed("decimal", str(number))
    if isinstance(value, float):
        return _float(float(value))
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _typed("binary", bytes(value).hex())
    return _other(value)


def _float(value: float) -> Any:
    if value != value:
        return _typed("float", "nan")
    if value in (float("inf"), float("-inf")):
        return _typed("float", "inf" if value > 0 else "-inf")
    return value


def _other(value: Any) -> Any:
    import datetime
    import decimal
    import uuid

    module = type(value).__module__.partition(".")[0]
    if module in ("numpy", "pandas"):
        found = _of_arrays(value)
        if found is not value:
            return found
    if isinstance(value, decimal.Decimal):
        if not value.is_finite():
            return _float(float(value))
        return _typed("decimal", f"{value:f}")
    if isinstance(value, datetime.datetime):
        return _typed("timestamp" if value.utcoffset() is None else "timestamptz", value.isoformat())
    if isinstance(value, datetime.date):
        return _typed("date", value.isoformat())
    if isinstance(value, datetime.time):
        return _typed("time", value.replace(tzinfo=None).isoformat())
    if isinstance(value, datetime.timedelta):
        nanos = getattr(value, "nanoseconds", 0)  # of pandas
        return _typed("duration", f"{value.days}d {value.seconds}s {value.microseconds}us {nanos}ns")
    if isinstance(value, uuid.UUID):
        return _typed("binary", value.bytes.hex())
    raise ArgumentError(f"a condition cannot compare with {value!r} of type {type(value).__name__}")


def _of_arrays(value: Any) -> Any:
    """Scalars of NumPy and pandas by their plain meaning; other things as they are."""
    name = type(value).__name__
    if name in ("NaTType", "NAType"):
        return None
    if name == "datetime64":
        text = str(value)
        if text == "NaT":
            return None
        if len(text) <= 10:
            return _typed("date", str(value.astype("M8[D]")))
        return _typed("timestamp", text if len(text) > 13 else str(value.astype("M8[s]")))
    if name == "timedelta64":
        if str(value) == "NaT":
            return None
        nanos = int(value.astype("m8[ns]").astype("i8"))
        return _typed("duration", f"{nanos}ns")
    if hasattr(value, "item"):
        plain = value.item()
        return literal(plain) if type(plain) is not type(value) else value
    return value
