"""What all serialisers share, and conditions in their list form: an OR of ANDs of ``(column, operator, value)``."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Iterable
from typing import Any, ClassVar, TypeVar

import numpy as np
import pandas as pd
from minimalkv import KeyValueStore
from pandas.api.types import is_list_like

from ._util import _check_contains_null, ensure_unicode_string_type

LiteralValue = TypeVar("LiteralValue")
LiteralType = tuple[str, str, LiteralValue]
ConjunctionType = list[LiteralType[Any]]
PredicatesType = list[ConjunctionType] | None

_TAKES_NULL = ("==", "!=", "is distinct from")
_TAKES_LIST = ("in", "not in")
_COMPARISONS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
#: Kinds of value and array that may be compared although they differ.
_MIXED_KINDS = {("u", "i"), ("i", "u"), ("O", "S"), ("O", "U"), ("S", "O"), ("U", "O"), ("b", "O")}


class DataFrameSerializer:
    """Stores a frame as an object, and restores it by the object's suffix."""

    _serializers: ClassVar[dict[str, Any]] = {}
    type_stable = False

    def __ne__(self, other: Any) -> bool:
        return not self == other

    @classmethod
    def register_serializer(cls, suffix: str, serializer: Any) -> None:
        """Let `serializer` restore objects with this suffix."""
        cls._serializers[suffix] = serializer

    @classmethod
    def restore_dataframe(
        cls,
        store: KeyValueStore,
        key: str,
        filter_query: str | None = None,
        columns: Iterable[str] | None = None,
        predicate_pushdown_to_io: bool = True,
        categories: Iterable[str] | None = None,
        predicates: PredicatesType | None = None,
        date_as_object: bool = False,
    ) -> pd.DataFrame:
        """Restore a frame.

        Parameters
        ----------
        store : KeyValueStore
        key : str
            Its suffix tells the serialiser.
        filter_query : str, optional
            A query of pandas; not together with `predicates`.
        columns : iterable of str, optional
            Columns to load, in this order.
        predicate_pushdown_to_io : bool
            Leave out row groups that cannot match.
        categories : iterable of str, optional
            Columns to load as categories.
        predicates : list of list of tuple, optional
            An OR of ANDs.
        date_as_object : bool
            Dates as `datetime.date`.
        """
        if filter_query and predicates:
            raise ValueError("Can only specify one of filter_query and predicates")
        for suffix, serializer in cls._serializers.items():
            if key.endswith(suffix):
                frame = serializer.restore_dataframe(
                    store,
                    key,
                    filter_query,
                    columns,
                    predicate_pushdown_to_io=predicate_pushdown_to_io,
                    categories=categories,
                    predicates=predicates,
                    date_as_object=date_as_object,
                )
                frame.columns = frame.columns.map(ensure_unicode_string_type)
                return frame
        raise ValueError(f"The specified file format for '{key}' is not supported")

    def store(self, store: KeyValueStore, key_prefix: str, df: Any) -> str:
        """Store a frame (or an Arrow table) and return its key."""
        raise NotImplementedError("Abstract method called.")


def filter_df(df: pd.DataFrame, filter_query: str | None = None) -> pd.DataFrame:
    """Filter by a query of pandas."""
    return df if filter_query is None or df.empty else df.query(filter_query)


# ---- the form of conditions ------------------------------------------------------------------------------------------


def _check_clause(clause: Any, place: str, i: int, j: int) -> None:
    if not isinstance(clause, tuple) or len(clause) != 3:
        raise ValueError(
            f"Invalid predicates: Clause {j} in conjunction {i} should be a 3-tuple, got object of type {type(clause)} instead"
        )
    _, op, value = clause
    if any(_check_contains_null(item) for item in (value if isinstance(value, list) else [value])):
        raise NotImplementedError("Null-terminated binary strings are not supported as predicate values.")
    scalar = pd.api.types.is_scalar(value)
    if scalar and pd.isnull(value) and op not in _TAKES_NULL:
        raise ValueError(
            f"Invalid predicates: {place} with null value and operator '{op}'. "
            "Only operators supporting null values are '==', '!=', 'in' and 'is distinct from'."
        )
    if op in _TAKES_LIST and scalar:
        wanted = "tuple or list"
    elif op not in _TAKES_LIST and is_list_like(value):
        wanted = "scalar type"
    else:
        return
    raise ValueError(
        f"Invalid predicates: {place}: operator '{op}' must be used with a {wanted}, got {type(value)} instead."
    )


def check_predicates(predicates: PredicatesType) -> None:
    """Refuse conditions that are not an OR of ANDs of 3-tuples.

    Raises
    ------
    ValueError
        Saying which clause is wrong.
    NotImplementedError
        For bytes that hold a NUL.
    """
    if predicates is None:
        return
    if len(predicates) == 0:
        raise ValueError("Empty predicates")
    for i, conjunction in enumerate(predicates):
        if not isinstance(conjunction, list):
            raise ValueError(
                f"Invalid predicates: Conjunction {i} should be a list of 3-tuples, got object of type {type(conjunction)} instead."
            )
        if not conjunction:
            raise ValueError(f"Invalid predicates: Conjunction {i} is empty")
        for j, clause in enumerate(conjunction):
            _check_clause(clause, f"Clause {j} in conjunction {i}", i, j)


def filter_predicates_by_column(predicates: PredicatesType, columns: Iterable[str]) -> PredicatesType | None:
    """Keep the clauses on some columns; None when nothing is left.

    Examples
    --------
    >>> filter_predicates_by_column([[("A", "==", 1), ("B", "<", 5)], [("C", "==", 4)]], ["A"])
    [[('A', '==', 1)]]
    """
    if predicates is None:
        return None
    check_predicates(predicates)
    wanted = set(columns)
    kept = [[clause for clause in conjunction if clause[0] in wanted] for conjunction in predicates]
    return [conjunction for conjunction in kept if conjunction] or None


def columns_in_predicates(predicates: PredicatesType) -> set[str]:
    """Names of all columns in a condition."""
    check_predicates(predicates)
    return {clause[0] for conjunction in predicates or [] for clause in conjunction}


# ---- rows ------------------------------------------------------------------------------------------------------------


def filter_df_from_predicates(
    df: pd.DataFrame, predicates: PredicatesType | None, strict_date_types: bool = False
) -> pd.DataFrame:
    """Filter the rows of a frame.

    Parameters
    ----------
    df : pandas.DataFrame
    predicates : list of list of tuple, optional
    strict_date_types : bool
        Refuse to compare dates with timestamps.
    """
    if predicates is None:
        return df
    rows = np.zeros(len(df), dtype=bool)
    for conjunction in predicates:
        matching = np.ones(len(df), dtype=bool)
        for column, op, value in conjunction:
            name = ensure_unicode_string_type(column)
            filter_array_like(df[name].values, op, value, matching, matching, strict_date_types, name)
        rows |= matching
    return df[rows]


def _comparable_categories(values: Any) -> tuple[Any, Any]:
    """Categories in ascending order, so that they can be compared."""
    categorical = values if isinstance(values, pd.Categorical) else values.cat
    kind = categorical.categories.dtype
    if categorical.categories.is_monotonic_increasing:
        return categorical.as_ordered(), kind
    return categorical.reorder_categories(categorical.categories.sort_values(), ordered=True), kind


def _typed_nulls(values: Any, dtype: Any) -> Any:
    """Nothing but nulls has no type of its own: it takes that of the value."""
    if values.dtype.kind != "f" or values.dtype.kind == dtype.kind or not np.isnan(values).all():
        return values
    if isinstance(dtype, pd.api.extensions.ExtensionDtype):
        return pd.Series(values, dtype=dtype).values
    return values.astype(dtype)


def _as_moments(value: Any, dtype: Any) -> Any:
    def one(item: Any) -> Any:
        return pd.Series(item, dtype=dtype).iloc[0].to_datetime64()

    return [one(item) for item in value] if is_list_like(value) else one(value)


def _aligned(values: Any, op: str, value: Any, strict_date_types: bool, column: str | None) -> tuple[Any, Any]:
    """Make array and value comparable, or refuse."""
    value_dtype = pd.Series(value if is_list_like(value) else [value]).dtype
    dtype = values.dtype
    if op in _COMPARISONS and isinstance(dtype, pd.CategoricalDtype):
        values, dtype = _comparable_categories(values)
    else:
        values = _typed_nulls(values, value_dtype)
        dtype = values.dtype
    kinds = (value_dtype.kind, dtype.kind)
    allowed = kinds in _MIXED_KINDS or (kinds == ("O", "M") and not strict_date_types)
    if kinds[0] != kinds[1] and not allowed:
        raise TypeError(
            f"Unexpected type for predicate: Column {column or '<unknown>'!r} has pandas type '{dtype}', but predicate value {value!r} "
            f"has pandas type '{value_dtype}' (Python type '{type(value)}')."
        )
    return values, (_as_moments(value, dtype) if "M" in kinds else value)


def _is_in(values: Any, wanted: Any) -> np.ndarray[Any, Any]:
    items = np.asarray(wanted)
    nulls = pd.isnull(items)
    if items.dtype.kind in "USO":
        found = np.asarray(pd.Series(values).isin(list(pd.unique(pd.Series(items[~nulls].tolist(), dtype=object)))))
    else:
        found = np.isin(values, items)
    return found | np.asarray(pd.isnull(values)) if nulls.any() else found


def _matching(values: Any, op: str, value: Any) -> Any:
    if op in _COMPARISONS:
        return _COMPARISONS[op](values, value)
    if op in _TAKES_LIST:
        found = _is_in(values, value)
        return found if op == "in" else ~found
    if op == "!=":
        warnings.warn(
            "The current behaviour of the != will be deprecated in version 5.0.0. "
            "The new behaviour will be SQL-like, i.e. NaN values will be filtered out.",
            DeprecationWarning,
            stacklevel=4,
        )
    if op not in _TAKES_NULL:
        raise NotImplementedError("op not supported")
    if pd.isnull(value):
        found = np.asarray(pd.isnull(values))
        return found if op == "==" else ~found
    return values == value if op == "==" else values != value


def filter_array_like(
    array_like: Any,
    op: str,
    value: Any,
    mask: np.ndarray[Any, Any] | None = None,
    out: np.ndarray[Any, Any] | None = None,
    strict_date_types: bool = False,
    column_name: str | None = None,
) -> np.ndarray[Any, Any]:
    """Say for each value of an array whether ``x op value`` holds.

    Parameters
    ----------
    array_like : array or Series
    op : str
    value : scalar or list
    mask : array of bool, optional
        What is false here stays false.
    out : array of bool, optional
        Gets the result; it may be `mask`.
    strict_date_types : bool
        Refuse to compare dates with timestamps.
    column_name : str, optional
        For messages.
    """
    if mask is None:
        mask = np.ones(len(array_like), dtype=bool)
    if out is None:
        out = np.zeros(len(array_like), dtype=bool)
    if is_list_like(value) and len(value) == 0:
        out[:] = False
        return out
    values, wanted = _aligned(array_like, op, value, strict_date_types, column_name)
    with np.errstate(invalid="ignore"):
        np.logical_and(_matching(values, op, wanted), mask, out=out)
    return out
