"""Sources: raw files as they lie, their indexes, and the slices made from them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from . import _meseta
from .errors import ArgumentError, ChangedError
from .options import pairs, size, to_json
from .slice import Slice

__all__ = ["Source", "glob", "open"]

Progress = Callable[[int, int], object]


class _Bar:
    """Drives a tqdm-like bar (an object with ``update`` and ``total``), or a plain function of (done, total)."""

    def __init__(self, target: Any) -> None:
        self._target = target
        self._done = 0

    def __call__(self, done: int, total: int) -> None:
        if hasattr(self._target, "update"):
            if getattr(self._target, "total", total) != total:
                self._target.total = total
            self._target.update(done - self._done)
            self._done = done
        else:
            self._target(done, total)


def _scan(url: str, how: dict[str, Any], pin: Any, i: int, n: int, spacing: int) -> bytes:
    """One piece, in whatever process; the object must be the version that the others see."""
    source = open(url, **how)
    if source._native.show()["pin"] != pin:
        raise ChangedError(f"{source.url} changed while it was indexed")
    return source._native.scan(i, n, spacing, False)


class Source:
    """Raw data as it lies: one object, or the few that belong together, pinned to the version seen at opening.

    Make one with :func:`meseta.open`.
    """

    def __init__(self, native: _meseta.Source, url: str, how: dict[str, Any]) -> None:
        self._native = native
        self._url = url
        self._how = how

    @property
    def url(self) -> str:
        """The URL, without any secret."""
        return self._native.url

    @property
    def format(self) -> str:
        """How records are found: "fastq", "csv" …"""
        return self._native.format

    @property
    def size(self) -> int:
        """Bytes of the object as it is stored."""
        return self._native.size

    @property
    def index_url(self) -> str:
        """Where the index is, or would be."""
        return self._native.index_url

    def __repr__(self) -> str:
        return f"<meseta.Source {self.url} ({self.format}, {self.size} bytes)>"

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def __reduce__(self) -> tuple[Any, ...]:
        return (_reopen, (self._url, {k: v for k, v in self._how.items() if k != "storage_options"}))

    def show(self) -> dict[str, Any]:
        """What is known of it: size, version, format and dialect, state of its index."""
        return self._native.show()

    def index(
        self,
        force: bool = False,
        parallel: int | Mapping[str, Any] | None = None,
        spacing: int | str | None = None,
        *,
        chunk_size: int | str | None = None,
        recover: bool = False,
        dry_run: bool = False,
        progress: Any = None,
    ) -> dict[str, Any]:
        """Looks at the source once and stores where its records lie. Does nothing when a fresh index is there.

        Parameters
        ----------
        force : bool
            Index again in any case.
        parallel : int or dict, optional
            Threads of this process; or settings for :class:`joblib.parallel_config`, such as ``{"backend": "loky"}`` or
            ``{"backend": "dask"}``, to scan pieces anywhere. The index is the same, byte for byte.
        spacing : int or str, optional
            Plain bytes between checkpoints; 1 MiB by default.
        chunk_size : int or str, optional
            Bytes of the pieces that are scanned in parallel.
        recover : bool
            Index what is whole of a damaged source; the report's "damage" says what is missing.
        dry_run : bool
            Read and write nothing, only report.
        progress : optional
            A function of (done, total) bytes, or a tqdm bar.

        Returns
        -------
        dict
            "done" ("indexed", "fresh", "dry-run", "not-needed"), "records", "plain_bytes", "checkpoints", "index" …
        """
        every = size(spacing, "spacing")
        piece = size(chunk_size, "chunk_size")
        bar = None if progress is None else _Bar(progress)
        if isinstance(parallel, Mapping) and not dry_run:
            return self._index_anywhere(force, dict(parallel), every, piece, recover)
        threads = parallel if isinstance(parallel, int) else 0
        return self._native.index(every, threads, piece, force, recover, dry_run, bar)

    def _index_anywhere(self, force: bool, parallel: dict[str, Any], spacing: int, piece: int, recover: bool) -> dict[str, Any]:
        import joblib

        shown = self._native.show()
        if not force and shown.get("index", {}).get("state") == "fresh":
            return self._native.index(spacing, 0, 0, False, recover, False, None)
        n = self._native.pieces(spacing, piece or max(1 << 20, min(64 << 20, self.size // 16)))
        if n == 1:
            return self._native.index(spacing, 1, 0, True, recover, False, None)
        with joblib.parallel_config(**parallel):
            partials = joblib.Parallel()(joblib.delayed(_scan)(self._url, self._how, shown["pin"], i, n, spacing) for i in range(n))
        return self._native.index_from(partials, spacing, recover)

    def export(self, kind: str, to: str | os.PathLike[str] | None = None) -> None:
        """Writes a companion in the field's own format ("fai", "gzi"), beside the source or to `to`."""
        self._native.export(kind, None if to is None else os.fspath(to))

    def verify(self, *, recover: bool = False, progress: Any = None) -> dict[str, Any]:
        """Reads the whole source: undamaged? And its index, if any: fresh and right? Raises what is wrong."""
        return self._native.verify(0, recover, None if progress is None else _Bar(progress))

    def slices(
        self,
        n: int | None = None,
        *,
        size: int | str | None = None,
        records: int | None = None,
        strategy: str | None = None,
        region: str | None = None,
        where: str | None = None,
        **options: Any,
    ) -> list[Slice]:
        """Cuts the source into slices, from its index alone: no data is read.

        Parameters
        ----------
        n : int, optional
            At most this many slices, balanced by plain bytes; empty ones are left out.
        size : int or str, optional
            Slices of about this many plain bytes.
        records : int, optional
            Each slice but the last holds this many records.
        strategy : str, optional
            A format's own: "words" (text), "residues" (FASTA) …
        region : str, optional
            "name:from-to", 1-based, both ends included (FASTA, VCF).
        where : str, optional
            Only what matches.

        Returns
        -------
        list of Slice
            In the order of the source. Without n, size and records: about 64 MiB of plain bytes each.
        """
        from .options import size as to_bytes

        counts = {"n": n, "records": records}
        for name, value in counts.items():
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise ArgumentError(f"{name} must be a whole number above 0, not {value!r}")
        found = self._native.slices(n or 0, to_bytes(size, "size"), records or 0, strategy, region, where, to_json(options))
        return [Slice(one) for one in found]


def _reopen(url: str, how: dict[str, Any]) -> Source:
    return open(url, **how)


def open(
    url: str | os.PathLike[str],
    *,
    format: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
    index_at: str | os.PathLike[str] | None = None,
    **dialect: Any,
) -> Source:
    """Opens a raw file where it lies.

    Parameters
    ----------
    url : str or path
        A path, ``file:///path``, ``s3://bucket/key``, ``http(s)://host/path`` or ``memory://name/key``.
    format : str, optional
        "text", "csv", "fasta", "fastq" or "vcf"; found by name and first bytes by default.
    storage_options : dict, optional
        Settings of the store, in fsspec's or object_store's spelling. An unknown one is an error.
    index_at : str, optional
        A URL below which the index is kept, instead of beside the source.
    **dialect
        The format's own options; for CSV ``delimiter``, ``quote``, ``escape``, ``header``. None: found from the file.

    Examples
    --------
    >>> import meseta, pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "x.txt"
    >>> _ = path.write_text("one\\ntwo\\nthree\\n")
    >>> source = meseta.open(path)
    >>> source.index()["records"]
    3
    >>> [s.text() for s in source.slices(records=2)]
    ['one\\ntwo\\n', 'three\\n']
    """
    how: dict[str, Any] = {"format": format, "storage_options": storage_options, "index_at": None if index_at is None else os.fspath(index_at)}
    how.update({k: v for k, v in dialect.items() if v is not None})
    chosen = to_json({k: v for k, v in dialect.items() if v is not None})
    text = os.fspath(url)
    native = _meseta.Source(text, format, how["index_at"], chosen, pairs(storage_options))
    return Source(native, text, {k: v for k, v in how.items() if v is not None})


def glob(
    pattern: str | os.PathLike[str],
    *,
    format: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
    index_at: str | os.PathLike[str] | None = None,
    **dialect: Any,
) -> list[Source]:
    """Opens every object that matches a glob (``*``, ``?``, ``[..]``, ``**``) or lies below a prefix; indexes and companions are left out."""
    urls = _meseta.find(os.fspath(pattern), pairs(storage_options))
    return [open(url, format=format, storage_options=storage_options, index_at=index_at, **dialect) for url in urls]
