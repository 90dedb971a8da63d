"""meseta: index raw files in object stores once, cut them into lazy slices for nothing, read slices anywhere.

>>> import meseta, pathlib, tempfile
>>> path = pathlib.Path(tempfile.mkdtemp()) / "genome.fa"
>>> _ = path.write_text(">one\\nACGT\\n>two\\nGG\\n")
>>> genome = meseta.open(path)
>>> genome.index()["records"]
2
>>> [s.read() for s in genome.slices(2)]
[b'>one\\nACGT\\n', b'>two\\nGG\\n']
"""

from __future__ import annotations

from . import _meseta
from .errors import (
    ArgumentError,
    CancelledError,
    ChangedError,
    ConflictError,
    CorruptError,
    DeniedError,
    Error,
    ExistsError,
    InternalError,
    LimitError,
    NotFoundError,
    TimeoutError,
    TransportError,
    UnsupportedError,
)
from .slice import Slice
from .source import Source, glob, open
from .stream import Stream

__all__ = [
    "ArgumentError",
    "CancelledError",
    "ChangedError",
    "ConflictError",
    "CorruptError",
    "DeniedError",
    "Error",
    "ExistsError",
    "InternalError",
    "LimitError",
    "NotFoundError",
    "Slice",
    "Source",
    "Stream",
    "TimeoutError",
    "TransportError",
    "UnsupportedError",
    "__version__",
    "configure",
    "formats",
    "glob",
    "open",
]

__version__: str = _meseta.version()


def configure(*, threads: int | None = None, memory: int | str | None = None) -> None:
    """Sets how many threads and how much memory (buffers and caches) further calls may use.

    Sources and slices that are open already keep what they have.
    """
    from .options import size

    _meseta.configure(threads or 0, size(memory, "memory"))


def formats() -> list[dict[str, object]]:
    """The formats of this build: name, title, names by which it is recognised, strategies, options."""
    found: list[dict[str, object]] = _meseta.describe("formats")
    return found
