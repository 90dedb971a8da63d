"""pandas frames as Arrow columns: by pyarrow where it is there, else by what pandas and NumPy know themselves."""

from __future__ import annotations

from typing import Any

from . import _meseta
from .errors import ArgumentError

__all__ = ["frame"]

_NUMBERS = {"i1": "c", "u1": "C", "i2": "s", "u2": "S", "i4": "i", "u4": "I", "i8": "l", "u8": "L", "f2": "e"}
_NUMBERS |= {"f4": "f", "f8": "g"}
_UNITS = {"s": "s", "ms": "m", "us": "u", "ns": "n"}
_NULLABLE = 2
_ORDERED = 1


def frame(data: Any) -> _meseta.Input:
    """All columns of a pandas frame, and its index where it is more than a count of rows."""
    try:
        if hasattr(data, "__arrow_c_stream__"):
            return _meseta.Input.of_stream(data.__arrow_c_stream__())
        import pyarrow  # type: ignore[import,unused-ignore]

        return _meseta.Input.of_stream(pyarrow.Table.from_pandas(data).__arrow_c_stream__())
    except ImportError:
        return _by_hand(data)


def _by_hand(data: Any) -> _meseta.Input:
    if not data.columns.is_unique:
        raise ArgumentError("the frame has several columns of one name")
    columns = [_column(str(name), data[name]) for name in data.columns]
    index = data.index
    counts = type(index).__name__ == "RangeIndex" and index.name is None and (index.start, index.step) == (0, 1)
    if not counts:
        for level in range(index.nlevels):
            values = index.get_level_values(level)
            name = f"__index_level_{level}__" if values.name is None else str(values.name)
            columns.append(_column(name, values.to_series(index=range(len(values)))))
    return _meseta.Input.of_columns(columns, len(data))


def _fixed(name: str, format: str, values: Any, missing: Any, buffer: Any = None) -> _meseta.Column:
    """A column of one buffer of values; `missing` is an array of bools or None."""
    import numpy as np

    nulls = 0 if missing is None else int(missing.sum())
    valid = np.packbits(~missing, bitorder="little") if nulls else None
    memory = np.ascontiguousarray(values if buffer is None else buffer).view(np.uint8) if len(values) else None
    return _meseta.Column(format, name, len(values), nulls, [valid, memory], [], None, _NULLABLE, None)


def _column(name: str, series: Any) -> _meseta.Column:
    import numpy as np

    dtype = series.dtype
    kind = type(dtype).__name__
    missing = np.asarray(series.isna(), dtype=bool)
    if kind == "CategoricalDtype":
        return _categories(name, series, missing)
    if kind == "DatetimeTZDtype":
        plain = series.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()
        return _fixed(name, f"ts{_UNITS[dtype.unit]}:{dtype.tz}", plain.view("i8"), missing)
    if isinstance(dtype, np.dtype):
        return _plain(name, series.to_numpy(), missing)
    inner = getattr(dtype, "numpy_dtype", None)
    if isinstance(inner, np.dtype) and inner.kind in "biuf":
        zero = inner.type(0)
        return _plain(name, series.to_numpy(dtype=inner, na_value=zero), missing)
    if kind == "StringDtype":
        return _objects(name, series.to_numpy(dtype=object), missing)
    raise _no_column(name, str(dtype))


def _no_column(name: str, what: str) -> ArgumentError:
    return ArgumentError(f"column {name!r} of the frame holds {what}, which has no Arrow type here; convert it first")


def _plain(name: str, values: Any, missing: Any) -> _meseta.Column:
    import numpy as np

    dtype = values.dtype
    if dtype.kind == "b":
        return _fixed(name, "b", values, missing, np.packbits(values, bitorder="little"))
    if dtype.kind in "iuf" and dtype.itemsize <= 8:
        native = values.astype(dtype.newbyteorder("="), copy=False)
        return _fixed(name, _NUMBERS[f"{dtype.kind}{dtype.itemsize}"], native, missing)
    if dtype.kind in "mM":
        unit, step = np.datetime_data(dtype)
        if step == 1 and unit in _UNITS:
            prefix = f"ts{_UNITS[unit]}:" if dtype.kind == "M" else f"tD{_UNITS[unit]}"
            return _fixed(name, prefix, values.astype(dtype.newbyteorder("=")).view("i8"), missing)
    if dtype.kind in "OUS":
        return _objects(name, values.astype(object), missing)
    raise _no_column(name, str(dtype))


def _objects(name: str, values: Any, missing: Any) -> _meseta.Column:
    """Python objects of one kind."""
    import datetime
    from decimal import Decimal

    import numpy as np

    there = values[~missing]
    kinds = {type(value) for value in there}

    def all_are(*wanted: type) -> bool:
        return all(issubclass(kind, wanted) for kind in kinds)

    if not kinds:
        return _meseta.Column("n", name, len(values), len(values), [], [], None, _NULLABLE, None)
    if all_are(str):
        return _texts(name, "U", [str(v).encode("utf-8", "surrogatepass") for v in there], missing)
    if all_are(bytes, bytearray, memoryview):
        return _texts(name, "Z", [bytes(v) for v in there], missing)
    if all_are(bool, np.bool_):
        return _plain(name, _spread(there, missing, bool), missing)
    if all_are(int, np.integer) and not all_are(bool):
        try:
            return _plain(name, _spread(there, missing, "i8"), missing)
        except OverflowError:
            raise _no_column(name, "integers beyond 64 bits") from None
    if all_are(int, float, np.integer, np.floating):
        return _plain(name, _spread(there, missing, "f8"), missing)
    if all_are(Decimal):
        return _decimals(name, there, missing)
    if all_are(datetime.datetime):
        return _moments(name, there, missing)
    if all_are(datetime.date) and not any(issubclass(kind, datetime.datetime) for kind in kinds):
        return _fixed(name, "tdD", _spread(np.array(there, "M8[D]").view("i8"), missing, "i4"), missing)
    if all_are(datetime.timedelta):
        return _plain(name, _spread(np.array(there, "m8[us]").view("i8"), missing, "i8").view("m8[us]"), missing)
    if all_are(datetime.time):
        micros = [((v.hour * 60 + v.minute) * 60 + v.second) * 10**6 + v.microsecond for v in there]
        return _fixed(name, "ttu", _spread(micros, missing, "i8"), missing)
    raise _no_column(name, "objects of type " + ", ".join(sorted(kind.__name__ for kind in kinds)))


def _spread(there: Any, missing: Any, dtype: Any) -> Any:
    """The values that are there at their places among those that are missing."""
    import numpy as np

    found = np.zeros(len(missing), dtype)
    found[~missing] = there
    return found


def _texts(name: str, format: str, there: list[bytes], missing: Any) -> _meseta.Column:
    import numpy as np

    ends = np.zeros(len(missing) + 1, "i8")
    ends[1:] = np.cumsum(_spread([len(text) for text in there], missing, "i8"))
    nulls = int(missing.sum())
    valid = np.packbits(~missing, bitorder="little") if nulls else None
    buffers = [valid, ends.view(np.uint8), b"".join(there)]
    return _meseta.Column(format, name, len(missing), nulls, buffers, [], None, _NULLABLE, None)


def _decimals(name: str, there: Any, missing: Any) -> _meseta.Column:
    import numpy as np

    parts = [value.as_tuple() for value in there]
    if any(not isinstance(part.exponent, int) for part in parts):
        raise _no_column(name, "decimals that are no numbers")
    scale = max(0, *(-part.exponent for part in parts))
    digits = max(len(part.digits) + part.exponent + scale for part in parts)
    digits = max(digits, scale, 1)
    if digits > 76:
        raise _no_column(name, f"decimals of {digits} digits")
    width = 16 if digits <= 38 else 32
    whole = [
        (-1 if part.sign else 1) * int("".join(map(str, part.digits))) * 10 ** (part.exponent + scale) for part in parts
    ]
    rows = _spread([value.to_bytes(width, "little", signed=True) for value in whole], missing, f"V{width}")
    format = f"d:{digits},{scale}" + (",256" if width == 32 else "")
    return _fixed(name, format, rows, missing, np.frombuffer(rows.tobytes(), np.uint8))


def _moments(name: str, there: Any, missing: Any) -> _meseta.Column:
    """Moments are stored in UTC; all have a zone or none."""
    import datetime

    aware = [value.tzinfo is not None for value in there]
    if any(aware) != all(aware):
        raise _no_column(name, "moments with and without a time zone")
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc if aware[0] else None)
    micros = [(value - epoch) // datetime.timedelta(microseconds=1) for value in there]
    zone = str(there[0].tzinfo) if aware[0] and len({str(v.tzinfo) for v in there}) == 1 else "UTC"
    return _fixed(name, f"tsu:{zone if aware[0] else ''}", _spread(micros, missing, "i8"), missing)


def _categories(name: str, series: Any, missing: Any) -> _meseta.Column:
    import numpy as np

    codes = np.ascontiguousarray(series.cat.codes.to_numpy())
    values = _column("", series.cat.categories.to_series(index=range(len(series.cat.categories))))
    flags = _NULLABLE | (_ORDERED if series.cat.ordered else 0)
    nulls = int(missing.sum())
    valid = np.packbits(~missing, bitorder="little") if nulls else None
    codes = np.where(missing, 0, codes).astype(codes.dtype)
    memory = codes.view(np.uint8) if len(codes) else None
    format = _NUMBERS[f"i{codes.itemsize}"]
    return _meseta.Column(format, name, len(codes), nulls, [valid, memory], [], values, flags, None)
