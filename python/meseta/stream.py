"""Arrow out, by the PyCapsule protocol: no pyarrow is needed to hand data to what speaks it."""

from __future__ import annotations

from . import _meseta

TYPE_CHECKING = False  # so that importing the package does not import typing
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    import numpy as _numpy  # type: ignore[import,unused-ignore]
    import pandas as _pandas  # type: ignore[import,unused-ignore]
    import polars as _polars  # type: ignore[import,unused-ignore]
    import pyarrow as _pyarrow  # type: ignore[import,unused-ignore]

__all__ = ["Batch", "Schema", "Stream"]


class Schema:
    """The schema of a :class:`Stream`, which any Arrow library takes over by ``__arrow_c_schema__``.

    Examples
    --------
    >>> schema = meseta.open(folder / "people.csv").slices(1)[0].arrow().schema
    >>> schema.names
    ['name', 'age']
    >>> pyarrow.schema(schema).field("age").type
    DataType(int64)
    """

    __slots__ = ("_native",)

    def __init__(self, native: _meseta.Schema) -> None:
        self._native = native

    def __arrow_c_schema__(self) -> object:
        """A capsule with a copy of the schema."""
        return self._native.capsule()

    @property
    def names(self) -> list[str]:
        """The columns' names, in order."""
        return [name for name, _ in self._native.fields]

    def __repr__(self) -> str:
        columns = ", ".join(f"{name}: {kind}" for name, kind in self._native.fields)
        return f"<meseta.Schema {columns}>"


class Batch:
    """Some rows of a :class:`Stream`, which any Arrow library takes over by ``__arrow_c_array__``, once.

    Examples
    --------
    >>> stream = meseta.open(folder / "people.csv").slices(1)[0].arrow()
    >>> [pyarrow.record_batch(batch).num_rows for batch in stream]
    [3]
    """

    __slots__ = ("_native", "_rows", "_schema")

    def __init__(self, schema: _meseta.Schema, native: _meseta.Batch) -> None:
        self._schema = schema
        self._native = native
        self._rows = native.rows

    def __len__(self) -> int:
        """The number of rows."""
        return self._rows

    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[object, object]:
        """Capsules with the schema and the rows, which leave this object. `requested_schema` is not looked at."""
        array = self._native.capsule()
        return (self._schema.capsule(), array)

    def __repr__(self) -> str:
        return f"<meseta.Batch of {self._rows} rows>"


class Stream:
    """What every read as Arrow gives: batches in order, read once, in bounded memory.

    Anything that speaks Arrow's PyCapsule protocol takes it as it is: ``pyarrow.table(stream)``,
    ``polars.DataFrame(stream)``, ``duckdb.sql("from stream")``. Iterating gives batches one by one. What was read is
    final only when the end was reached without an error.

    Examples
    --------
    >>> people = meseta.open(folder / "people.csv").slices(1)[0]
    >>> people.arrow().pandas()["age"].sum()
    np.int64(118)
    >>> pyarrow.table(people.arrow()).column_names
    ['name', 'age']
    """

    __slots__ = ("__weakref__", "_native")

    def __init__(self, native: _meseta.Stream) -> None:
        self._native = native

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """A capsule with what is left of the stream, which leaves this object. `requested_schema` is not looked at."""
        return self._native.capsule()

    @property
    def schema(self) -> Schema:
        """The columns (has ``__arrow_c_schema__``)."""
        return Schema(self._native.schema())

    def __iter__(self) -> Iterator[Batch]:
        schema = self._native.schema()
        while (batch := self._native.next()) is not None:
            yield Batch(schema, batch)

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Stops reading and lets go of what the stream holds. What was handed over already is not touched."""
        self._native.close()

    def arrow(self) -> _pyarrow.Table:
        """All of it as a ``pyarrow.Table``."""
        import pyarrow  # type: ignore[import,unused-ignore]

        return pyarrow.table(_Whole(self._native.whole()))

    def pandas(self) -> _pandas.DataFrame:
        """All of it as a pandas frame (through pyarrow)."""
        frame: _pandas.DataFrame = self.arrow().to_pandas()
        return frame

    def numpy(self) -> _numpy.ndarray[Any, Any]:
        """All of it as a NumPy structured array, one field a column (through pyarrow).

        Texts and nested values are Python objects; columns of numbers with gaps become floats with NaN.

        Examples
        --------
        >>> meseta.open(folder / "people.csv").slices(1)[0].arrow().numpy()["age"].tolist()
        [36, 41, 41]
        """
        import numpy  # type: ignore[import,unused-ignore]

        table = self.arrow()
        columns = [column.to_numpy() for column in table.columns]
        names: list[str] = []
        for name in table.column_names:
            same, n = name or "column", 0
            while same in names:
                n += 1
                same = f"{name}.{n}"
            names.append(same)
        found = numpy.empty(
            table.num_rows, dtype=[(name, column.dtype) for name, column in zip(names, columns, strict=False)]
        )
        for name, column in zip(names, columns, strict=False):
            found[name] = column
        return found

    def polars(self) -> _polars.DataFrame:
        """All of it as a Polars frame."""
        import polars  # type: ignore[import,unused-ignore]

        return polars.DataFrame(_Whole(self._native.whole()))


class _Whole:
    """A stream of batches that were read already, so that errors came as this package's own."""

    def __init__(self, capsule: object) -> None:
        self._capsule = capsule

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self._capsule
