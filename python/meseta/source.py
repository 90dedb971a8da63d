"""Sources: raw files as they lie, their indexes, and the slices made from them."""

from __future__ import annotations

import os

from . import _meseta, options
from .errors import ArgumentError, ChangedError, UnsupportedError
from .progress import bar
from .slice import Slice

TYPE_CHECKING = False  # so that importing the package does not import typing
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from .progress import _Progress

__all__ = ["Source", "glob", "open"]

_PORTABLE = {  # storage options that a pickle may hold
    "addressing",
    "allow_http",
    "anonymous",
    "checksum",
    "connect_timeout",
    "endpoint",
    "max_attempts",
    "region",
    "requester_pays",
    "retry_timeout",
    "stall_timeout",
    "timeout",
    "unsigned_payload",
    "use_tls",
    "verify_tls",
}
_PIECE_MAX = 64 << 20  # bytes of one piece of distributed indexing, when the caller does not say


class Source:
    """Raw data as it lies: one object, or the few that belong together, pinned to the version seen at opening.

    Make one with :func:`meseta.open`. It may be used from many threads. As a context manager it is closed at the end of
    the block; slices made from it stay as they are.

    Examples
    --------
    >>> with meseta.open(folder / "genes.fa") as genes:
    ...     genes.format, genes.size
    ('fasta', 23)
    """

    __slots__ = ("__weakref__", "_how", "_native", "_url")

    def __init__(self, native: _meseta.Source, how: dict[str, Any]) -> None:
        self._native: _meseta.Source | None = native
        self._url = native.url
        self._how = how

    def _open(self) -> _meseta.Source:
        if self._native is None:
            raise ArgumentError(f"this source is closed: {self._url}")
        return self._native

    @property
    def url(self) -> str:
        """The URL, without any secret."""
        return self._url

    @property
    def format(self) -> str:
        """The name of the format, given or found."""
        return self._open().format

    @property
    def size(self) -> int:
        """Bytes of the object as it is stored."""
        return self._open().size

    @property
    def index_url(self) -> str:
        """Where the index is kept."""
        return self._open().index_url

    def __repr__(self) -> str:
        if self._native is None:
            return f"<meseta.Source {self._url} (closed)>"
        return f"<meseta.Source {self._url} ({self.format}, {self.size} bytes)>"

    def __enter__(self) -> Source:
        self._open()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of what the source holds. Its slices stay readable."""
        self._native = None

    def _recipe(self, secrets: bool) -> tuple[str, dict[str, Any], Any]:
        """What _again needs to open the same version of the same source elsewhere."""
        how = dict(self._how)
        if not secrets:
            how["storage_options"] = _without_secrets(how["storage_options"])
        named = how["url"] if secrets and "://" in how["url"] else self._url
        return (named, how, self._open().show().get("pin"))

    def __reduce__(self) -> tuple[Any, ...]:
        url, how, pin = self._recipe(secrets=False)
        how["url"] = url
        return (_again, (url, how, pin))

    def __copy__(self) -> Source:
        return self

    def __deepcopy__(self, memo: object) -> Source:
        return self

    def __dask_tokenize__(self) -> tuple[str, str]:
        how = {name: value for name, value in self._how.items() if name not in ("storage_options", "url")}
        return (
            "meseta.Source",
            options.json_text({"url": self._url, "how": how, "pin": self._open().show().get("pin")}),
        )

    def show(self) -> dict[str, Any]:
        """What is known of it: size, version, format and dialect, state of its index.

        Returns
        -------
        dict
            "url", "format", "size", "pin", "index" and more; ``["index"]["state"]`` is "none", "fresh", "stale" or
            "broken".
        """
        found: dict[str, Any] = self._open().show()
        return found

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

        An interrupted run leaves nothing half-written.

        Parameters
        ----------
        force : bool
            Index again in any case.
        parallel : int or dict, optional
            Threads of this process; or settings for ``joblib.parallel_config``, such as
            ``{"backend": "loky", "n_jobs": 4}`` or ``{"backend": "dask"}``, to scan pieces anywhere. The index is the
            same, byte for byte.
        spacing : int or str, optional
            Plain bytes between checkpoints; 1 MiB by default.
        chunk_size : int or str, optional
            Bytes of the pieces that are scanned in parallel.
        recover : bool
            Index what is whole of a damaged source; the report's "damage" says what is missing.
        dry_run : bool
            Read and write nothing, only report.
        progress : bool, function or tqdm bar, optional
            True makes a bar; a function is called with (done, total) bytes some ten times a second, in the thread that
            called. What it raises stops the work.

        Returns
        -------
        dict
            "done" ("indexed", "fresh", "dry-run", "not-needed"), "records", "plain_bytes", "checkpoints", "index" and
            more.

        Examples
        --------
        >>> meseta.open(folder / "genes.fa").index(force=True)["records"]
        2
        """
        from collections.abc import Mapping

        native = self._open()
        force, recover, dry_run = (
            options.flag(force, "force"),
            options.flag(recover, "recover"),
            options.flag(dry_run, "dry_run"),
        )
        every = options.size(spacing, "spacing")
        if isinstance(parallel, Mapping):
            settings = dict(parallel)
            piece = options.size(settings.pop("chunk_size", chunk_size), "chunk_size")
            if not dry_run:
                return self._index_anywhere(settings, force, every, piece, recover, bar(progress, "index"))
            parallel = None
        threads = options.count(parallel, "parallel", 4096)
        piece = options.size(chunk_size, "chunk_size")
        report: dict[str, Any] = native.index(
            every, threads, piece, force, recover, dry_run, bar(progress, f"index {os.path.basename(self._url)}")
        )
        return report

    def _index_anywhere(
        self, settings: dict[str, Any], force: bool, spacing: int, piece: int, recover: bool, progress: _Progress | None
    ) -> dict[str, Any]:
        try:
            import joblib  # type: ignore[import,unused-ignore]
        except ImportError as error:
            raise ImportError("parallel={…} needs joblib: python -m pip install joblib") from error
        native = self._open()
        url, how, pin = self._recipe(secrets=True)
        report: dict[str, Any]
        if not force and native.show().get("index", {}).get("state") == "fresh":
            report = native.index(spacing, 0, 0, False, recover, False, progress)
            return report
        n = native.pieces(spacing, piece or max(1 << 20, min(_PIECE_MAX, self.size // 16)))
        if n == 1:
            report = native.index(spacing, 0, 0, True, recover, False, progress)
            return report
        settings.setdefault("n_jobs", -1)
        try:
            chosen = joblib.parallel_config(**settings)
        except (TypeError, ValueError) as error:
            raise ArgumentError(f"parallel={settings!r}: {error}") from None
        try:
            with chosen:
                jobs = (joblib.delayed(_scan)(url, how, pin, i, n, spacing, recover) for i in range(n))
                partials = _gather(joblib.Parallel, jobs, n, self.size, progress)
            report = native.index_from(partials, spacing, recover)
        except UnsupportedError:  # ordinary gzip behind blocks of BGZF cannot be cut after all
            report = native.index(spacing, 0, 0, True, recover, False, progress)
        return report

    def export(self, kind: str, to: str | os.PathLike[str] | None = None) -> None:
        """Writes a companion in the field's own format.

        Parameters
        ----------
        kind : str
            "fai" (FASTA) or "gzi" (BGZF).
        to : str or path, optional
            Where to; beside the source by default.
        """
        if options.text(kind, "kind") is None:
            raise ArgumentError("kind must be text, such as 'fai'")
        self._open().export(kind, None if to is None else options.url(to, "to"))

    def verify(self, *, recover: bool = False, progress: Any = None) -> dict[str, Any]:
        """Reads the whole source: is it undamaged, and its index, if there is one, fresh and right.

        Returns
        -------
        dict
            What was looked at.

        Raises
        ------
        CorruptError, ChangedError
            The first fault found.
        """
        report: dict[str, Any] = self._open().verify(
            0, options.flag(recover, "recover"), bar(progress, f"verify {os.path.basename(self._url)}")
        )
        return report

    def slices(
        self,
        n: int | None = None,
        *,
        size: int | str | None = None,
        records: int | None = None,
        strategy: str | None = None,
        region: str | Iterable[str] | None = None,
        where: str | None = None,
        **more: Any,
    ) -> list[Slice]:
        """Cuts the source into slices, from its index alone: no data is read.

        Parameters
        ----------
        n : int, optional
            At most this many slices, balanced by plain bytes; empty ones are left out.
        size : int or str, optional
            Slices of about this many plain bytes, such as "64MiB".
        records : int, optional
            Each slice but the last holds this many records.
        strategy : str, optional
            A format's own: "words" (text), "residues" (FASTA) and others.
        region : str or several, optional
            "name:from-to", 1-based, both ends included (FASTA, VCF). Each of several gives slices of its own.
        where : str, optional
            Only what matches.
        **more
            What a strategy needs further. VCF regions: ``overlap=True`` gives a variant to each slice that it overlaps,
            not only to the one in which it begins.

        Returns
        -------
        list of Slice
            In the order of the source. Without n, size and records: about 64 MiB of plain bytes each.

        Raises
        ------
        NotFoundError
            The source needs an index and has none: call :meth:`index` first.
        ChangedError
            The source changed since it was indexed.

        Examples
        --------
        >>> [s.records for s in meseta.open(folder / "people.csv").slices(records=2)]
        [2, 1]
        """
        found = self._open().slices(
            options.count(n, "n"),
            options.size(size, "size"),
            options.count(records, "records"),
            options.text(strategy, "strategy"),
            options.texts(region, "region"),
            options.text(where, "where"),
            options.json_text(more),
        )
        return [Slice(one) for one in found]


def _without_secrets(given: Mapping[str, str] | None) -> dict[str, str] | None:
    """Storage options that say where and how, but not who: a pickle holds no credential."""
    if not given:
        return None
    portable = {
        alias.lower()
        for row in _meseta.describe("options")
        if row["name"] in _PORTABLE
        for alias in [row["name"], *row["aliases"]]
    }
    return {name: value for name, value in given.items() if name.lower() in portable} or None


def _again(url: str, how: dict[str, Any], pin: Any) -> Source:
    """The same source in another process; it must still be the version that was seen."""
    source = open(**{**how, "url": url})
    if source.show().get("pin") != pin:
        raise ChangedError(f"{source.url} is not the version that was opened before")
    return source


def _scan(url: str, how: dict[str, Any], pin: Any, i: int, n: int, spacing: int, recover: bool) -> bytes:
    """One piece of an index in the making, in whatever process."""
    return _again(url, how, pin)._open().scan(i, n, spacing, recover)


def _gather(parallel: Any, jobs: Any, n: int, size: int, progress: _Progress | None) -> list[bytes]:
    """The jobs' results in order; told as they come where the back-end can."""
    if progress is None:
        return list(parallel()(jobs))
    try:
        results = parallel(return_as="generator")
    except (TypeError, ValueError):
        results = parallel()
    found: list[bytes] = []
    for one in results(jobs):
        found.append(one)
        progress(size * len(found) // n, size)
    return found


def open(
    url: str | bytes | os.PathLike[str] | os.PathLike[bytes],
    *,
    format: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
    index_at: str | bytes | os.PathLike[str] | os.PathLike[bytes] | None = None,
    allow_unpinned: bool = False,
    **dialect: Any,
) -> Source:
    r"""Opens a raw file where it lies.

    Parameters
    ----------
    url : str, bytes or path
        A path, ``file:///path``, ``s3://bucket/key``, ``http(s)://host/path`` or ``memory://name/key``.
    format : str, optional
        "text", "csv", "fasta", "fastq" or "vcf", each also inside gzip, BGZF and zstd; found by name and first bytes by
        default.
    storage_options : dict, optional
        Settings of the store, in fsspec's or object_store's spelling. An unknown one is an error.
    index_at : str, bytes or path, optional
        Where indexes are kept, instead of beside the source.
    allow_unpinned : bool
        Open also what offers neither ETag nor date (HTTP), so that a change cannot be noticed.
    **dialect
        The format's own options; for CSV ``delimiter``, ``quote``, ``escape``, ``header``. None: found from the file.

    Returns
    -------
    Source
        The source, pinned to the version that is there now.

    Raises
    ------
    NotFoundError
        There is no such object.
    UnsupportedError
        No format fits.

    Examples
    --------
    >>> people = meseta.open(folder / "people.csv", format="csv", header=True)
    >>> people.index()["records"]
    3
    >>> [s.text() for s in people.slices(records=2)]
    ['name,age\nAda,36\nAlan,41\n', 'Kurt,41\n']
    """
    how: dict[str, Any] = {name: value for name, value in dialect.items() if value is not None}
    chosen = options.json_text(how)
    how["url"] = options.url(url, "url")
    how["format"] = options.text(format, "format")
    how["index_at"] = None if index_at is None else options.url(index_at, "index_at")
    how["allow_unpinned"] = options.flag(allow_unpinned, "allow_unpinned")
    how["storage_options"] = dict(options.pairs(storage_options))
    native = _meseta.Source(
        how["url"],
        how["format"],
        how["index_at"],
        chosen,
        options.pairs(storage_options),
        how["allow_unpinned"],
    )
    return Source(native, how)


def glob(
    pattern: str | bytes | os.PathLike[str] | os.PathLike[bytes],
    *,
    format: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
    index_at: str | bytes | os.PathLike[str] | os.PathLike[bytes] | None = None,
    allow_unpinned: bool = False,
    **dialect: Any,
) -> list[Source]:
    """Opens every object that matches a pattern or lies below a prefix.

    Parameters
    ----------
    pattern : str, bytes or path
        A URL with ``*``, ``?``, ``[..]`` or ``**``, or one that ends with ``/``. Indexes and companions are left out.
    format, storage_options, index_at, allow_unpinned, **dialect
        As for :func:`meseta.open`.

    Returns
    -------
    list of Source
        In the order of their keys; empty when nothing matches.

    Examples
    --------
    >>> [source.format for source in meseta.glob(folder / "*.fa")]
    ['fasta']
    """
    urls = _meseta.find(options.url(pattern, "pattern"), options.pairs(storage_options))

    def one(url: str) -> Source:
        return open(
            url,
            format=format,
            storage_options=storage_options,
            index_at=index_at,
            allow_unpinned=allow_unpinned,
            **dialect,
        )

    if len(urls) < 2:
        return [one(url) for url in urls]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(min(16, len(urls))) as pool:
        return list(pool.map(one, urls))
