"""Frames sorted, joined, reduced."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

__all__ = (
    "aggregate_to_lists",
    "concat_dataframes",
    "drop_sorted_duplicates_keep_last",
    "is_dataframe_sorted",
    "mask_sorted_duplicates_keep_last",
    "merge_dataframes_robust",
    "sort_dataframe",
)


def concat_dataframes(dfs: Iterable[pd.DataFrame], default: pd.DataFrame | None = None) -> pd.DataFrame:
    """Join frames of the same columns and empty the list that they came in, so that memory is free early."""
    frames = dfs if isinstance(dfs, list) else list(dfs)
    if not frames:
        if default is None:
            raise ValueError("Cannot concatenate 0 dataframes.")
        return default
    if any(set(frame.columns) != set(frames[0].columns) for frame in frames):
        raise ValueError("Not all DataFrames have the same set of columns!")
    joined = frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True, sort=False)
    del frames[:]
    return joined


def _values(df: pd.DataFrame, column: str) -> Any:
    values = df[column].values
    return np.asarray(values) if isinstance(values, pd.Categorical) else values


def is_dataframe_sorted(df: pd.DataFrame, columns: Iterable[str]) -> bool:
    """Whether rows are in the order of these columns."""
    names = list(columns)
    if not names:
        raise ValueError("`columns` must contain at least 1 column")
    ordered: Any = True
    for column in reversed(names):
        values = _values(df, column)
        with np.errstate(invalid="ignore"):
            ordered = (values[:-1] < values[1:]) | ((values[:-1] == values[1:]) & ordered)
    return bool(np.all(ordered))


def sort_dataframe(df: pd.DataFrame, columns: Iterable[str]) -> pd.DataFrame:
    """Sort by columns; a frame in order is given back as it is."""
    names = list(columns)
    if is_dataframe_sorted(df, names):
        return df
    return df.iloc[np.lexsort([df[column].values for column in reversed(names)])].reset_index(drop=True)


def mask_sorted_duplicates_keep_last(df: pd.DataFrame, columns: Iterable[str]) -> np.ndarray[Any, Any]:
    """Say of each row of a sorted frame whether the next one is the same in these columns."""
    names = list(columns)
    mask = np.zeros(len(df), dtype=bool)
    if len(df) > 1 and names:
        mask[:-1] = np.logical_and.reduce([df[c].values[:-1] == df[c].values[1:] for c in names])
    return mask


def drop_sorted_duplicates_keep_last(df: pd.DataFrame, columns: Iterable[str]) -> pd.DataFrame:
    """Leave all but the last of rows that are the same in these columns out of a sorted frame."""
    mask = mask_sorted_duplicates_keep_last(df, columns)
    return df.iloc[~mask] if mask.any() else df


def aggregate_to_lists(df: pd.DataFrame, by: Iterable[str], data_col: str) -> pd.DataFrame:
    """Collect a column's values in lists, one for each combination of values of other columns."""
    names = list(by)
    if df.empty:
        return df
    if not names:
        return pd.DataFrame({data_col: pd.Series([list(df[data_col].values)])})
    rows = sort_dataframe(df, names)
    ends = np.flatnonzero(~mask_sorted_duplicates_keep_last(rows, names)) + 1
    lists = [list(part) for part in np.split(rows[data_col].values, ends[:-1])]
    found: dict[str, Any] = {name: list(rows[name].values[ends - 1]) for name in names}
    return pd.DataFrame({**found, data_col: lists})


def merge_dataframes_robust(df1: pd.DataFrame, df2: pd.DataFrame, how: str) -> pd.DataFrame:
    """Join by the columns that both have; all with all when there are none."""
    common = [column for column in df1.columns if column in set(df2.columns)]
    if common:
        return df1.merge(df2, on=common, how=how, sort=False)  # type: ignore[arg-type]
    helper = "__ktk_join_dummy"
    joined = df1.assign(**{helper: 1}).merge(df2.assign(**{helper: 1}), on=[helper], how=how, sort=False)  # type: ignore[arg-type]
    return joined.drop(columns=helper)
