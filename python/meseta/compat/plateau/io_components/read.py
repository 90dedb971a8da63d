"""Which partitions to read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..core.factory import DatasetFactory
from ..core.typing import StoreInput
from ..serialization import PredicatesType, check_predicates, columns_in_predicates
from .metapartition import MetaPartition
from .utils import normalize_args


@normalize_args
def dispatch_metapartitions_from_factory(
    dataset_factory: DatasetFactory, predicates: PredicatesType = None, dispatch_by: list[str] | None = None
) -> Iterator[Any]:
    """Give the partitions that indices do not rule out, or lists of them, one for each combination of values.

    Parameters
    ----------
    dataset_factory : DatasetFactory
    predicates : list of list of tuple, optional
    dispatch_by : list of str, optional
        Indexed columns.
    """
    indexed = set(dataset_factory.index_columns)
    if dispatch_by is not None and not set(dispatch_by) <= indexed:
        raise RuntimeError(
            f"Dispatch columns must be indexed.\nRequested index: {dispatch_by} but available index columns: {sorted(indexed)}"
        )
    check_predicates(predicates)
    columns = set(dispatch_by or ()) | (columns_in_predicates(predicates) & indexed)
    for column in columns:
        dataset_factory.load_index(column)
    frame = dataset_factory.get_indices_as_dataframe(list(columns), predicates=predicates)

    def part(label: str, conjunction: Any = None) -> MetaPartition:
        return MetaPartition.from_partition(
            partition=dataset_factory.partitions[label],
            metadata_version=dataset_factory.metadata_version,
            schema=dataset_factory.schema,
            partition_keys=dataset_factory.partition_keys,
            logical_conjunction=conjunction,
            table_name=dataset_factory.table_name,
        )

    if dispatch_by is None:
        for label in frame.index.unique():
            yield part(label)
    elif not dispatch_by:
        yield [part(label, []) for label in frame.index.unique()]
    else:
        for values, group in frame.groupby(by=list(dispatch_by), sort=True, observed=True):
            conjunction = [(column, "==", value) for column, value in zip(dispatch_by, values, strict=True)]
            yield [part(label, conjunction) for label in group.index.unique()]


def dispatch_metapartitions(
    dataset_uuid: str, store: StoreInput, predicates: PredicatesType = None, dispatch_by: list[str] | None = None
) -> Iterator[Any]:
    """Like `dispatch_metapartitions_from_factory`, of a dataset's name and store."""
    factory = DatasetFactory(dataset_uuid=dataset_uuid, store_factory=store, load_schema=True, load_all_indices=False)
    return dispatch_metapartitions_from_factory(dataset_factory=factory, predicates=predicates, dispatch_by=dispatch_by)
