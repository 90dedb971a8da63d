"""The clock, in one place, so that tests may hold it."""

from __future__ import annotations

import datetime


def datetime_now() -> datetime.datetime:
    """Local time."""
    return datetime.datetime.now()


def datetime_utcnow() -> datetime.datetime:
    """UTC."""
    return datetime.datetime.now(datetime.timezone.utc)
