"""Copies of objects with some attributes replaced."""

from __future__ import annotations

from typing import Any, TypeVar

Self = TypeVar("Self", bound="CopyMixin")


class CopyMixin:
    """Objects whose attributes are also the arguments of their constructor, or nearly so."""

    def copy(self: Self, **kwargs: Any) -> Self:
        """Return a shallow copy with the attributes in `kwargs` replaced."""
        new = type(self).__new__(type(self))
        new.__dict__.update(self.__dict__)
        for name, value in kwargs.items():
            setattr(new, name, value)
        return new
