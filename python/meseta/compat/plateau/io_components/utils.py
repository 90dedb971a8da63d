"""Arguments, metadata and frames brought into one form."""

from __future__ import annotations

import collections
import functools
import inspect
import logging
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import pandas as pd

from ..core.dataset import DatasetMetadata, DatasetMetadataBase
from ..core.factory import DatasetFactory, _ensure_factory
from ..core.utils import ensure_store, lazy_store

LOGGER = logging.getLogger(__name__)

F = TypeVar("F", bound=Callable[..., Any])

# ---- metadata --------------------------------------------------------------------------------------------------------

_CLASH = object()


def combine_metadata(dataset_metadata: list[Any], append_to_list: bool = True) -> dict[str, Any]:
    """Unite maps: what is equal stays, lists are joined, what differs is left out.

    Examples
    --------
    >>> combine_metadata([{"a": 1, "b": 1}, {"a": 1, "b": 2, "c": 3}])
    {'a': 1, 'c': 3}
    """
    united = functools.reduce(functools.partial(_united, append=append_to_list), reversed(dataset_metadata))
    return _without_clashes(united) if isinstance(united, dict) else {}


def _united(first: Any, second: Any, append: bool) -> Any:
    if first is _CLASH or second is _CLASH:
        return _CLASH
    if second is None or first == second:
        return first
    if first is None:
        return second
    if isinstance(first, dict) and isinstance(second, dict):
        names = dict.fromkeys([*second, *first])
        return {name: _united(first.get(name), second.get(name), append) for name in names}
    if isinstance(first, list) and isinstance(second, list):
        return first + second if append else list(set(first + second))
    return _CLASH


def _without_clashes(united: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in united.items():
        if isinstance(value, dict):
            value = _without_clashes(value)
            if not value:
                continue
        if value is not _CLASH:
            found[name] = value
    return found


# ---- arguments -------------------------------------------------------------------------------------------------------

_LISTS = ("partition_on", "delete_scope", "secondary_indices", "sort_partitions_by", "bucket_by")


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    if isinstance(value, list):
        return value
    if isinstance(value, (str, bytes, int, float)):
        return [value]
    if isinstance(value, (set, frozenset, dict)):
        raise ValueError(f"{type(value)} is incompatible for normalisation.")
    return list(value)


def normalize_arg(arg_name: str, old_value: Any) -> Any:
    """Bring one argument into its form: lists of names, factories of stores."""
    if arg_name in _LISTS:
        return _as_list(old_value)
    if old_value is None:
        return None
    if arg_name == "dispatch_by":
        return _as_list(old_value)
    return lazy_store(old_value) if arg_name == "store" else old_value


def normalize_args(function: F) -> F:
    """Bring the arguments of a function into their forms, whichever way they are given."""
    signature = inspect.signature(function)
    names = [name for name in (*_LISTS, "store", "dispatch_by") if name in signature.parameters]

    @functools.wraps(function)
    def normalized(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind_partial(*args, **kwargs)
        for name in names:
            if name in bound.arguments or name in _LISTS:
                bound.arguments[name] = normalize_arg(name, bound.arguments.get(name))
        return function(*bound.args, **bound.kwargs) if _complete(signature, bound) else function(*args, **kwargs)

    return normalized  # type: ignore[return-value]


def _complete(signature: inspect.Signature, bound: inspect.BoundArguments) -> bool:
    """Whether all that is required is there and in order; what is not gets Python's own message."""
    missing = False
    for name, parameter in signature.parameters.items():
        if name not in bound.arguments:
            if parameter.default is inspect.Parameter.empty and parameter.kind not in (
                inspect.Parameter.VAR_POSITIONAL,
                inspect.Parameter.VAR_KEYWORD,
            ):
                return False
            missing = True
    if missing:
        bound.apply_defaults()
    else:
        bound.arguments = {name: bound.arguments[name] for name in signature.parameters if name in bound.arguments}
    return True


def _ensure_compatible_indices(dataset: DatasetMetadataBase | None, secondary_indices: Iterable[str]) -> list[str]:
    """All indices of a dataset: each change builds them all, and no other."""
    if not dataset:
        return sorted(secondary_indices)
    existing = sorted(dataset.secondary_indices)
    if not set(secondary_indices or ()) <= set(existing):
        raise ValueError(f"Incorrect indices provided for dataset.\nExpected: {existing}\nBut got: {secondary_indices}")
    return existing


def validate_partition_keys(
    dataset_uuid: str | None,
    store: Any,
    ds_factory: DatasetFactory | None,
    default_metadata_version: int,
    partition_on: Any,
) -> tuple[Any, int, Any]:
    """Find the dataset, if there is one, and its partition keys, which are not to be changed."""
    if not ds_factory and not DatasetMetadata.exists(dataset_uuid, ensure_store(store)):  # type: ignore[arg-type]
        return None, default_metadata_version, partition_on
    ds_factory = _ensure_factory(dataset_uuid=dataset_uuid, store=store, factory=ds_factory)
    existing = ds_factory.partition_keys
    if partition_on and _as_list(partition_on) != existing:
        raise ValueError(
            f"Incompatible set of partition keys encountered. Input partitioning was `{_as_list(partition_on)}` "
            f"while actual dataset was `{existing}`"
        )
    return ds_factory, ds_factory.metadata_version, existing


def raise_if_indices_overlap(partition_on: Iterable[str], secondary_indices: Iterable[str]) -> None:
    """Refuse secondary indices on partition keys."""
    both = set(partition_on) & set(secondary_indices)
    if both:
        raise RuntimeError(f"Cannot create secondary index on partition columns: {both}")


def extract_duplicates(lst: Iterable[Any]) -> list[Any]:
    """Items that are there more than once."""
    return [item for item, count in collections.Counter(lst).items() if count > 1]


# ---- frames ----------------------------------------------------------------------------------------------------------


def _common_categories(column: str, dfs: Sequence[pd.DataFrame]) -> pd.CategoricalDtype:
    """Categories of the largest frame first, then all others in their order; ordered only when all frames agree."""
    seen: set[Any] = set()
    orders: list[tuple[Any, ...] | None] = []
    largest: tuple[int, Any] | None = None
    for i, df in enumerate(dfs):
        series = df[column]
        if not isinstance(series.dtype, pd.CategoricalDtype):
            LOGGER.info("Column %s of frame %d is no category, but %s", column, i, series.dtype)
            seen.update(series.dropna().unique())
            continue
        categories = series.cat.categories
        seen.update(categories)
        orders.append(tuple(categories) if series.cat.ordered else None)
        if largest is None or len(df) > largest[0]:
            largest = len(df), categories
    first = list(largest[1]) if largest is not None else []
    distinct = {order for order in orders if order is not None}
    agreed = len(distinct) == 1 and None not in orders
    if distinct and not agreed:
        detail = (
            "mixes ordered and unordered partitions"
            if None in orders
            else f"has ordered partitions with differing category sequences ({sorted(distinct)})"
        )
        warnings.warn(
            f"Column {column!r} {detail}; falling back to an unordered categorical.", UserWarning, stacklevel=3
        )
    return pd.CategoricalDtype(first + sorted(seen - set(first)), ordered=agreed)


def align_categories(dfs: Sequence[pd.DataFrame], categoricals: Sequence[str]) -> list[pd.DataFrame]:
    """Give columns of several frames the same categories."""
    if not categoricals:
        return list(dfs)
    types = {column: _common_categories(column, dfs) for column in categoricals}
    return [df.astype(types) for df in dfs]


def sort_values_categorical(df: pd.DataFrame, columns: list[str] | str) -> pd.DataFrame:
    """Sort a frame; categories by their values."""
    by = _as_list(columns)
    for column in by:
        if isinstance(df[column].dtype, pd.CategoricalDtype):
            accessor = df[column].cat
            df[column] = accessor.reorder_categories(sorted(accessor.categories), ordered=True)
    return df.sort_values(by=by).reset_index(drop=True)
