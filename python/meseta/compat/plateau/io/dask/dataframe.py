"""Datasets as dask frames."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import dask
import dask.dataframe as dd
import pandas as pd

from ...core.common_metadata import empty_dataframe_from_schema
from ...core.docs import default_docs
from ...core.factory import DatasetFactory, _ensure_factory
from ...core.naming import DEFAULT_METADATA_VERSION, SINGLE_TABLE
from ...io_components.metapartition import _METADATA_SCHEMA, MetaPartition, parse_input_to_metapartition
from ...io_components.read import dispatch_metapartitions_from_factory
from ...io_components.update import update_dataset_from_partitions
from ...io_components.utils import _ensure_compatible_indices, normalize_args, validate_partition_keys
from ...io_components.write import raise_if_dataset_exists, store_dataset_from_partitions, write_partition
from ._shuffle import shuffle_store_dask_partitions
from ._utils import _maybe_get_categoricals_from_index
from .compression import pack_payload, unpack_payload_pandas

__all__ = (
    "collect_dataset_metadata",
    "hash_dataset",
    "read_dataset_as_ddf",
    "store_dataset_from_ddf",
    "update_dataset_from_ddf",
)

F = TypeVar("F", bound=Callable[..., Any])

#: Texts stay what they are, and shuffling needs no common disk.
_PLAIN = {"dataframe.convert-string": False}
_TASKS = {**_PLAIN, "dataframe.shuffle.method": "tasks"}


class ReadPlateauPartition:
    """Reads the partitions of one partition of a dask frame; it can be told to read fewer columns.

    It has what dask's `DataFrameIOFunction` protocol asks for.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = columns

    @property
    def columns(self) -> Any:
        """Columns to read."""
        return self._columns

    def project_columns(self, columns: Sequence[str]) -> ReadPlateauPartition:
        """Return a reader of these columns."""
        return type(self)(columns=columns)

    def __call__(self, mps: Any, *args: Any, columns: Sequence[str] | None = None, **kwargs: Any) -> pd.DataFrame:
        wanted = self.columns if columns is None else [column for column in columns if column in self.columns]
        parts = [part.load_dataframes(*args, columns=list(wanted), **kwargs) for part in mps]
        return MetaPartition.concat_metapartitions(parts).data


@default_docs
@normalize_args
def read_dataset_as_ddf(
    dataset_uuid: str | None = None,
    store: Any = None,
    table: str = SINGLE_TABLE,
    columns: Any = None,
    predicate_pushdown_to_io: bool = True,
    categoricals: Sequence[str] | None = None,
    dates_as_object: bool = True,
    predicates: Any = None,
    factory: DatasetFactory | None = None,
    dask_index_on: str | None = None,
    dispatch_by: list[str] | None = None,
) -> Any:
    """Read a dataset as a dask frame.

    Parameters
    ----------
    """
    if dask_index_on is not None and not isinstance(dask_index_on, str):
        raise TypeError(f"The parameter `dask_index_on` must be a string but got {type(dask_index_on)}")
    if dask_index_on is not None and dispatch_by:
        raise ValueError(
            "`read_dataset_as_ddf` got parameters `dask_index_on` and `dispatch_by`. "
            "Note that `dispatch_by` can only be used if `dask_index_on` is None."
        )
    dataset = _ensure_factory(dataset_uuid=dataset_uuid, store=store, factory=factory)
    if isinstance(columns, dict):
        columns = columns[table]
    meta = _get_dask_meta_for_dataset(dataset, columns, categoricals, dates_as_object)
    if columns is None:
        columns = list(meta.columns)
    parts = list(
        dispatch_metapartitions_from_factory(
            dataset, predicates=predicates, dispatch_by=dispatch_by or ([dask_index_on] if dask_index_on else None)
        )
    )
    divisions: list[Any] | None = None
    if dask_index_on:
        dataset.load_index(dask_index_on)
        values = sorted(dataset.indices[dask_index_on].observed_values())
        divisions = [*values, values[-1]]
    with dask.config.set(_PLAIN):
        frame = dd.from_map(
            ReadPlateauPartition(columns=columns),
            parts,
            meta=meta,
            columns=columns,
            label="read-plateau",
            divisions=divisions,
            store=dataset.store_factory,
            categoricals=categoricals,
            predicate_pushdown_to_io=predicate_pushdown_to_io,
            dates_as_object=dates_as_object,
            predicates=predicates,
        )
    return frame.set_index(dask_index_on, divisions=divisions, sorted=True) if dask_index_on else frame


def _get_dask_meta_for_dataset(
    dataset: DatasetFactory, columns: Any, categoricals: Sequence[str] | None, dates_as_object: bool
) -> pd.DataFrame:
    meta = empty_dataframe_from_schema(dataset.schema, columns=columns, date_as_object=dates_as_object)
    if categoricals:
        meta = dd.utils.clear_known_categories(meta.astype(dict.fromkeys(categoricals, "category")), categoricals)
    known = _maybe_get_categoricals_from_index(dataset, categoricals)
    return meta.astype(known) if known else meta


# ---- writing ---------------------------------------------------------------------------------------------------------


def _same(frame: Any) -> Any:
    return frame


def _parts_of(stored: Any) -> list[MetaPartition]:
    return [part for part in stored.values.flatten() if isinstance(part, MetaPartition) and not part.is_sentinel]


def _commit_update_from_reduction(stored: Any, **kwargs: Any) -> Any:
    return update_dataset_from_partitions(partition_list=_parts_of(stored), **kwargs)


def _commit_store_from_reduction(stored: Any, **kwargs: Any) -> Any:
    return store_dataset_from_partitions(partition_list=_parts_of(stored), **kwargs)


def _committed(stored: Any, commit: Callable[..., Any], **kwargs: Any) -> Any:
    return stored.reduction(
        chunk=_same, aggregate=commit, split_every=False, token="commit-dataset", meta=object, aggregate_kwargs=kwargs
    )


def _write_dataframe_partitions(
    ddf: Any,
    shuffle: bool,
    repartition_ratio: Any,
    num_buckets: int,
    bucket_by: Any,
    **writing: Any,
) -> Any:
    """Store the rows of a dask frame; gives a series of partitions. `writing`: arguments of `write_partition`."""
    if ddf is None:
        nothing = parse_input_to_metapartition(
            None, metadata_version=writing["metadata_version"], table_name=writing["dataset_table_name"]
        )
        return dd.from_pandas(pd.Series([nothing]), npartitions=1)
    if repartition_ratio:
        ddf = ddf.repartition(npartitions=math.ceil(ddf.npartitions / repartition_ratio))
    if shuffle:
        return shuffle_store_dask_partitions(ddf, num_buckets=num_buckets, bucket_by=bucket_by, **writing)
    return ddf.map_partitions(write_partition, meta=MetaPartition, **writing)


@default_docs
@normalize_args
def store_dataset_from_ddf(
    ddf: Any,
    store: Any,
    dataset_uuid: str,
    table: str = SINGLE_TABLE,
    secondary_indices: Any = None,
    shuffle: bool = False,
    repartition_ratio: Any = None,
    num_buckets: int = 1,
    sort_partitions_by: Any = None,
    metadata: Mapping[str, Any] | None = None,
    df_serializer: Any = None,
    metadata_merger: Callable[..., Any] | None = None,
    metadata_version: int = DEFAULT_METADATA_VERSION,
    partition_on: Any = None,
    bucket_by: Any = None,
    overwrite: bool = False,
) -> Any:
    """Store a dask frame as a new dataset.

    Without `shuffle`, each of the frame's partitions becomes a partition of the dataset, or one for each value of
    `partition_on` in it. With it, rows are brought together first, so that there are at most `num_buckets` files for each
    value of `partition_on`.

    Parameters
    ----------
    """
    if table is None:
        raise TypeError("The parameter `table` is not optional.")
    dataset = _ensure_factory(dataset_uuid=dataset_uuid, store=store, factory=None)
    if not overwrite:
        raise_if_dataset_exists(dataset_uuid=dataset_uuid, store=store)
    with dask.config.set(_TASKS):
        stored = _write_dataframe_partitions(
            ddf,
            shuffle=shuffle,
            repartition_ratio=repartition_ratio,
            num_buckets=num_buckets,
            bucket_by=bucket_by,
            store_factory=dataset.store_factory,
            dataset_uuid=dataset_uuid,
            dataset_table_name=table,
            secondary_indices=secondary_indices,
            sort_partitions_by=sort_partitions_by,
            df_serializer=df_serializer,
            metadata_version=metadata_version,
            partition_on=partition_on,
        )
    return _committed(
        stored,
        _commit_store_from_reduction,
        store=dataset.store_factory,
        dataset_uuid=dataset.dataset_uuid,
        dataset_metadata=metadata,
        metadata_merger=metadata_merger,
    )


@default_docs
@normalize_args
def update_dataset_from_ddf(
    ddf: Any,
    store: Any = None,
    dataset_uuid: str | None = None,
    table: str = SINGLE_TABLE,
    secondary_indices: Any = None,
    shuffle: bool = False,
    repartition_ratio: Any = None,
    num_buckets: int = 1,
    sort_partitions_by: Any = None,
    delete_scope: Iterable[Mapping[str, str]] | None = None,
    metadata: Mapping[str, Any] | None = None,
    df_serializer: Any = None,
    metadata_merger: Callable[..., Any] | None = None,
    default_metadata_version: int = DEFAULT_METADATA_VERSION,
    partition_on: Any = None,
    factory: DatasetFactory | None = None,
    bucket_by: Any = None,
) -> Any:
    """Add a dask frame to a dataset (or make it) and remove partitions, in one commit.

    Without `shuffle`, each of the frame's partitions becomes a partition of the dataset, or one for each value of
    `partition_on` in it. With it, rows are brought together first, so that there are at most `num_buckets` files for each
    value of `partition_on`. Without a frame, partitions are removed only.

    Parameters
    ----------
    """
    if table is None:
        raise TypeError("The parameter `table` is not optional.")
    dataset, metadata_version, partition_on = validate_partition_keys(
        dataset_uuid=dataset_uuid,
        store=store,
        default_metadata_version=default_metadata_version,
        partition_on=partition_on,
        ds_factory=factory,
    )
    indices = _ensure_compatible_indices(dataset, secondary_indices)
    store_factory = dataset.store_factory if dataset else store
    if not callable(store_factory):
        raise TypeError("You must either pass in a DatasetFactory or a StoreFactor via store.")
    with dask.config.set(_TASKS):
        stored = _write_dataframe_partitions(
            ddf,
            shuffle=shuffle,
            repartition_ratio=repartition_ratio,
            num_buckets=num_buckets,
            bucket_by=bucket_by,
            store_factory=store_factory,
            dataset_uuid=dataset_uuid or dataset.dataset_uuid,
            dataset_table_name=table,
            secondary_indices=indices,
            sort_partitions_by=sort_partitions_by,
            df_serializer=df_serializer,
            metadata_version=metadata_version,
            partition_on=partition_on,
        )
    return _committed(
        stored,
        _commit_update_from_reduction,
        store_factory=store,
        dataset_uuid=dataset_uuid,
        ds_factory=dataset,
        delete_scope=delete_scope,
        metadata=metadata,
        metadata_merger=metadata_merger,
    )


# ---- facts -----------------------------------------------------------------------------------------------------------


@default_docs
@normalize_args
def collect_dataset_metadata(
    store: Any = None,
    dataset_uuid: str | None = None,
    predicates: Any = None,
    frac: float = 1.0,
    factory: DatasetFactory | None = None,
) -> Any:
    """Collect facts of all row groups of a dataset's files.

    Parameters
    ----------
    frac : float
        Share of the partitions to look at; they are chosen at random.
    """
    if not 0.0 < frac <= 1.0:
        raise ValueError(
            f"Invalid value for parameter `frac`: {frac}."
            "Please make sure to provide a value larger than 0.0 and smaller than or equal to 1.0 ."
        )
    dataset = _ensure_factory(dataset_uuid=dataset_uuid, store=store, factory=factory)
    parts = list(dispatch_metapartitions_from_factory(dataset, predicates=predicates))
    with dask.config.set(_PLAIN):
        if not parts:
            empty = pd.DataFrame(columns=list(_METADATA_SCHEMA)).astype(_METADATA_SCHEMA)
            return dd.from_pandas(empty, npartitions=1)
        chosen = random.sample(parts, max(1, int(len(parts) * frac)))
        return dd.from_map(
            MetaPartition.get_parquet_metadata, chosen, meta=_METADATA_SCHEMA, store=dataset.store_factory
        )


def _hash_partition(part: pd.DataFrame, subset: Sequence[str]) -> Any:
    return pd.util.hash_pandas_object(part.reset_index()[list(subset)], index=False).sum()


def _unpack_hash(df: pd.DataFrame, group_key: list[str], unpack_meta: pd.DataFrame, subset: Sequence[str]) -> Any:
    rows = unpack_payload_pandas(df, unpack_meta).set_index(group_key, drop=True)
    return rows.groupby(rows.index).apply(_hash_partition, subset=subset)


@default_docs
@normalize_args
def hash_dataset(
    store: Any = None,
    dataset_uuid: str | None = None,
    subset: Any = None,
    group_key: Any = None,
    table: str = SINGLE_TABLE,
    predicates: Any = None,
    factory: DatasetFactory | None = None,
) -> Any:
    """Hash a dataset, whole partitions or groups of rows.

    Parameters
    ----------
    subset : list of str, optional
        Columns that count; all by default.
    group_key : list of str, optional
        One hash for each combination of values of these columns, else one for each partition.
    """
    dataset = _ensure_factory(dataset_uuid=dataset_uuid, store=store, factory=factory)
    columns = sorted({*subset, *group_key}) if subset and group_key else subset
    frame = read_dataset_as_ddf(
        table=table, predicates=predicates, factory=dataset, columns=columns, dates_as_object=True
    )
    counted = subset or frame.columns.to_list()
    with dask.config.set(_TASKS):
        if not group_key:
            return frame.map_partitions(_hash_partition, subset=counted, meta=(None, "uint64"))
        return (
            pack_payload(frame, group_key=group_key)
            .shuffle(on=group_key)
            .map_partitions(
                _unpack_hash, group_key=group_key, unpack_meta=frame._meta, subset=counted, meta=(None, "uint64")
            )
        )
