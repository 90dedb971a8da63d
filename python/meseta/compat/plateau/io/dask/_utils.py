"""What bags, delayed tasks and frames share."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import pandas as pd
from dask import delayed

from ...io_components.metapartition import MetaPartition

CATEGORICAL_EFFICIENCY_WARN_LIMIT = 100_000


def _get_data(mp: MetaPartition, table: str | None = None) -> Any:
    return mp.data


def _load_and_concat(mps: Iterable[MetaPartition], **kwargs: Any) -> MetaPartition:
    return MetaPartition.concat_metapartitions([mp.load_dataframes(**kwargs) for mp in mps])


def _cast_categorical_to_index_cat(df: pd.DataFrame, categories: dict[str, pd.CategoricalDtype]) -> pd.DataFrame:
    return df.astype(categories)


def _construct_categorical(column: str, dataset_metadata_factory: Any) -> pd.CategoricalDtype:
    values = list(dataset_metadata_factory.load_index(column).indices[column].index_dct)
    if len(values) > CATEGORICAL_EFFICIENCY_WARN_LIMIT:
        warnings.warn(
            f"Column {column} has {len(values)} distinct values, reading as categorical may increase memory consumption.",
            stacklevel=2,
        )
    return pd.CategoricalDtype(values, ordered=False)


def _maybe_get_categoricals_from_index(
    dataset_metadata_factory: Any, categoricals: Iterable[str] | None
) -> dict[str, Any]:
    """All categories of a column are known where it has an index."""
    indexed = dataset_metadata_factory.indices
    return {
        column: _construct_categorical(column, dataset_metadata_factory)
        for column in categoricals or ()
        if column in indexed
    }


def map_delayed(func: Callable[..., Any], mps: Iterable[Any], **kwargs: Any) -> Iterator[Any]:
    """Make a task of each call."""
    return map(delayed(partial(func, **kwargs)), mps)
