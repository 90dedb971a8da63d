"""Datasets: tables of many Parquet files in a store, consistent for many writers.

>>> data = pyarrow.table({"day": ["mon", "tue"], "qty": [1, 2]})
>>> sales = meseta.Dataset.create(folder / "sales", data, partition_on=["day"])
>>> sales.append(pyarrow.table({"day": ["tue"], "qty": [5]})).version
2
>>> sales.count("day == 'tue'")
2
"""

from __future__ import annotations

import os

from . import _meseta
from ._data import frames
from ._where import literal, where_text
from .errors import ArgumentError
from .options import count, flag, pairs, size, text, url
from .slice import Slice
from .stream import Schema, Stream

TYPE_CHECKING = False  # so that importing the package does not import typing
if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from types import TracebackType
    from typing import Any

    _Where = str | Iterable[Iterable[Any]] | None
    _Age = int | float | str

__all__ = ["Change", "Committed", "Dataset", "Partition"]

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _age(value: object, what: str) -> int:
    """Seconds from a number or text such as "24h"."""
    if isinstance(value, str):
        digits, unit = value.strip()[:-1], value.strip()[-1:]
        if value.strip().isdecimal():
            return int(value)
        if unit in _UNITS and digits.strip().isdecimal():
            return int(digits) * _UNITS[unit]
    elif isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 2**53:
        return int(value)
    raise ArgumentError(f"{what} must be seconds or text such as '30s', '15m', '24h' or '7d', not {value!r}")


def _names(value: object, what: str) -> list[str]:
    if isinstance(value, str):
        return [value]
    if value is None:
        return []
    if isinstance(value, (bytes, dict)) or not hasattr(value, "__iter__"):
        raise ArgumentError(f"{what} must be a list of names, not {value!r}")
    found = list(value)
    for name in found:
        if not isinstance(name, str):
            raise ArgumentError(f"{what} must be a list of names, not of {name!r}")
    return found


def _json(value: object, what: str) -> str:
    import json

    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ArgumentError(f"{what} must fit into JSON: {error}") from None


def _values(values: object, what: str) -> dict[str, Any]:
    if not hasattr(values, "items"):
        raise ArgumentError(f"{what} must be a dict of columns and values, not {values!r}")
    found = {}
    for name, value in values.items():
        if not isinstance(name, str):
            raise ArgumentError(f"columns of {what} are text, not {name!r}")
        found[name] = literal(value)
    return found


def _as_text(value: Any) -> Any:
    """What JSON has no value for is text, which takes the column's type."""
    if not isinstance(value, dict):
        return value
    if value["type"] == "binary":
        try:
            return bytes.fromhex(value["value"]).decode()
        except UnicodeDecodeError:
            raise ArgumentError("set takes no bytes that are not UTF-8") from None
    return value["value"]


def _scope(delete: object) -> str:
    import json

    if hasattr(delete, "items"):
        delete = [delete]
    if isinstance(delete, (str, bytes)) or not hasattr(delete, "__iter__"):
        raise ArgumentError(f"delete must be a list of dicts of columns and values, not {delete!r}")
    return json.dumps([_values(each, "delete") for each in delete])


def _of_scalar(kind: str, value: Any) -> Any:
    """A value as the library's JSON says it, as Python has it; `kind` is the column's Arrow format."""
    import datetime
    import decimal

    if isinstance(value, dict):
        said = value.get("v", "")
        kinds: dict[Any, Any] = {"bytes": bytes.fromhex, "float": float, "decimal": decimal.Decimal, "uint": int}
        return kinds[value["$"]](said)
    if isinstance(value, int) and not isinstance(value, bool):
        if kind == "tdD":
            return datetime.date(1970, 1, 1) + datetime.timedelta(days=value)
        if kind.startswith("ts"):
            per_second = {"s": 1, "m": 10**3, "u": 10**6, "n": 10**9}[kind[2]]
            zone = datetime.timezone.utc if kind[4:] else None
            return datetime.datetime(1970, 1, 1, tzinfo=zone) + datetime.timedelta(
                microseconds=value * 10**6 // per_second
            )
    return value


class Partition:
    """One partition of a dataset.

    Attributes
    ----------
    label : str
        Its name in the dataset: the quoted partition keys and the file's name.
    key : str
        The key of its file in the store.
    keys : dict
        The values of the partition keys.
    """

    __slots__ = ("_dataset", "_rows", "key", "keys", "label")

    def __init__(self, dataset: _meseta.Dataset, label: str, key: str, rows: int | None, keys: dict[str, Any]) -> None:
        self._dataset = dataset
        self._rows = rows
        self.label = label
        self.key = key
        self.keys = keys

    @property
    def rows(self) -> int:
        """The number of rows; the file's footer is read where metadata does not tell."""
        if self._rows is None:
            stream = self._dataset.read([], None, [], [self.label], None, 0)
            self._rows = sum(len(batch) for batch in Stream(stream))
        return self._rows

    def __repr__(self) -> str:
        return f"<meseta.Partition {self.label}>"


class Committed:
    """What a commit did.

    Attributes
    ----------
    version : int
        The version that it made.
    rows_added, rows_removed, files_added, files_removed : int or None
        None: metadata does not tell.
    """

    __slots__ = ("files_added", "files_removed", "rows_added", "rows_removed", "version")

    def __init__(self, report: Mapping[str, Any]) -> None:
        self.version: int = report["version"]
        self.rows_added: int | None = report.get("rows_added")
        self.rows_removed: int | None = report.get("rows_removed")
        self.files_added: int | None = report.get("files_added")
        self.files_removed: int | None = report.get("files_removed")

    def __repr__(self) -> str:
        said = ", ".join(f"{name}={getattr(self, name)}" for name in ("version", *sorted(self.__slots__[:-1])))
        return f"<meseta.Committed {said}>"


class Change:
    """A commit in the making: several steps, one commit; made by :meth:`Dataset.change`.

    Leaving its ``with`` block commits it, an exception inside gives it up. Files are written at once; without a commit
    they are nobody's, and garbage collection removes them.

    Examples
    --------
    >>> numbers = meseta.Dataset.create(folder / "numbers", pyarrow.table({"n": [1, 2, 3]}))
    >>> with numbers.change() as change:
    ...     change.append(pyarrow.table({"n": [10]}))
    ...     change.delete(where="n == 1")
    >>> change.committed.version, numbers.count()
    (2, 3)
    """

    __slots__ = ("_dataset", "_native", "committed")

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._native = dataset._native.change()
        #: What the commit did; None before it.
        self.committed: Committed | None = None

    def __enter__(self) -> Change:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.close()
        elif self.committed is None:
            self.commit()

    def close(self) -> None:
        """Gives the change up; nothing once it was committed."""
        self._native.close()

    def commit(self) -> Committed:
        """Commits: one conditional write. The dataset's handle then stands on what was committed.

        Raises
        ------
        ConflictError
            When somebody else's commit collides with it; nothing was changed then.
        """
        try:
            native, report = self._native.commit()
        finally:
            self._native.close()
        self._dataset._native = native
        self.committed = Committed(report)
        return self.committed

    def append(self, data: object) -> None:
        """Adds rows; each element of a list becomes its own files."""
        for frame in frames(data):
            frame.schema()
            self._native.append(frame)

    def update(
        self,
        data: object = None,
        *,
        delete: object = None,
        metadata: Mapping[str, Any] | None = None,
        where: _Where = None,
        set: Mapping[str, Any] | None = None,
    ) -> None:
        """Replaces partitions and metadata, or values of rows; see :meth:`Dataset.update`."""
        import json

        if (where is None) != (set is None):
            raise ArgumentError("update(where=…, set=…) takes both: a condition and new values")
        if where is not None:
            if data is not None or delete is not None:
                raise ArgumentError("update takes where and set, or data and delete, not both")
            values = {name: _as_text(value) for name, value in _values(set, "set").items()}
            self._native.update(where_text(where) or "", json.dumps(values))
        if delete is not None:
            self._native.remove(_scope(delete))
        if data is not None:
            self.append(data)
        if metadata is not None:
            self._native.metadata(_json(metadata, "metadata"))

    def delete(self, where: _Where) -> None:
        """Removes the rows that meet a condition; only files that hold one are rewritten."""
        condition = where_text(where)
        if condition is None:
            raise ArgumentError("delete needs a condition; Dataset.drop() removes all")
        self._native.delete(condition)

    def upsert(self, data: object, on: Sequence[str]) -> None:
        """Adds rows; those that equal them in the columns `on` go."""
        for frame in frames(data):
            frame.schema()
            self._native.upsert(frame, _names(on, "on"))

    def compact(self, where: _Where = None, *, target: int | str = "128MiB", sort_by: Sequence[str] = ()) -> None:
        """Joins small files to files of about `target` bytes; rows stay what they are."""
        self._native.compact(where_text(where), size(target, "target"), _names(sort_by, "sort_by"))

    def restore(self, version: int) -> None:
        """Makes the dataset what it was at a version."""
        self._native.restore(count(version, "version"))

    def build_index(self, column: str) -> None:
        """Builds a secondary index, anew where there is one."""
        self._native.build_index(text(column, "column") or "")

    def drop_index(self, column: str) -> None:
        """Drops a secondary index."""
        self._native.drop_index(text(column, "column") or "")

    def schema(self, schema: object) -> None:
        """Makes these the table's columns: new ones are added, types may become wider."""
        self._native.schema(_schema(schema))

    def write(self, data: object) -> str:
        """Writes files on any worker.

        Returns
        -------
        str
            A fragment, a small JSON text, that :meth:`add` of any change of this dataset takes in, in any process.
        """
        import json

        written = []
        for frame in frames(data):
            frame.schema()
            written.append(self._native.write(frame))
        return written[0] if len(written) == 1 else json.dumps([json.loads(each) for each in written])

    def add(self, fragment: str) -> None:
        """Takes in the files that :meth:`write` wrote."""
        import json

        if not isinstance(fragment, str):
            raise ArgumentError(f"a fragment is text, not {type(fragment).__name__}")
        try:
            found = json.loads(fragment)
        except ValueError:
            raise ArgumentError("the fragment is no JSON") from None
        for each in found if isinstance(found, list) else [found]:
            self._native.add(json.dumps(each))


def _schema(schema: object) -> _meseta.Schema:
    if isinstance(schema, Schema):
        return schema._native
    if not hasattr(schema, "__arrow_c_schema__"):
        raise ArgumentError(
            f"schema must have __arrow_c_schema__, as schemas of pyarrow do, not {type(schema).__name__}"
        )
    return _meseta.schema_of(schema.__arrow_c_schema__())


def _one_of(where: _Where, values: Mapping[str, Any]) -> str:
    """A condition, and equality with each of some values."""
    import json

    tests = [[name, "==", literal(value)] for name, value in values.items()]
    if where is None:
        return json.dumps([tests])
    found = where_text(where) or ""
    if found.lstrip().startswith("["):
        return json.dumps([[*conjunction, *tests] for conjunction in json.loads(found)])
    parts = [f'"{name.replace(chr(34), chr(34) * 2)}" == {_sql(value)}' for name, value in values.items()]
    return " and ".join([f"({found})", *parts])


def _sql(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    return "'" + str(value).replace("'", "''") + "'"


class Dataset:
    """A table of many Parquet files: create, read, update, delete; partitions, indices, history.

    A handle stands on one snapshot. Each change moves it to the one it committed; :meth:`refresh` takes the newest. It
    may be pickled and used from many threads.

    Parameters
    ----------
    url : str or path
        The store's URL + "/" + the dataset's name.
    lock : str, optional
        Name of a lock object, for writing to stores that honour no conditional writes.
    storage_options : dict, optional
        Endpoint, credentials and the like, as for :func:`meseta.open`.

    Examples
    --------
    >>> data = pyarrow.table({"day": ["mon", "mon", "tue"], "qty": [1, 2, 3]})
    >>> sales = meseta.Dataset.create(folder / "shop", data, partition_on=["day"], indices=["qty"])
    >>> sales.read(where="qty > 1").arrow()["day"].to_pylist()
    ['mon', 'tue']
    >>> sales.delete(where="qty = 3").version
    2
    """

    __slots__ = ("_lock", "_native", "_storage_options", "_url")

    def __init__(
        self,
        url: str | os.PathLike[str],
        *,
        lock: str | None = None,
        storage_options: Mapping[str, Any] | None = None,
    ) -> None:
        self._setup(url, lock, storage_options)
        self._native = _meseta.Dataset.open(self._url, pairs(storage_options), self._lock)

    def _setup(self, where: object, lock: object, storage_options: Mapping[str, Any] | None) -> None:
        self._url = url(where, "url")
        self._lock = text(lock, "lock")
        self._storage_options = None if storage_options is None else dict(storage_options)

    @classmethod
    def create(
        cls,
        url: str | os.PathLike[str],
        data: object = None,
        *,
        schema: object = None,
        partition_on: Sequence[str] = (),
        bucket_by: str | None = None,
        buckets: int | None = None,
        sort_by: Sequence[str] = (),
        indices: Sequence[str] = (),
        metadata: Mapping[str, Any] | None = None,
        metadata_format: str = "json",
        overwrite: bool = False,
        codec: str = "zstd",
        row_group_rows: int | None = None,
        history: int | str = "7d",
        lock: str | None = None,
        storage_options: Mapping[str, Any] | None = None,
    ) -> Dataset:
        """Makes a dataset, in one commit.

        Parameters
        ----------
        url : str or path
            The store's URL + "/" + the dataset's name (letters, digits, ``+ - _``).
        data : object, optional
            Anything that speaks Arrow, a pandas frame, or a list of them: each element becomes its own files.
        schema : object, optional
            The columns, where there are no data yet.
        partition_on : list of str
            Partition keys: rows of equal values lie together, and the values in the files' names.
        bucket_by : str, optional
            Rows are spread over `buckets` files by the hash of this column.
        buckets : int, optional
        sort_by : list of str
            Rows are sorted by these columns in each file.
        indices : list of str
            Columns that get a secondary index.
        metadata : dict, optional
            The user's own; it must fit into JSON.
        metadata_format : str
            ``json`` or ``msgpack``.
        overwrite : bool
            Replace a dataset of this name.
        codec : str
            ``none snappy gzip zstd lz4 brotli``.
        row_group_rows : int, optional
        history : int or str
            Versions (a number) or age (``"7d"``) that are kept; 0: none.
        lock : str, optional
            As of :class:`Dataset`.
        storage_options : dict, optional

        Raises
        ------
        ExistsError
            When there is one of this name.
        """
        self = cls.__new__(cls)
        self._setup(url, lock, storage_options)
        inputs = [] if data is None else list(frames(data))
        for frame in inputs:
            frame.schema()
        if not inputs and schema is None:
            raise ArgumentError("a dataset needs data or a schema")
        how = {
            "partition_on": _names(partition_on, "partition_on"),
            "indices": _names(indices, "indices"),
            "sort_by": _names(sort_by, "sort_by"),
            "bucket_by": text(bucket_by, "bucket_by"),
            "buckets": count(buckets, "buckets", 2**31 - 1),
            "overwrite": flag(overwrite, "overwrite"),
            "metadata": _json({} if metadata is None else dict(metadata), "metadata"),
            "metadata_format": text(metadata_format, "metadata_format") or "json",
            "codec": text(codec, "codec") or "none",
            "row_group_rows": count(row_group_rows, "row_group_rows"),
            "history": str(history) if isinstance(history, int) else text(history, "history") or "0",
        }
        native, _ = _meseta.Dataset.create(
            self._url, pairs(storage_options), self._lock, inputs, None if schema is None else _schema(schema), how
        )
        self._native = native
        return self

    @staticmethod
    def exists(where: str | os.PathLike[str], *, storage_options: Mapping[str, Any] | None = None) -> bool:
        """Whether there is a dataset at this URL."""
        return _meseta.Dataset.exists(url(where, "url"), pairs(storage_options))

    def __reduce__(self) -> tuple[Any, ...]:
        return (_open_at, (self._url, self._lock, self._storage_options, self.version))

    def __repr__(self) -> str:
        return f"<meseta.Dataset {self._url}: version {self.version}, {len(self._native)} partitions>"

    def _repr_html_(self) -> str:
        import html

        facts = self._native.describe()
        rows = [
            ("version", facts["version"]),
            ("partitions", facts["partitions"]),
            ("rows", "not counted" if facts["rows"] is None else f"{facts['rows']:,}"),
            ("partition keys", ", ".join(facts["partition_keys"]) or "none"),
            ("indices", ", ".join(facts["indices"]) or "none"),
            ("columns", ", ".join(self.schema.names)),
        ]
        cells = "".join(f"<tr><th>{name}</th><td>{html.escape(str(value))}</td></tr>" for name, value in rows)
        return f"<table><caption>{html.escape(self._url)}</caption>{cells}</table>"

    # ---- facts -------------------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """Where it lies, as it was opened."""
        return self._url

    @property
    def uuid(self) -> str:
        """Its name."""
        return self._native.uuid

    @property
    def table(self) -> str:
        """Its table's name."""
        return self._native.table

    @property
    def version(self) -> int:
        """The version that this handle stands on; it grows with each commit."""
        return self._native.version

    @property
    def schema(self) -> Schema:
        """The columns: partition keys first, then by name."""
        return Schema(self._native.schema())

    @property
    def metadata(self) -> dict[str, Any]:
        """The user's own metadata."""
        found: dict[str, Any] = self._native.describe()["metadata"]
        return found

    @property
    def partition_keys(self) -> list[str]:
        """Columns by which rows are put into partitions."""
        found: list[str] = self._native.describe()["partition_keys"]
        return found

    @property
    def indices(self) -> list[str]:
        """Columns with a secondary index."""
        found: list[str] = self._native.describe()["indices"]
        return found

    def describe(self) -> dict[str, Any]:
        """All facts as a dict, as ``meseta dataset show --json`` prints them."""
        found: dict[str, Any] = self._native.describe()
        return found

    def partitions(self, where: _Where = None) -> list[Partition]:
        """The partitions that a condition does not rule out by metadata, in order."""
        rows = _meseta.stream_rows(self._native.partitions(where_text(where), False))
        kinds = dict(self._native.schema().fields)
        return [
            Partition(
                self._native,
                row["label"],
                row["key"],
                row["rows"],
                {name: _key_value(kinds.get(name, ""), value) for name, value in (row["keys"] or {}).items()},
            )
            for row in rows
        ]

    def index(self, column: str) -> Stream:
        """A secondary index: ``value`` and ``partition``, a list of labels."""
        return Stream(self._native.index(text(column, "column") or ""))

    def refresh(self) -> Dataset:
        """Moves this handle to the newest version and returns it."""
        self._native = self._native.refresh()
        return self

    # ---- reading -----------------------------------------------------------------------------------------------------

    def read(
        self,
        columns: Sequence[str] | None = None,
        where: _Where = None,
        *,
        categoricals: Sequence[str] | None = None,
        limit: int | None = None,
        batch_rows: int | None = None,
    ) -> Stream:
        """The rows, in partition order, in bounded memory.

        Parameters
        ----------
        columns : list of str, optional
            In the order wanted; None: partition keys first, then in schema order.
        where : str or list, optional
            Only rows that meet this condition, as of :func:`meseta.parquet.read`.
        categoricals : list of str, optional
            Columns to give dictionary-encoded.
        limit : int, optional
            At most so many rows.
        batch_rows : int, optional
            Rows of a batch at most.
        """
        return Stream(
            self._native.read(
                None if columns is None else _names(columns, "columns"),
                where_text(where),
                _names(categoricals, "categoricals"),
                None,
                None if limit is None else _limit(limit),
                count(batch_rows, "batch_rows"),
            )
        )

    def count(self, where: _Where = None) -> int:
        """The number of rows that meet a condition; data are read only where metadata does not suffice."""
        return self._native.count(where_text(where))

    def groups(
        self, by: Sequence[str], where: _Where = None, *, columns: Sequence[str] | None = None
    ) -> Iterator[tuple[dict[str, Any], Stream]]:
        """The rows of each combination of values of `by`, which are partition keys or indexed columns, in order.

        Examples
        --------
        >>> data = pyarrow.table({"k": ["b", "a", "b"], "v": [1, 2, 3]})
        >>> grouped = meseta.Dataset.create(folder / "grouped", data, partition_on=["k"])
        >>> [(values["k"], rows.arrow().num_rows) for values, rows in grouped.groups(["k"])]
        [('a', 1), ('b', 2)]
        """
        names = _names(by, "by")
        wanted = None if columns is None else _names(columns, "columns")
        kinds = dict(self._native.schema().fields)
        for group in self._native.groups(names, where_text(where)):
            values = {name: _of_scalar(kinds[name], value) for name, value in group["values"].items()}
            condition = _one_of(where, values) if values else where_text(where)
            yield values, Stream(self._native.read(wanted, condition, [], group["labels"], None, 0))

    def slices(
        self,
        n: int | None = None,
        *,
        size: int | str | None = None,
        records: int | None = None,
        where: _Where = None,
    ) -> list[Slice]:
        """Cuts the table like a file, into slices that any worker reads by itself; see :meth:`meseta.Source.slices`."""
        from .options import size as _size

        found = self._native.slices(count(n, "n"), _size(size, "size"), count(records, "records"), where_text(where))
        return [Slice(each) for each in found]

    # ---- changing ----------------------------------------------------------------------------------------------------

    def change(self) -> Change:
        """A change of several steps; see :class:`Change`."""
        return Change(self)

    def append(self, data: object) -> Committed:
        """Adds rows; each element of a list becomes its own files."""
        with self.change() as change:
            change.append(data)
        return _done(change)

    def update(
        self,
        data: object = None,
        *,
        delete: object = None,
        metadata: Mapping[str, Any] | None = None,
        where: _Where = None,
        set: Mapping[str, Any] | None = None,
    ) -> Committed:
        """Replaces partitions, or values of rows.

        Parameters
        ----------
        data : object, optional
            Rows to add.
        delete : list of dict, optional
            Whole partitions that hold a match of any ``{column: value, …}`` go; only partition keys and secondary
            indices count.
        metadata : dict, optional
            Members of the user's metadata to add or replace.
        where : str or list, optional
            With `set`: the rows to change.
        set : dict, optional
            New values by column.
        """
        with self.change() as change:
            change.update(data, delete=delete, metadata=metadata, where=where, set=set)
        return _done(change)

    def delete(self, where: _Where) -> Committed:
        """Removes the rows that meet a condition; only files that hold one are rewritten."""
        with self.change() as change:
            change.delete(where)
        return _done(change)

    def upsert(self, data: object, on: Sequence[str]) -> Committed:
        """Adds rows in place of those that equal them in the columns `on`."""
        with self.change() as change:
            change.upsert(data, on)
        return _done(change)

    def compact(self, where: _Where = None, *, target: int | str = "128MiB", sort_by: Sequence[str] = ()) -> Committed:
        """Joins small files to files of about `target` bytes; never collides with disjoint writers."""
        with self.change() as change:
            change.compact(where, target=target, sort_by=sort_by)
        return _done(change)

    def restore(self, version: int) -> Committed:
        """Makes the dataset what it was at a version that the history keeps."""
        with self.change() as change:
            change.restore(version)
        return _done(change)

    def build_index(self, column: str) -> Committed:
        """Builds a secondary index, anew where there is one."""
        with self.change() as change:
            change.build_index(column)
        return _done(change)

    def drop_index(self, column: str) -> Committed:
        """Drops a secondary index."""
        with self.change() as change:
            change.drop_index(column)
        return _done(change)

    # ---- housekeeping ------------------------------------------------------------------------------------------------

    def gc(self, older_than: _Age = "24h", dry_run: bool = False) -> list[str]:
        """Removes files that no kept version names and that are older than this; returns their keys."""
        found: list[str] = self._native.gc(_age(older_than, "older_than"), flag(dry_run, "dry_run"))
        return found

    def log(self) -> list[dict[str, Any]]:
        """The commits that the history keeps, newest first: version, time, operation, rows_added, rows_removed."""
        found: list[dict[str, Any]] = self._native.log()
        return found

    def at(self, version: int | str | datetime.datetime) -> Dataset:
        """The dataset as it was at a version, or at a time (a `datetime`, or ISO 8601; UTC where no zone is given)."""
        found = Dataset.__new__(Dataset)
        found._setup(self._url, self._lock, self._storage_options)
        if isinstance(version, int) and not isinstance(version, bool):
            found._native = self._native.at(count(version, "version"), 0)
        else:
            found._native = self._native.at(0, _moment(version))
        return found

    def expire(self, keep: int | None = None, older_than: _Age | None = None) -> Dataset:
        """Forgets versions: all but the newest `keep`, or those superseded longer ago than `older_than`."""
        if (keep is None) == (older_than is None):
            raise ArgumentError("expire takes keep or older_than")
        age = 0 if older_than is None else _age(older_than, "older_than")
        self._native = self._native.expire(count(keep, "keep"), age)
        return self

    def drop(self, dry_run: bool = False) -> list[str]:
        """Removes the dataset and all its files; returns their keys."""
        found: list[str] = _meseta.Dataset.drop(
            self._url, pairs(self._storage_options), self._lock, flag(dry_run, "dry_run")
        )
        return found


def _open_at(where: str, lock: str | None, storage_options: dict[str, Any] | None, version: int) -> Dataset:
    """Opens what was pickled, at its version."""
    found = Dataset(where, lock=lock, storage_options=storage_options)
    return found if found.version == version else found.at(version)


def _done(change: Change) -> Committed:
    assert change.committed is not None
    return change.committed


def _limit(limit: object) -> int:
    import operator

    try:
        number = -1 if isinstance(limit, bool) else operator.index(limit)  # type: ignore[arg-type]
    except TypeError:
        number = -1
    if not 0 <= number < 2**63:
        raise ArgumentError(f"limit must be a whole number from 0, not {limit!r}")
    return number


def _moment(when: object) -> int:
    """Microseconds since 1970, UTC."""
    import datetime

    if isinstance(when, str):
        try:
            when = datetime.datetime.fromisoformat(when)
        except ValueError:
            when = None
    if not isinstance(when, datetime.datetime):
        raise ArgumentError("at takes a version (a whole number from 1) or a time (a datetime, or ISO 8601)")
    if when.tzinfo is None:
        when = when.replace(tzinfo=datetime.timezone.utc)
    since = when - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    return since // datetime.timedelta(microseconds=1)


def _key_value(kind: str, value: Any) -> Any:
    """A partition key's value as Python has it; JSON wrote dates and times as text."""
    import datetime

    if value is None or not isinstance(value, (str, dict)):
        return value
    if isinstance(value, dict):
        return bytes.fromhex(value["hex"])
    if kind.startswith("td"):
        return datetime.date.fromisoformat(value)
    if kind.startswith("ts"):
        return datetime.datetime.fromisoformat(value[:26].replace("Z", "+00:00"))
    if kind in ("f", "g"):
        return float(value.replace("Infinity", "inf"))
    return value
