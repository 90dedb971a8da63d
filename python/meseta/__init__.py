r"""meseta: index raw files in object stores once, cut them into lazy slices for nothing, read slices anywhere.

>>> genes = meseta.open(folder / "genes.fa")
>>> genes.index(force=True)["records"]
2
>>> [s.read() for s in genes.slices(2)]
[b'>one\nACGTACGT\n', b'>two\nGGG\n']
"""

from __future__ import annotations

from . import _meseta
from .dataset import Dataset
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
from .stream import Batch, Schema, Stream

TYPE_CHECKING = False  # so that importing the package does not import typing
if TYPE_CHECKING:
    from typing import Any

    from . import dask as dask
    from . import parquet

__all__ = [
    "ArgumentError",
    "Batch",
    "CancelledError",
    "ChangedError",
    "ConflictError",
    "CorruptError",
    "Dataset",
    "DeniedError",
    "Error",
    "ExistsError",
    "InternalError",
    "LimitError",
    "NotFoundError",
    "Schema",
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
    "parquet",
]

__version__: str = _meseta.version()


def configure(*, threads: int | None = None, memory: int | str | None = None) -> None:
    """Sets how many threads and how much memory further calls of this process may use.

    Sources and slices that are open already keep what they have. Without this, ``MESETA_THREADS`` and
    ``MESETA_MEMORY`` count.

    Parameters
    ----------
    threads : int, optional
        Threads that compute; None: as many as there are processors.
    memory : int or str, optional
        Bytes of buffers and caches together, such as "256MiB"; None: 64 MiB.

    Examples
    --------
    >>> meseta.configure(threads=2, memory="128MiB")
    >>> meseta.configure()  # as it was
    """
    from .options import count, size

    _meseta.configure(count(threads, "threads", 4096), size(memory, "memory"))


def formats() -> dict[str, dict[str, Any]]:
    """The formats of this build, by name: title, file names, strategies, options.

    Examples
    --------
    >>> meseta.formats()["text"]["strategies"]
    ['lines', 'words']
    """
    return {row["name"]: row for row in _meseta.describe("formats")}


if not TYPE_CHECKING:  # for type checkers there is no name that is not there

    def __getattr__(name: str) -> Any:
        if name in ("dask", "parquet"):  # loaded when they are first asked for
            import importlib

            return importlib.import_module(f"meseta.{name}")
        raise AttributeError(f"module 'meseta' has no attribute {name!r}")
