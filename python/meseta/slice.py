"""Slices: small, lazy, serialisable pieces of a source."""

from __future__ import annotations

import builtins
import io
import os

from . import _meseta
from .errors import ArgumentError, CorruptError
from .options import flag, json_text, pairs
from .stream import Stream

TYPE_CHECKING = False  # so that importing the package does not import typing
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    import numpy as _numpy  # type: ignore[import,unused-ignore]
    import pandas as _pandas  # type: ignore[import,unused-ignore]
    import polars as _polars  # type: ignore[import,unused-ignore]

__all__ = ["Slice"]


class _File(io.RawIOBase):
    """A slice's content as a raw file, in order."""

    def __init__(self, reader: _meseta.Reader) -> None:
        self._reader = reader
        self._piece = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._piece:
            self._piece = self._reader.next()
        n = min(len(buffer), len(self._piece))
        buffer[:n] = self._piece[:n]
        self._piece = self._piece[n:]
        return n

    def readall(self) -> bytes:
        pieces = [self._piece]
        self._piece = memoryview(b"")
        while piece := self._reader.next():
            pieces.append(piece)
        return b"".join(pieces)

    def close(self) -> None:
        if not self.closed:
            self._piece = memoryview(b"")
            self._reader.close()
        super().close()


class Slice:
    r"""One piece of a source: whole records, read when asked for, wherever it is.

    A slice is a small JSON value. It pickles, it holds no credential, and it names the very version of the source that
    was planned: reading a source that changed since raises :class:`meseta.ChangedError`. Many threads may read one
    slice at once.

    Make slices with :meth:`Source.slices` or :meth:`from_json`.

    Examples
    --------
    >>> first, second = meseta.open(folder / "genes.fa").slices(2)
    >>> first.read()
    b'>one\nACGTACGT\n'
    >>> second.records, second.format
    (1, 'fasta')
    >>> import pickle
    >>> pickle.loads(pickle.dumps(second)) == second
    True
    """

    __slots__ = ("__weakref__", "_facts", "_native")

    def __init__(self, native: _meseta.Slice) -> None:
        if not isinstance(native, _meseta.Slice):
            raise ArgumentError("slices are made by Source.slices and Slice.from_json")
        self._native = native
        self._facts: dict[str, Any] | None = None

    @classmethod
    def from_json(cls, text: str | builtins.bytes, *, storage_options: Mapping[str, Any] | None = None) -> Slice:
        """A slice of its JSON. Nothing is fetched; `text` may come from anywhere.

        Parameters
        ----------
        text : str or bytes
            What :meth:`to_json` gave, or ``meseta slices`` printed.
        storage_options : dict, optional
            This process's own settings of the store. Credentials are found by the store's usual chain when they are not
            given; they are sent to an endpoint that the slice names only when this process's own settings name it too.

        Returns
        -------
        Slice
            The slice, unread.
        """
        if isinstance(text, str):
            text = text.encode("utf-8", "surrogateescape")
        if not isinstance(text, (bytes, bytearray, memoryview)):
            raise ArgumentError(f"a slice's JSON is text or bytes, not {type(text).__name__}")
        return cls(_meseta.Slice.parse(bytes(text), pairs(storage_options)))

    def to_json(self) -> str:
        """The slice as one line of JSON, the same for equal slices."""
        return self._native.json

    def __reduce__(self) -> tuple[Any, ...]:
        return (_restore, (self.to_json(),))

    def __copy__(self) -> Slice:
        return self

    def __deepcopy__(self, memo: object) -> Slice:
        return self

    def __eq__(self, other: object) -> bool:
        return self.to_json() == other.to_json() if isinstance(other, Slice) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.to_json())

    def __dask_tokenize__(self) -> tuple[str, str]:
        return ("meseta.Slice", self.to_json())

    def __repr__(self) -> str:
        size = "" if self.bytes is None else f", {self.bytes} bytes"
        records = "" if self.records is None else f", {self.records} records"
        return f"<meseta.Slice of {self.url} ({self.format}{records}{size})>"

    def __enter__(self) -> Slice:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    @property
    def url(self) -> str:
        """The source's URL."""
        return self._native.url

    @property
    def format(self) -> str:
        """The source's format."""
        return self._native.format

    @property
    def records(self) -> int | None:
        """The number of records, where the index tells."""
        return self._native.records

    @property
    def bytes(self) -> int | None:
        """The number of plain (decompressed) bytes, where the index tells."""
        return self._native.size

    def _fact(self, name: str) -> Any:
        if self._facts is None:
            self._facts = self._native.describe() or {}
        return self._facts.get(name)

    @property
    def record(self) -> str | None:
        """FASTA: the name of the record that the slice begins in. May read a little of the source."""
        found: str | None = self._fact("record")
        return found

    @property
    def offset(self) -> int | None:
        """FASTA: the first residue of a slice that begins inside a sequence, from 0. May read a little of it."""
        found: int | None = self._fact("offset")
        return found

    @property
    def window(self) -> tuple[int, int, int, int] | None:
        """Rasters: column, row, width and height of the slice's pixels."""
        found = self._fact("window")
        return None if found is None else tuple(found)

    def read(self, *, header: bool = False, recover: bool = False) -> builtins.bytes:
        """The slice's own part of the plain (decompressed) object; the parts of a plan join to the object.

        Parameters
        ----------
        header : bool
            Repeat the source's header in front, where it has one and the slice does not begin with it.
        recover : bool
            Give the whole records in front of damage, and warn of it (``RuntimeWarning``), instead of raising
            :class:`meseta.CorruptError`.

        Returns
        -------
        bytes
            Bytes as they are, not decoded.
        """
        if not flag(recover, "recover"):
            return self._native.read(flag(header, "header"), False)
        import warnings

        reader, pieces = self._native.reader(flag(header, "header"), True), []
        try:
            while piece := reader.next():
                pieces.append(bytes(piece))
        except CorruptError as error:
            warnings.warn(str(error), RuntimeWarning, stacklevel=2)
        return b"".join(pieces)

    def text(self, encoding: str = "utf-8", errors: str = "strict", *, header: bool = False) -> str:
        """What :meth:`read` gives, decoded."""
        return self.read(header=header).decode(encoding, errors)

    def lines(self, encoding: str = "utf-8", errors: str = "strict", *, header: bool = False) -> Iterator[str]:
        """The lines without their ends (LF or CRLF), read as they are asked for.

        Examples
        --------
        >>> list(meseta.open(folder / "genes.fa").slices(2)[0].lines())
        ['>one', 'ACGTACGT']
        """
        reader = self._native.reader(flag(header, "header"), False)
        begun: list[builtins.bytes] = []  # of a line whose end was not seen yet
        while piece := reader.next():
            data = piece.tobytes()
            cut = data.rfind(b"\n") + 1
            if cut > 0:
                yield from _split(b"".join([*begun, data[:cut]]), encoding, errors)
                begun.clear()
            if cut < len(data):
                begun.append(data[cut:])
        if begun:
            yield b"".join(begun).decode(encoding, errors)

    def open(self, *, header: bool = False, recover: bool = False) -> io.BufferedReader:
        """The content as a binary file object, read in order and in bounded memory.

        What was read is final only when the end was reached without an error: checksums are compared there.
        """
        return io.BufferedReader(_File(self._native.reader(flag(header, "header"), flag(recover, "recover"))), 1 << 18)

    def save(self, path: str | os.PathLike[str], *, header: bool = False) -> None:
        """Writes the content to `path`, which appears only when it is whole."""
        target = os.fsdecode(path)
        if os.path.isdir(target):
            raise ArgumentError(f"{target} is a folder; name a file in it")
        if os.path.exists(target) and not os.path.isfile(target):  # a device or a pipe: written, not replaced
            with open(target, "wb", buffering=0) as out:
                self._write(out, header)
            return
        target = os.path.realpath(target)
        folder, name = os.path.split(target)
        part = os.path.join(folder, f".{name[:200]}.{os.urandom(6).hex()}.part")
        fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            with os.fdopen(fd, "wb", buffering=0) as out:
                self._write(out, header)
            os.replace(part, target)
        except BaseException:
            os.unlink(part)
            raise

    def _write(self, out: Any, header: bool) -> None:
        reader = self._native.reader(flag(header, "header"), False)
        while piece := reader.next():
            while piece:
                piece = piece[out.write(piece) :]

    def arrow(
        self, raw: bool = False, info: bool = True, genotypes: bool = False, *, recover: bool = False, **options: Any
    ) -> Stream:
        """The records as an Arrow stream of typed columns.

        Parameters
        ----------
        raw : bool
            Columns as they are stored, where the format scales or converts them.
        info, genotypes : bool
            VCF: with the INFO fields; with the samples' fields.
        recover : bool
            Leave out what is damaged.
        **options
            What the format knows further, such as CSV's ``schema={"a": "int64"}`` and ``columns=["a"]``.

        Returns
        -------
        Stream
            Text: lines. FASTA: name, description, sequence. FASTQ: also quality. CSV: the file's columns. VCF: its
            fields.
        """
        asked: dict[str, Any] = dict(options)
        if flag(raw, "raw"):
            asked["raw"] = True
        if not flag(info, "info"):
            asked["info"] = False
        if flag(genotypes, "genotypes"):
            asked["genotypes"] = True
        return Stream(self._native.stream(json_text(asked), flag(recover, "recover")))

    def pandas(self, **options: Any) -> _pandas.DataFrame:
        """The records as a pandas frame; options as for :meth:`arrow`."""
        return self.arrow(**options).pandas()

    def polars(self, **options: Any) -> _polars.DataFrame:
        """The records as a Polars frame; options as for :meth:`arrow`."""
        return self.arrow(**options).polars()

    def numpy(self, **options: Any) -> _numpy.ndarray[Any, Any]:
        """The records as a NumPy structured array, one field a column; options as for :meth:`arrow`.

        Texts and nested values are Python objects; columns of numbers with gaps become floats with NaN.

        Examples
        --------
        >>> meseta.open(folder / "people.csv").slices(1)[0].numpy()["age"].tolist()
        [36, 41, 41]
        """
        return self.arrow(**options).numpy()


def _split(data: bytes, encoding: str, errors: str) -> Iterator[str]:
    """Whole lines, decoded together where that can be done: several times faster."""
    try:
        lines = data.decode(encoding, errors).split("\n")
    except UnicodeDecodeError:  # let it come where it belongs
        for line in data.split(b"\n")[:-1]:
            yield line.removesuffix(b"\r").decode(encoding, errors)
        return
    lines.pop()  # behind the last line's end
    if b"\r" in data:
        lines = [line.removesuffix("\r") for line in lines]
    yield from lines


def _restore(text: str) -> Slice:
    return Slice.from_json(text)
