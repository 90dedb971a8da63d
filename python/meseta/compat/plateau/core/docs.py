"""Descriptions of the arguments that many functions share, put into their docstrings once."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def _entry(name: str, kind: str, *lines: str) -> str:
    return "\n".join(["", f"{name}: {kind}", *("    " + line for line in lines)])


#: Argument → its entry below *Parameters*.
_PARAMETER_MAPPING: dict[str, str] = {
    "store": _entry(
        "store",
        "str, KeyValueStore or Callable",
        "Where the dataset lies: a URL, a store, or a function that gives a store.",
    ),
    "overwrite": _entry("overwrite", "bool", "Replace a dataset of this name if there is one."),
    "metadata_merger": _entry(
        "metadata_merger",
        "Callable, optional",
        "Gets a list of metadata maps and gives the one to store; by default later maps win, key by key.",
    ),
    "table": _entry("table", "str", "Name of the dataset's table."),
    "table_name": _entry(
        "table_name", "str", "Name of the dataset's table; data files lie at ``dataset_uuid/table_name/``."
    ),
    "schema": _entry("schema", "SchemaWrapper", "Schema of the table."),
    "columns": _entry("columns", "list of str, optional", "Columns to load, in this order."),
    "dispatch_by": _entry(
        "dispatch_by",
        "list of str, optional",
        "Indexed columns: one group of partitions for each combination of their values, in ascending order.",
        "An empty list gives everything as one group.",
    ),
    "df_serializer": _entry(
        "df_serializer", "DataFrameSerializer, optional", "How files are written; Parquet by default."
    ),
    "output_dataset_uuid": _entry("output_dataset_uuid", "str, optional", "Name of the dataset to write."),
    "dataset_uuid": _entry("dataset_uuid", "str", "Name of the dataset."),
    "metadata": _entry("metadata", "dict, optional", "The user's own metadata of the dataset; it must fit into JSON."),
    "uuid": _entry("uuid", "str", "Name of the dataset."),
    "metadata_version": _entry("metadata_version", "int, optional", "Version of the format; 4 is the only one."),
    "partition_on": _entry(
        "partition_on", "list of str, optional", "Columns by whose values rows are put into partitions."
    ),
    "predicate_pushdown_to_io": _entry(
        "predicate_pushdown_to_io",
        "bool",
        "Leave out row groups that cannot match, by their statistics. Turn it off only to look for faults.",
    ),
    "delete_scope": _entry(
        "delete_scope",
        "list of dicts, optional",
        "Partitions to remove: those that match all ``column: value`` of any of the maps. Columns need an index.",
    ),
    "categoricals": _entry("categoricals", "sequence of str, optional", "Columns to load as categories."),
    "label_filter": _entry(
        "label_filter", "Callable, optional", "Gets a label and says whether to load the partition."
    ),
    "dates_as_object": _entry("dates_as_object", "bool", "Load dates as `datetime.date`; False is deprecated."),
    "predicates": _entry(
        "predicates",
        "list of list of tuple[str, str, Any], optional",
        "A condition as OR of ANDs: ``[[(column, op, value), ...], ...]``. Operators: ``== != < <= > >= in``, ``not in``,",
        "``is distinct from``. Indices, statistics and at last rows are filtered by it.",
    ),
    "secondary_indices": _entry("secondary_indices", "list of str, optional", "Columns to build secondary indices on."),
    "sort_partitions_by": _entry(
        "sort_partitions_by", "str or list of str, optional", "Columns to sort each partition by."
    ),
    "factory": _entry(
        "factory",
        "DatasetFactory, optional",
        "An opened dataset, instead of `dataset_uuid` and `store`: its metadata is not read again.",
    ),
    "partition_size": _entry(
        "partition_size", "int, optional", "Number of dataset partitions in one partition of the bag."
    ),
    "metadata_storage_format": _entry("metadata_storage_format", "str", "``json`` or ``msgpack``."),
    "shuffle": _entry(
        "shuffle",
        "bool",
        "Bring rows of equal `partition_on` values together before writing, so that there are fewer files.",
    ),
    "repartition_ratio": _entry(
        "repartition_ratio", "float, optional", "Number of partitions to write by, as a ratio of those there are."
    ),
    "num_buckets": _entry("num_buckets", "int", "Number of buckets that rows are hashed into; only with `shuffle`."),
    "bucket_by": _entry(
        "bucket_by",
        "str or list of str, optional",
        "Columns whose hash chooses the bucket; all but `partition_on` by default.",
    ),
    "delayed_tasks": _entry("delayed_tasks", "list of dask.delayed", "Tasks that give a frame (or None) each."),
    "dfs": _entry(
        "dfs", "list of pandas.DataFrame", "Frames; each becomes a partition, or one for each value of `partition_on`."
    ),
    "df_list": _entry("df_list", "list of pandas.DataFrame", "Frames to add."),
    "df_generator": _entry("df_generator", "iterable of pandas.DataFrame", "Frames, taken one after the other."),
    "default_metadata_version": _entry("default_metadata_version", "int", "Version of the format for a new dataset."),
    "dask_index_on": _entry("dask_index_on", "str, optional", "Indexed column to make the frame's sorted index."),
    "chunk_size": _entry("chunk_size", "int", "Number of files that one task deletes."),
    "bag": _entry("bag", "dask.bag.Bag", "A bag of frames."),
    "ddf": _entry("ddf", "dask.dataframe.DataFrame or None", "The frame to write."),
    "data": _entry("data", "pandas.DataFrame", "Rows of the partition(s) to write."),
    "new_partitions": _entry(
        "new_partitions", "list of MetaPartition, optional", "Partitions that were written before, to be added."
    ),
}

_HEADING = re.compile(r"^(?P<indent>[ \t]*)Parameters[ \t]*\n[ \t]*-+[ \t]*\n", re.MULTILINE)
_NEXT_SECTION = re.compile(r"^[ \t]*[A-Z][A-Za-z ]+[ \t]*\n[ \t]*-{3,}[ \t]*$", re.MULTILINE)


def _documented(section: str, indent: str) -> set[str]:
    return set(re.findall(rf"^{indent}(\w+)[ \t]*(?::|$)", section, re.MULTILINE))


def default_docs(func: F) -> F:
    """Add what `_PARAMETER_MAPPING` says of arguments that the function's docstring does not describe itself."""
    text = func.__doc__
    if not text:
        return func
    heading = _HEADING.search(text)
    if heading is None:
        first = next((line for line in text.split("\n")[1:] if line.strip()), "")
        indent = first[: len(first) - len(first.lstrip())] or "    "
        text = f"{text.rstrip()}\n\n{indent}Parameters\n{indent}----------\n{indent}"
        begin = end = len(text.rstrip()) + 1
        text = text.rstrip() + "\n" + indent
    else:
        indent, begin = heading["indent"], heading.end()
        following = _NEXT_SECTION.search(text, begin)
        end = following.start() if following else len(text.rstrip()) + 1
        if following is None:
            text = text.rstrip() + "\n" + indent
    own = _documented(text[begin:end], indent)
    entries = ""
    for name in inspect.signature(func).parameters:
        if name in _PARAMETER_MAPPING and name not in own:
            # The first line of an entry is empty: it ends the heading's line or the entry before.
            entries += (
                "\n".join(indent + line if line else line for line in _PARAMETER_MAPPING[name].split("\n")[1:]) + "\n"
            )
    func.__doc__ = text[:end].rstrip(" \t") + entries + text[end:]
    return func
