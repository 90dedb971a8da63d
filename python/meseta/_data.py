"""What calls take as data: anything that speaks Arrow's PyCapsule protocol, pandas frames, or several of them."""

from __future__ import annotations

from . import _meseta
from .errors import ArgumentError
from .stream import Stream

TYPE_CHECKING = False  # so that importing the package does not import typing
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["frames", "is_frame"]


def _is_pandas(data: object) -> bool:
    """Whether it is a pandas frame, with no need to import pandas."""
    return any(
        kind.__name__ == "DataFrame" and kind.__module__.partition(".")[0] == "pandas" for kind in type(data).__mro__
    )


def is_frame(data: object) -> bool:
    """Whether `data` is one frame, not several."""
    return hasattr(data, "__arrow_c_stream__") or hasattr(data, "__arrow_c_array__") or _is_pandas(data)


def _frame(data: object) -> _meseta.Input:
    if isinstance(data, Stream):
        return _meseta.Input.of_own(data._native)
    if _is_pandas(data):
        from ._pandas import frame

        return frame(data)
    if hasattr(data, "__arrow_c_stream__"):
        return _meseta.Input.of_stream(data.__arrow_c_stream__())
    if hasattr(data, "__arrow_c_array__"):
        return _meseta.Input.of_array(*data.__arrow_c_array__())
    raise ArgumentError(
        "data must be a table that speaks Arrow (of pyarrow, Polars, DuckDB, meseta …), a pandas frame, or a list or "
        f"iterator of them, not {type(data).__name__}"
    )


def frames(data: object) -> Iterator[_meseta.Input]:
    """The frames of a *data* argument, one by one: itself, or the elements of a list or iterator.

    Each is to be asked for its ``schema()``, which also refuses what is no table, before it is handed on.
    """
    if is_frame(data) or isinstance(data, (str, bytes, dict)) or not hasattr(data, "__iter__"):
        yield _frame(data)
    else:
        for element in data:
            yield _frame(element)
