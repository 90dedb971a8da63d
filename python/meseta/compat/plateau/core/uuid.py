"""Random names."""

from __future__ import annotations

import uuid


def _uuid_hook_object() -> uuid.UUID:
    return uuid.uuid4()


def _uuid_hook_str() -> str:
    return _uuid_hook_object().hex


def gen_uuid_object() -> uuid.UUID:
    """Return a random UUID."""
    return _uuid_hook_object()


def gen_uuid() -> str:
    """Return the 32 hexadecimal digits of a random UUID."""
    return _uuid_hook_str()
