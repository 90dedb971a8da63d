"""Frames and clocks for tests of programs that use datasets."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd

from . import _time
from .uuid import gen_uuid_object

TIME_TO_FREEZE = datetime.datetime(2000, 1, 1, 1, 1, 1, 1)
TIME_TO_FREEZE_ISO = TIME_TO_FREEZE.isoformat()
TIME_TO_FREEZE_ISO_QUOTED = TIME_TO_FREEZE_ISO.replace(":", "%3A")

_NUMBERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64")


def get_dataframe_not_nested() -> pd.DataFrame:
    """Return a frame of one row with a column of each plain type."""
    columns: dict[str, pd.Series] = {name: pd.Series([1], dtype=name) for name in _NUMBERS}
    columns["bool"] = pd.Series([True])
    columns["date"] = pd.Series([datetime.date(2018, 1, 1)], dtype=object)
    columns["datetime64"] = pd.Series(["2018-01-01"], dtype="datetime64[ns]")
    columns["unicode"] = pd.Series(["Ö"], dtype=str)
    columns["null"] = pd.Series([None], dtype=object)
    columns["byte"] = pd.Series([gen_uuid_object().bytes], dtype=object)
    return pd.DataFrame(columns).sort_index(axis=1)


def get_dataframe_alltypes() -> pd.DataFrame:
    """Return a frame of one row with a column of each type, lists among them."""
    lists = {f"array_{name}": pd.Series([np.array([1], dtype=name)], dtype=object) for name in _NUMBERS}
    lists["array_unicode"] = pd.Series([np.array(["Ö"], dtype=object)], dtype=object)
    return pd.concat([get_dataframe_not_nested(), pd.DataFrame(lists)], axis=1).sort_index(axis=1)


@contextlib.contextmanager
def cm_frozen_time(time_to_freeze: datetime.datetime) -> Iterator[None]:
    """Hold the clock that datasets are stamped with."""
    with (
        mock.patch.object(_time, "datetime_now", return_value=time_to_freeze),
        mock.patch.object(_time, "datetime_utcnow", return_value=time_to_freeze),
    ):
        yield


def get_scalar_dtype_strategy(exclude: str | list[str] | None = None) -> Any:
    """Return a `hypothesis` strategy of numpy's scalar types; `exclude`: names of kinds."""
    from hypothesis import strategies
    from hypothesis.extra import numpy

    kinds: dict[str, Any] = {
        "datetime": numpy.datetime64_dtypes(max_period="ms", min_period="ns"),
        "uint": numpy.unsigned_integer_dtypes(),
        "int": numpy.integer_dtypes(),
        "float": numpy.floating_dtypes(),
        "byte": numpy.byte_string_dtypes(),
        "unicode": numpy.unicode_string_dtypes(),
    }
    for name in [exclude] if isinstance(exclude, str) else exclude or []:
        if name not in kinds:
            raise ValueError(f"Strategy {name} unknown. Possible values are {sorted(kinds)}")
        del kinds[name]
    return strategies.one_of(list(kinds.values()))


def _usable(values: Any, unique: bool, allow_nan: bool) -> bool:
    """Moments that pandas can say, texts that UTF-8 can say, at most one NaN among distinct values."""
    if values.dtype.kind == "M":
        return bool(((values > np.datetime64("1970-01-01")) & (values < np.datetime64("2200-01-01"))).all())
    if values.dtype.kind == "U":
        return not any("\ud800" <= letter <= "\udfff" for text in values.flat for letter in text)
    if values.dtype.kind == "f":
        nans = int(np.isnan(values).sum())
        return nans == 0 or (allow_nan and not (unique and nans > 1))
    return True


def get_numpy_array_strategy(
    shape: int = 10, exclude_dtypes: Any = None, unique: bool = False, sort: bool = False, allow_nan: bool = True
) -> Any:
    """Return a `hypothesis` strategy of arrays of one dimension, of any scalar type, dates among them."""
    from hypothesis import strategies
    from hypothesis.extra import numpy

    excluded = [exclude_dtypes] if isinstance(exclude_dtypes, str) else list(exclude_dtypes or [])
    scalars = get_scalar_dtype_strategy([name for name in excluded if name != "date"])
    arrays = numpy.arrays(dtype=scalars, shape=shape, unique=unique)
    if "date" not in excluded:
        day = strategies.dates(datetime.date(1970, 1, 1), datetime.date(2100, 1, 1))
        arrays = arrays | strategies.lists(day, min_size=shape, max_size=shape, unique=unique).map(np.array)
    arrays = arrays.filter(lambda values: _usable(values, unique, allow_nan))
    return arrays.map(np.sort) if sort else arrays
