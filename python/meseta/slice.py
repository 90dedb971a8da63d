"""Slices: small, lazy, serialisable pieces of a source."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO

from . import _meseta
from .options import pairs, to_json
from .stream import Stream

if TYPE_CHECKING:
    import numpy
    import pandas

__all__ = ["Slice"]


class _File(io.RawIOBase):
    """A slice's content as a raw file, in order."""

    def __init__(self, reader: _meseta.Reader) -> None:
        self._reader = reader
        self._piece: memoryview | None = None
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._piece is None or len(self._piece) == 0:
            if self._ended:
                return 0
            self._piece = memoryview(self._reader.next())
            self._ended = len(self._piece) == 0
        n = min(len(buffer), len(self._piece))
        buffer[:n] = self._piece[:n]
        self._piece = self._piece[n:]
        return n

    def close(self) -> None:
        if not self.closed:
            self._piece = None
            self._reader.close()
        super().close()


class Slice:
    """One piece of a source: whole records, read when asked for, wherever it is.

    A slice is a small JSON value. It pickles, it holds no credential, and it names the very version of the source that was planned:
    reading a source that changed since raises :class:`meseta.ChangedError`. One slice may be read from many threads.

    Make slices with :meth:`meseta.Source.slices` or :meth:`Slice.from_json`.
    """

    __slots__ = ("__weakref__", "_facts", "_native")

    def __init__(self, native: _meseta.Slice) -> None:
        self._native = native
        self._facts: dict[str, Any] | None = None

    @classmethod
    def from_json(cls, text: str | bytes, *, storage_options: Mapping[str, Any] | None = None) -> Slice:
        """A slice of its JSON. Nothing is fetched; `text` may come from anywhere."""
        return cls(_meseta.Slice.parse(text, pairs(storage_options)))

    def to_json(self) -> str:
        """The slice as one line of JSON, the same for equal slices."""
        return self._native.json

    def __reduce__(self) -> tuple[Any, ...]:
        return (Slice.from_json, (self.to_json(),))

    def __eq__(self, other: object) -> bool:
        return self.to_json() == other.to_json() if isinstance(other, Slice) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.to_json())

    def __dask_tokenize__(self) -> tuple[str, str]:
        return ("meseta.Slice", self.to_json())

    def __repr__(self) -> str:
        return f"<meseta.Slice of {self.url}: {self.records if self.records is not None else '?'} records>"

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
        """The number of plain bytes, where the index tells."""
        return self._native.bytes

    def _fact(self, name: str) -> Any:
        if self._facts is None:
            self._facts = self._native.describe() or {}
        return self._facts.get(name)

    @property
    def record(self) -> str | None:
        """FASTA: the name of the record that the slice begins in or with."""
        return self._fact("record")

    @property
    def offset(self) -> int | None:
        """FASTA: the first residue of a slice that begins inside a sequence, from 0."""
        return self._fact("offset")

    def read(self, *, header: bool = False, recover: bool = False) -> bytes:
        """The slice's own part of the plain (decompressed) object.

        Parameters
        ----------
        header : bool
            Repeat the source's header in front, where it has one and the slice does not begin with it.
        recover : bool
            Give what is whole of a damaged slice, instead of raising :class:`meseta.CorruptError`.
        """
        data: bytes = self._native.read(header, recover)
        return data

    def text(self, encoding: str = "utf-8", errors: str = "strict", *, header: bool = False) -> str:
        """The same, decoded."""
        return self.read(header=header).decode(encoding, errors)

    def lines(self, encoding: str = "utf-8", errors: str = "strict", *, header: bool = False) -> Iterator[str]:
        """The lines, without their ends (LF or CRLF), read as they are asked for."""
        with self.open(header=header) as file:
            for line in file:
                if line.endswith(b"\n"):
                    line = line[:-2] if line.endswith(b"\r\n") else line[:-1]
                yield line.decode(encoding, errors)

    def open(self, *, header: bool = False, recover: bool = False) -> BinaryIO:
        """The content as a file object, in bounded memory."""
        return io.BufferedReader(_File(self._native.reader(header, recover)), 1 << 20)  # type: ignore[return-value]

    def save(self, path: str | os.PathLike[str], *, header: bool = False) -> None:
        """Writes the content to `path`, which appears only when it is whole."""
        import shutil
        import tempfile

        target = os.fspath(path)
        folder, name = os.path.split(os.path.abspath(target))
        fd, part = tempfile.mkstemp(prefix=f".{name}.", dir=folder)
        try:
            with os.fdopen(fd, "wb") as out, self.open(header=header) as content:
                shutil.copyfileobj(content, out, 1 << 20)
            mask = os.umask(0)
            os.umask(mask)
            os.chmod(part, 0o666 & ~mask)
            os.replace(part, target)
        except BaseException:
            os.unlink(part)
            raise

    def arrow(self, raw: bool = False, info: bool = True, genotypes: bool = False, **options: Any) -> Stream:
        """The records as an Arrow stream of typed columns.

        Parameters
        ----------
        raw : bool
            Columns as they are stored, where the format scales or converts them.
        info, genotypes : bool
            VCF: with the INFO fields; with the samples' fields.
        **options
            What the format knows further, such as CSV's ``schema={"a": "int64"}``.
        """
        asked: dict[str, Any] = dict(options)
        if raw:
            asked["raw"] = True
        if not info:
            asked["info"] = False
        if genotypes:
            asked["genotypes"] = True
        return Stream(self._native.stream(to_json(asked)))

    def pandas(self, **options: Any) -> pandas.DataFrame:
        """The records as a pandas frame; options as :meth:`arrow`."""
        return self.arrow(**options).pandas()

    def numpy(self, **options: Any) -> numpy.ndarray[Any, Any]:
        """The records as a NumPy record array; options as :meth:`arrow`."""
        return self.pandas(**options).to_records(index=False)
