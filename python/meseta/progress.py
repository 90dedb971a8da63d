"""_Progress for a person: a function of two numbers, or a bar as tqdm makes them."""

from __future__ import annotations

import sys

from .errors import ArgumentError

TYPE_CHECKING = False  # so that importing the package does not import typing
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    _Progress = Callable[[int, int], object]

__all__ = ["bar"]


class _Bar:
    """Drives an object with ``update(n)`` and ``total``, as tqdm's and rich's are; closes what it made itself."""

    def __init__(self, target: Any, own: bool) -> None:
        self._target = target
        self._own = own
        self._done = 0

    def __call__(self, done: int, total: int) -> None:
        if getattr(self._target, "total", total) != total:
            self._target.total = total
            refresh = getattr(self._target, "refresh", None)
            if refresh is not None:
                refresh()
        self._target.update(done - self._done)
        self._done = done
        if self._own and done >= total:
            self._target.close()


class _Line:
    """A line on the standard error stream, when that is a terminal and tqdm is not installed."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __call__(self, done: int, total: int) -> None:
        if sys.stderr.isatty():
            share = 100 * done // total if total else 100
            sys.stderr.write(f"\r{self._what}: {share:3d} %" + ("\n" if done >= total else ""))
            sys.stderr.flush()


def bar(wanted: Any, what: str) -> _Progress | None:
    """The callback that `wanted` stands for: None or False, True, a function, or a bar."""
    if wanted is None or wanted is False:
        return None
    if wanted is True:
        try:
            from tqdm.auto import tqdm  # type: ignore[import,unused-ignore]
        except ImportError:
            return _Line(what)
        return _Bar(tqdm(desc=what, unit="B", unit_scale=True, unit_divisor=1024), own=True)
    if hasattr(wanted, "update"):
        return _Bar(wanted, own=False)
    if not callable(wanted):
        raise ArgumentError(f"progress must be True, a function of (done, total) or a tqdm bar, not {wanted!r}")
    found: _Progress = wanted
    return found
