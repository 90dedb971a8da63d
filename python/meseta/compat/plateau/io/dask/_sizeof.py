"""How large dask takes our objects to be."""

from __future__ import annotations

from typing import Any

from dask.sizeof import sizeof


def _by_members(obj: Any) -> int:
    return int(sizeof(obj.__dict__))


def register_sizeof_ktk_classes() -> None:
    """Let dask know the size of datasets and partitions."""
    from ...core.common_metadata import SchemaWrapper
    from ...core.dataset import DatasetMetadata
    from ...core.factory import DatasetFactory
    from ...core.index import ExplicitSecondaryIndex, PartitionIndex
    from ...core.partition import Partition
    from ...io_components.metapartition import MetaPartition

    for kind in (
        DatasetMetadata,
        DatasetFactory,
        MetaPartition,
        ExplicitSecondaryIndex,
        PartitionIndex,
        Partition,
        SchemaWrapper,
    ):
        sizeof.register(kind, _by_members)
