"""Parquet files in any store or in memory: read as Arrow, written from anything that speaks Arrow.

>>> import meseta.parquet
>>> numbers = pyarrow.table({"n": [1, 2, 3], "name": ["one", "two", None]})
>>> meseta.parquet.write(numbers, folder / "numbers.parquet")["rows"]
3
>>> meseta.parquet.read(folder / "numbers.parquet", columns=["name"]).arrow()["name"].to_pylist()
['one', 'two', None]
"""

from __future__ import annotations

import os

from . import _meseta
from ._data import frames
from ._where import where_text
from .errors import ArgumentError
from .options import count, flag, pairs, size, url
from .stream import Schema, Stream

TYPE_CHECKING = False  # so that importing the package does not import typing
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

__all__ = ["File", "read", "write"]


def _open(source: object, storage_options: Mapping[str, Any] | None) -> _meseta.Parquet:
    if isinstance(source, (str, os.PathLike)):
        return _meseta.Parquet.open(url(source, "source"), pairs(storage_options), False)
    try:
        return _meseta.Parquet.memory(source, "memory")
    except (TypeError, BufferError):
        raise ArgumentError(
            f"source must be a path, a URL or the bytes of a Parquet file, not {type(source).__name__}"
        ) from None


def _names(columns: object, what: str) -> list[str]:
    if isinstance(columns, (str, bytes)) or not hasattr(columns, "__iter__"):
        raise ArgumentError(f"{what} must be a list of names, not {columns!r}")
    found = list(columns)
    for name in found:
        if not isinstance(name, str):
            raise ArgumentError(f"{what} must be a list of names, not of {name!r}")
    return found


def _limit(limit: object) -> int | None:
    import operator

    if limit is None:
        return None
    try:
        number = -1 if isinstance(limit, bool) else operator.index(limit)  # type: ignore[arg-type]
    except TypeError:
        number = -1
    if not 0 <= number < 2**63:
        raise ArgumentError(f"limit must be a whole number from 0, not {limit!r}")
    return number


class File:
    """A Parquet file, pinned to the version that is there now; its footer has been read, nothing else.

    Parameters
    ----------
    source : str, path or bytes
        Path or URL of the file, or an object that holds its bytes (``bytes``, ``memoryview``, ``mmap`` …).
    storage_options : dict, optional
        Endpoint, credentials and the like, as for :func:`meseta.open`.

    Examples
    --------
    >>> import meseta.parquet
    >>> meseta.parquet.write(pyarrow.table({"n": [1, 2, 3]}), folder / "n.parquet", metadata={"made": "today"})["rows"]
    3
    >>> file = meseta.parquet.File(folder / "n.parquet")
    >>> file.rows, file.columns, file.metadata
    (3, ['n'], {'made': 'today'})
    """

    __slots__ = ("_native", "_schema")

    def __init__(
        self, source: str | os.PathLike[str] | Any, *, storage_options: Mapping[str, Any] | None = None
    ) -> None:
        self._native = _open(source, storage_options)
        self._schema: Schema | None = None

    @property
    def url(self) -> str:
        """Where it lies, without secrets; "memory" for bytes."""
        return self._native.url

    @property
    def schema(self) -> Schema:
        """The columns as Arrow types (has ``__arrow_c_schema__``)."""
        if self._schema is None:
            self._schema = Schema(self._native.schema())
        return self._schema

    @property
    def columns(self) -> list[str]:
        """The columns' names, in order."""
        return self.schema.names

    @property
    def rows(self) -> int:
        """The number of rows."""
        return self._native.rows

    def __len__(self) -> int:
        return self._native.rows

    @property
    def row_groups(self) -> int:
        """The number of row groups."""
        return self._native.row_groups

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self._native.size

    @property
    def metadata(self) -> dict[str, str]:
        """Key-values of the footer, without the Arrow schema that writers leave there."""
        return {key: value or "" for key, value in self._native.metadata() if key != "ARROW:schema"}

    @property
    def created_by(self) -> str:
        """The program that wrote it, by its own word."""
        return self._native.created_by

    def describe(self) -> dict[str, Any]:
        """All that the footer tells: columns, row groups, encodings, sizes, statistics, key-values."""
        found: dict[str, Any] = self._native.show(0)
        return found

    def read(
        self,
        columns: Sequence[str] | None = None,
        where: str | Iterable[Iterable[Any]] | None = None,
        *,
        limit: int | None = None,
        batch_rows: int | None = None,
    ) -> Stream:
        """The rows, as :func:`meseta.parquet.read` gives them; may be called again and again."""
        names = None if columns is None else _names(columns, "columns")
        return Stream(
            self._native.read(names, where_text(where), _limit(limit), count(batch_rows, "batch_rows")),
        )

    def verify(self) -> dict[str, Any]:
        """Reads all of it: every page is decoded, and what the file says of its values is held against them.

        Returns
        -------
        dict
            ``rows``, ``row_groups``, ``pages``, ``bytes``.

        Raises
        ------
        CorruptError
            At the first fault.
        """
        found: dict[str, Any] = self._native.verify()
        return found

    def __repr__(self) -> str:
        return f"<meseta.parquet.File {self.url}: {self.rows} rows>"


def read(
    source: str | os.PathLike[str] | Any,
    columns: Sequence[str] | None = None,
    where: str | Iterable[Iterable[Any]] | None = None,
    *,
    limit: int | None = None,
    batch_rows: int | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> Stream:
    """The rows of a Parquet file, or those that are wanted, as an Arrow stream.

    Only the columns, row groups and pages that may hold what is wanted are fetched.

    Parameters
    ----------
    source : str, path or bytes
        Path or URL of the file, or an object that holds its bytes (``bytes``, ``memoryview``, ``mmap`` …).
    columns : list of str, optional
        Names in the order wanted, nested ones as ``"a.b"``; None: all.
    where : str or list, optional
        Only rows that meet this condition: text such as ``"n > 3 and name like 'a%'"``, or a list (or) of lists (and)
        of ``(column, operator, value)``. A comparison with null is false.
    limit : int, optional
        At most so many rows.
    batch_rows : int, optional
        Rows of a batch at most; None: as many as make about 16 MiB.
    storage_options : dict, optional
        Endpoint, credentials and the like, as for :func:`meseta.open`.

    Examples
    --------
    >>> import meseta.parquet
    >>> data = pyarrow.table({"n": [1, 2, 3]})
    >>> meseta.parquet.write(data, folder / "n.parquet")["rows"]
    3
    >>> meseta.parquet.read(folder / "n.parquet", limit=2).arrow()["n"].to_pylist()
    [1, 2]
    """
    return File(source, storage_options=storage_options).read(columns, where, limit=limit, batch_rows=batch_rows)


def _sorting(sorting: object) -> list[tuple[str, bool, bool]]:
    if isinstance(sorting, (str, bytes)) or not hasattr(sorting, "__iter__"):
        raise ArgumentError(f"sorting must be a list of names, not {sorting!r}")
    found = []
    for each in sorting:
        name, order = each if isinstance(each, tuple) and len(each) == 2 else (each, "ascending")
        if not isinstance(name, str) or order not in ("ascending", "descending"):
            raise ArgumentError(f'sorting takes names or (name, "descending"), not {each!r}')
        found.append((name, order == "descending", False))
    return found


def _settings(encodings: object, bloom: object) -> list[tuple[str, str | None, bool]]:
    """What is said of single columns: name, encoding, Bloom filter."""
    found: dict[str, tuple[str | None, bool]] = {}
    if encodings is not None:
        if not hasattr(encodings, "items"):
            raise ArgumentError(f"encodings must be a dict of names and encodings, not {encodings!r}")
        for name, encoding in encodings.items():
            if not isinstance(name, str) or not isinstance(encoding, str):
                raise ArgumentError(f"encodings must be text by name, not {encoding!r} for {name!r}")
            found[name] = (encoding.lower(), False)
    for name in _names(bloom, "bloom"):
        found[name] = (found.get(name, (None, False))[0], True)
    return [(name, *rest) for name, rest in found.items()]


def _metadata(metadata: object) -> list[tuple[str, str]]:
    if metadata is None:
        return []
    if not hasattr(metadata, "items"):
        raise ArgumentError(f"metadata must be a dict of text, not {type(metadata).__name__}")
    found = []
    for key, value in metadata.items():
        texts = [part.decode("utf-8", "surrogateescape") if isinstance(part, bytes) else part for part in (key, value)]
        if not all(isinstance(part, str) for part in texts):
            raise ArgumentError(f"metadata must be text by text, not {value!r} for {key!r}")
        found.append((texts[0], texts[1]))
    return found


def _level(level: object) -> int:
    import operator

    if level is None:
        return 0
    try:
        number = operator.index(level)  # type: ignore[arg-type]
    except TypeError:
        raise ArgumentError(f"level must be a whole number, not {level!r}") from None
    if not -(2**31) <= number < 2**31:
        raise ArgumentError(f"no codec has a level {level!r}")
    return number


def write(
    data: object,
    target: str | os.PathLike[str],
    *,
    codec: str | None = "zstd",
    level: int | None = None,
    row_group_rows: int | None = None,
    page_bytes: int | str | None = None,
    dictionary: bool = True,
    encodings: Mapping[str, str] | None = None,
    statistics: bool = True,
    bloom: Sequence[str] = (),
    checksums: bool = True,
    sorting: Sequence[str | tuple[str, str]] = (),
    metadata: Mapping[str, str] | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> dict[str, int]:
    """Writes data as one Parquet file, in bounded memory; it appears when it is whole, or not at all.

    Parameters
    ----------
    data : object
        A table that speaks Arrow (of pyarrow, Polars, DuckDB, another :class:`meseta.Stream` …), a pandas frame, or a
        list or iterator of them with the same columns.
    target : str or path
        Path or URL of the file. What is there is replaced.
    codec : str
        ``none``, ``snappy``, ``gzip``, ``zstd``, ``lz4`` or ``brotli``.
    level : int, optional
        The codec's level; None: its default.
    row_group_rows : int, optional
        Rows of a row group at most; None: 1,048,576.
    page_bytes : int or str, optional
        Bytes of a page before compression, about; None: 1 MiB.
    dictionary : bool
        Whether columns may be written with a dictionary, where that is a gain.
    encodings : dict, optional
        Encodings by column (``"plain"``, ``"rle"``, ``"rle_dictionary"``, ``"delta_binary_packed"``,
        ``"delta_length_byte_array"``, ``"delta_byte_array"``, ``"byte_stream_split"``); others are chosen by what the
        values gain.
    statistics : bool
        Whether to write minima, maxima, counts of nulls and page indexes.
    bloom : list of str
        Columns that get a Bloom filter.
    checksums : bool
        Whether pages carry a CRC-32.
    sorting : list of str
        The columns that the rows are sorted by, or ``(name, "descending")``: written down, not made.
    metadata : dict, optional
        Key-values for the footer.
    storage_options : dict, optional
        Endpoint, credentials and the like, as for :func:`meseta.open`.

    Returns
    -------
    dict
        ``rows``, ``bytes`` and ``row_groups`` of the file.

    Examples
    --------
    >>> import meseta.parquet
    >>> parts = (pyarrow.table({"n": [i, i + 1]}) for i in range(0, 10, 2))
    >>> meseta.parquet.write(parts, folder / "n.parquet", codec="lz4", row_group_rows=4)["row_groups"]
    3
    """
    to = url(target, "target")
    name = "none" if codec is None else codec
    if not isinstance(name, str):
        raise ArgumentError(f"codec must be text, not {codec!r}")
    settings = (
        pairs(storage_options),
        name.lower(),
        _level(level),
        count(row_group_rows, "row_group_rows"),
        size(page_bytes, "page_bytes"),
        _settings(encodings, bloom),
        _sorting(sorting),
        _metadata(metadata),
        flag(dictionary, "dictionary"),
        flag(statistics, "statistics"),
        flag(checksums, "checksums"),
    )
    out: _meseta.ParquetOut | None = None
    try:
        for frame in frames(data):
            if out is None:
                out = _meseta.ParquetOut(to, frame.schema(), *settings)
            out.put(frame)
        if out is None:
            raise ArgumentError("there is no data to write, not even an empty table that tells the columns")
        rows, written, groups = out.close()
    except BaseException:
        if out is not None:
            out.abort()
        raise
    return {"rows": rows, "bytes": written, "row_groups": groups}
