"""What depends on the versions of pandas and pyarrow that are installed."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pyarrow as pa
import simplejson

PANDAS_3 = int(pd.__version__.split(".")[0]) >= 3
ARROW_GE_20 = int(pa.__version__.split(".")[0]) >= 20


def pandas_infer_string() -> bool:
    """Whether pandas gives its own string type to texts."""
    return PANDAS_3 or bool(pd.get_option("future.infer_string"))


def load_json(buf: bytes | str, **kwargs: Any) -> Any:
    """Parse JSON from text or UTF-8."""
    return simplejson.loads(buf.decode("utf-8") if isinstance(buf, bytes) else buf, **kwargs)
