"""Small helpers of the serialisers."""

from __future__ import annotations

from typing import Any

import pyarrow as pa


def _check_contains_null(val: Any) -> bool:
    return isinstance(val, bytes) and 0 in val


def ensure_unicode_string_type(obj: Any) -> str:
    """Return text; bytes are decoded."""
    return obj.decode("utf8") if isinstance(obj, bytes) else str(obj)


def schema_metadata_bytes_to_object(schema: pa.Schema) -> pa.Schema:
    """Let pandas keep bytes as objects."""
    described = (schema.metadata or {}).get(b"pandas")
    return schema if described is None else schema.with_metadata({b"pandas": described.replace(b"bytes", b"object")})
