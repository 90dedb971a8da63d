"""Slices and datasets in dask: bags, delayed tasks, frames, and frames written as datasets in one commit.

>>> numbers = meseta.Dataset.create(folder / "dasked", pyarrow.table({"n": [1, 2, 3]}))
>>> frame = meseta.dask.dataframe(numbers)
>>> int(frame["n"].sum().compute())
6
"""

from __future__ import annotations

import os

from .dataset import Dataset, _names
from .errors import ArgumentError
from .slice import Slice

TYPE_CHECKING = False  # so that importing the package does not import typing
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from .dataset import _Where

__all__ = ["bag", "dataframe", "delayed", "to_dataset"]


def _pieces(what: object, n: int | None) -> list[Slice]:
    if isinstance(what, Dataset):
        return what.slices(n) if n is not None else what.slices(max(1, len(what._native)))
    if hasattr(what, "slices"):
        return [*what.slices(n)]
    found: list[Any] = list(what)  # type: ignore[call-overload]
    if not all(isinstance(each, Slice) for each in found):
        raise ArgumentError("dask takes a Dataset, a Source or a list of Slices")
    return found


def _token(prefix: str, *parts: object) -> str:
    """The same name for the same work, so that dask knows it again."""
    import hashlib

    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        text = part.to_json() if isinstance(part, Slice) else repr(part)
        digest.update(text.encode("utf-8", "surrogateescape") + b"\0")
    return f"{prefix}-{digest.hexdigest()}"


def _read(piece: Slice, how: str) -> Any:
    """What one task does."""
    if how == "lines":
        return list(piece.lines())
    return getattr(piece, how)()


def bag(what: object, n: int | None = None, *, read: str | None = None) -> Any:
    """A ``dask.bag.Bag`` of slices, one a partition, or of what is read of them.

    Parameters
    ----------
    what : Dataset, Source or list of Slice
    n : int, optional
        Number of slices, where `what` is not a list.
    read : str, optional
        ``"lines"``: of lines; ``"pandas"``, ``"arrow"``, ``"text"``, ``"read"``: one value a slice. None: the slices
        themselves.
    """
    import dask.bag

    pieces = _pieces(what, n)
    name = _token("meseta-slices", *pieces)
    made = dask.bag.Bag({(name, i): [piece] for i, piece in enumerate(pieces)}, name, len(pieces))
    if read is None:
        return made
    mapped = made.map(_read, read)
    return mapped.flatten() if read == "lines" else mapped


def delayed(what: object, n: int | None = None, *, read: str = "pandas") -> list[Any]:
    """A list of ``dask.delayed`` tasks, one for each slice; see :func:`bag`."""
    import dask

    task = dask.delayed(_read, pure=True)
    return [task(piece, read, dask_key_name=_token("meseta-read", piece, read)) for piece in _pieces(what, n)]


class _Reader:
    """Reads one partition of a frame; dask tells it which columns are enough."""

    def __init__(self, dataset: Dataset, columns: list[str], where: str | None) -> None:
        self.dataset = dataset
        self.columns = columns
        self.where = where

    def __call__(self, labels: list[str], columns: Sequence[str] | None = None) -> Any:
        from .stream import Stream

        wanted = self.columns if columns is None else list(columns)
        native = self.dataset._native.read(wanted, self.where, [], labels, None, 0)
        return Stream(native).pandas()

    def project_columns(self, columns: Sequence[str]) -> _Reader:
        """A reader of these columns only."""
        return _Reader(self.dataset, list(columns), self.where)

    def __dask_tokenize__(self) -> tuple[object, ...]:
        return (self.dataset.url, self.dataset.version, self.columns, self.where)


def dataframe(dataset: Dataset, columns: Sequence[str] | None = None, where: _Where = None) -> Any:
    """A ``dask.dataframe`` of a dataset: one partition for each of the dataset's that `where` does not rule out.

    Parameters
    ----------
    dataset : Dataset
    columns : list of str, optional
    where : str or list, optional
        Rows that do not meet it are not read; see :meth:`meseta.Dataset.read`.
    """
    import dask.dataframe as dd

    from ._where import where_text
    from .stream import Stream

    wanted = dataset.schema.names if columns is None else _names(columns, "columns")
    condition = where_text(where)
    parts = [[part.label] for part in dataset.partitions(where)]
    meta = Stream(dataset._native.read(wanted, None, [], [], None, 0)).pandas()
    if not parts:
        return dd.from_pandas(meta, npartitions=1)
    return dd.from_map(_Reader(dataset, wanted, condition), parts, meta=meta, label="meseta", enforce_metadata=False)


def _write(frame: Any, dataset: Dataset) -> str:
    """Writes one partition's rows on a worker; "" when there are none."""
    if len(frame) == 0:
        return ""
    change = dataset.change()
    try:
        return change.write(frame)
    finally:
        change.close()


def _commit(fragments: list[str], dataset: Dataset) -> int:
    with dataset.change() as change:
        for fragment in fragments:
            if fragment:
                change.add(fragment)
    return dataset.version


def _bucketed(frame: Any, keys: list[str], bucket_by: list[str], buckets: int) -> Any:
    import pandas as pd  # type: ignore[import-untyped,unused-ignore]

    hashed = pd.util.hash_pandas_object(frame[bucket_by], index=False) % buckets
    return frame.assign(**{_BUCKET: hashed.astype("int64")})


def _without_bucket(frame: Any, write: Callable[..., str], dataset: Dataset) -> str:
    import json

    written: list[Any] = []
    for _, rows in frame.groupby(_BUCKET):
        fragment = write(rows.drop(columns=_BUCKET).reset_index(drop=True), dataset)
        found = json.loads(fragment) if fragment else []
        written += found if isinstance(found, list) else [found]
    return json.dumps(written) if written else ""


_BUCKET = "__meseta_bucket"


def to_dataset(
    frame: Any,
    url: str | os.PathLike[str],
    *,
    partition_on: Sequence[str] = (),
    shuffle: bool = False,
    bucket_by: str | Sequence[str] | None = None,
    buckets: int = 1,
    compute: bool = True,
    storage_options: Mapping[str, Any] | None = None,
    **create: Any,
) -> Any:
    """Writes a dask frame: workers write files, and one commit takes them all in.

    Parameters
    ----------
    frame : dask.dataframe.DataFrame
    url : str or path
        A dataset that is there is appended to; else it is made.
    partition_on : list of str
        Partition keys of a new dataset.
    shuffle : bool
        Bring rows of equal partition keys (and buckets) together first, so that there are fewer files.
    bucket_by : str or list of str, optional
        With `shuffle`: the columns whose hash chooses the bucket; the partition keys by default.
    buckets : int
        With `shuffle`: at most so many files for each combination of partition keys.
    compute : bool
        False: give the task that writes and commits.
    storage_options : dict, optional
    **create
        Further arguments of :meth:`meseta.Dataset.create`.

    Returns
    -------
    Dataset
        The dataset as committed; with ``compute=False`` a ``dask.delayed`` that gives its version.
    """
    import dask

    if Dataset.exists(url, storage_options=storage_options):
        dataset = Dataset(url, storage_options=storage_options)
    else:
        dataset = Dataset.create(
            url,
            schema=_schema_of(frame._meta),
            partition_on=partition_on,
            storage_options=storage_options,
            **create,
        )
    if shuffle:
        keys = list(dataset.partition_keys)
        by = _names(bucket_by, "bucket_by") or keys or list(frame.columns)
        together = frame.map_partitions(_bucketed, keys, by, buckets, enforce_metadata=False)
        together = together.shuffle(on=[*keys, _BUCKET])
        tasks = [dask.delayed(_without_bucket)(part, _write, dataset) for part in together.to_delayed()]
    else:
        tasks = [dask.delayed(_write)(part, dataset) for part in frame.to_delayed()]
    commit = dask.delayed(_commit)(tasks, dataset)
    if not compute:
        return commit
    commit.compute()
    return dataset.refresh()


def _schema_of(meta: Any) -> object:
    from ._data import frames
    from .stream import Schema

    return Schema(next(iter(frames(meta))).schema())
