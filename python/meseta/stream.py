"""Arrow out, by the PyCapsule protocol: no pyarrow is needed to hand data to what speaks it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from . import _meseta

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

__all__ = ["Batch", "Schema", "Stream"]


class Schema:
    """An Arrow schema that any Arrow library takes over by ``__arrow_c_schema__``."""

    def __init__(self, capsule: object) -> None:
        self._capsule = capsule

    def __arrow_c_schema__(self) -> object:
        return self._capsule


class Batch:
    """One record batch that any Arrow library takes over by ``__arrow_c_array__``, once."""

    def __init__(self, schema: object, array: object) -> None:
        self._schema: object | None = schema
        self._array: object | None = array

    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[object, object]:
        if self._array is None:
            from .errors import ArgumentError

            raise ArgumentError("this batch was handed over already")
        pair = (self._schema, self._array)
        self._schema = self._array = None
        return pair


class Stream:
    """What every read as Arrow gives: batches in order, read once.

    Anything that speaks Arrow's PyCapsule protocol takes it as it is: ``pyarrow.table(stream)``, ``polars.DataFrame(stream)``,
    ``duckdb.sql("from stream")``.

    Examples
    --------
    >>> import meseta, pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "x.csv").write_text("a,b\\n1,x\\n2,y\\n")
    >>> source = meseta.open(folder / "x.csv")
    >>> _ = source.index()
    >>> source.slices(1)[0].arrow().pandas()["a"].tolist()
    [1, 2]
    """

    def __init__(self, native: _meseta.Stream) -> None:
        self._native = native

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self._native.stream_capsule()

    @property
    def schema(self) -> Schema:
        """The stream's schema (has ``__arrow_c_schema__``)."""
        return Schema(self._native.schema_capsule())

    def __iter__(self) -> Iterator[Batch]:
        while True:
            array = self._native.next_capsule()
            if array is None:
                return
            yield Batch(self._native.schema_capsule(), array)

    def arrow(self) -> pyarrow.Table:
        """All of it as a ``pyarrow.Table``."""
        import pyarrow

        return pyarrow.table(self)

    def pandas(self) -> pandas.DataFrame:
        """All of it as a pandas frame (through pyarrow)."""
        return self.arrow().to_pandas()

    def polars(self) -> polars.DataFrame:
        """All of it as a Polars frame."""
        import polars

        frame: Any = polars.DataFrame(self)
        return frame
