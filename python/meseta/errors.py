"""Errors: one class for each status of the library, each also the built-in that a caller would try first."""

from __future__ import annotations

import errno as _errno

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
    "TimeoutError",
    "TransportError",
    "UnsupportedError",
]

_builtin_timeout = TimeoutError


class Error(Exception):
    """What every call of the package raises.

    Attributes
    ----------
    key : str or None
        The URL of the object concerned, without credentials.
    offset : int or None
        The byte offset in it where a rule is broken.
    request_id : str or None
        The server's own name of the request that failed.
    http_status : int or None
        The status of the HTTP answer, where there was one.
    retryable : bool
        The same call may succeed later.
    """

    key: str | None = None
    offset: int | None = None
    request_id: str | None = None
    http_status: int | None = None
    retryable: bool = False

    def __reduce__(self) -> tuple[object, ...]:
        return (_restore, (type(self), self.args, dict(self.__dict__), getattr(self, "errno", None)))

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


def _restore(kind: type[Error], args: tuple[object, ...], state: dict[str, object], errno: int | None) -> Error:
    error = kind(*args)
    error.__dict__.update(state)
    if isinstance(error, OSError):
        error.errno = errno
    return error


class ArgumentError(Error, ValueError):
    """The caller's mistake; nothing was done."""


class LimitError(Error, MemoryError):
    """Beyond the memory budget or a settable size limit, or no memory at all."""


class NotFoundError(Error, FileNotFoundError, KeyError):
    """No such object, bucket, record, column or format; or an index is needed and there is none."""


class ExistsError(Error, FileExistsError):
    """A create-only write met an object."""


class DeniedError(Error, PermissionError):
    """Credentials are missing, wrong or too weak."""


class ChangedError(Error):
    """The object is not the version that was pinned."""


class ConflictError(Error):
    """Another writer's conditional write won."""


class CorruptError(Error, ValueError):
    """The bytes break their format's rules."""


class UnsupportedError(Error, NotImplementedError):
    """Valid, but not something that this build or store does."""


class TransportError(Error, OSError):
    """Network or disk failed, after retries."""


class TimeoutError(Error, _builtin_timeout):
    """A deadline passed or a transfer stalled, after retries."""


class CancelledError(Error):
    """The caller asked for it."""


class InternalError(Error):
    """A broken promise of the library; please report it."""


_BY_STATUS: dict[int, type[Error]] = {
    -1: ArgumentError,
    -2: LimitError,
    -3: LimitError,
    -4: NotFoundError,
    -5: ExistsError,
    -6: DeniedError,
    -7: ChangedError,
    -8: ConflictError,
    -9: CorruptError,
    -10: UnsupportedError,
    -11: TransportError,
    -12: TimeoutError,
    -13: CancelledError,
    -14: InternalError,
}

_ERRNO = {-4: _errno.ENOENT, -5: _errno.EEXIST, -6: _errno.EACCES, -11: _errno.EIO, -12: _errno.ETIMEDOUT}


def _make(
    status: int,
    message: str,
    key: str,
    offset: int,
    request_id: str,
    http_status: int,
    os_errno: int,
    retryable: bool,
) -> Error:
    error = _BY_STATUS.get(status, InternalError)(message if not key or key in message else f"{message} ({key})")
    error.key = key or None
    error.offset = offset if offset >= 0 else None
    error.request_id = request_id or None
    error.http_status = http_status or None
    error.retryable = retryable
    if isinstance(error, OSError):
        error.errno = os_errno or _ERRNO.get(status)
    return error
