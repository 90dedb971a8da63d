"""Real plateau on datasets that the library wrote, and the library on what plateau makes of them: equal rows, whoever wrote.

Usage: plateau_check.py LIBRARY [SHARED]. Exit status 77 (skipped) where plateau is not installed."""

import ctypes as C
import datetime as dt
import decimal
import json
import os
import shutil
import sys
import tempfile
import traceback

try:
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    from plateau.io import eager
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

LIB = C.CDLL(sys.argv[1])
STREAM_BYTES = 40  # struct ArrowArrayStream


class Error(C.Structure):
    _fields_ = [("status", C.c_int), ("retryable", C.c_bool), ("http", C.c_int16), ("os", C.c_int32), ("offset", C.c_int64),
                ("request_id", C.c_char * 64), ("object", C.c_char * 320), ("message", C.c_char * 832)]


class Options(C.Structure):
    _fields_ = [("struct_size", C.c_size_t), ("config", C.c_void_p), ("n_config", C.c_size_t), ("lock", C.c_char_p),
                ("memory", C.c_uint64), ("plateau", C.c_uint32), ("reserved", C.c_uint32)]


class CreateOptions(C.Structure):
    _fields_ = [("struct_size", C.c_size_t), ("table", C.c_char_p), ("partition_on", C.POINTER(C.c_char_p)), ("n_partition_on", C.c_size_t),
                ("indices", C.POINTER(C.c_char_p)), ("n_indices", C.c_size_t), ("sort_by", C.POINTER(C.c_char_p)), ("n_sort_by", C.c_size_t),
                ("bucket_by", C.c_char_p), ("buckets", C.c_uint32), ("overwrite", C.c_uint32), ("metadata_json", C.c_char_p),
                ("metadata_format", C.c_char_p), ("codec", C.c_char_p), ("row_group_rows", C.c_uint64), ("history", C.c_char_p),
                ("schema", C.c_void_p)]


class Bytes(C.Structure):
    _fields_ = [("data", C.c_void_p), ("size", C.c_size_t), ("owner", C.c_void_p)]


class LibraryError(Exception):
    pass


def call(name, *args):
    error = Error()
    if getattr(LIB, name)(*args, C.byref(error)) != 0:
        raise LibraryError(error.message.decode())


def names(items):
    return (C.c_char_p * max(1, len(items)))(*[item.encode() for item in items]), len(items)


def options(plateau):
    made = Options(C.sizeof(Options))
    made.plateau = plateau
    return made


def streams(frames):
    buffer = C.create_string_buffer(STREAM_BYTES * max(1, len(frames)))
    for i, frame in enumerate(frames):
        table = frame if isinstance(frame, pa.Table) else pa.Table.from_pandas(frame)
        table.to_reader()._export_to_c(C.addressof(buffer) + STREAM_BYTES * i)
    return buffer


def create(url, frames, partition_on=(), indices=(), sort_by=(), plateau=0, **more):
    c = CreateOptions(C.sizeof(CreateOptions))
    c.partition_on, c.n_partition_on = names(partition_on)
    c.indices, c.n_indices = names(indices)
    c.sort_by, c.n_sort_by = names(sort_by)
    for key, value in more.items():
        setattr(c, key, value)
    dataset, buffer = C.c_void_p(), streams(frames)
    call("mst_dataset_create", None, url.encode(), C.byref(options(plateau)), C.byref(c), buffer, C.c_size_t(len(frames)),
         C.byref(dataset), None, None)
    LIB.mst_dataset_unref(dataset)


class Dataset:
    def __init__(self, url, plateau=0):
        self.d = C.c_void_p()
        call("mst_dataset_open", None, url.encode(), C.byref(options(plateau)), C.byref(self.d), None)

    def read(self):
        buffer = C.create_string_buffer(STREAM_BYTES)
        call("mst_dataset_read", self.d, None, buffer, None)
        return pa.RecordBatchReader._import_from_c(C.addressof(buffer)).read_all()

    def change(self, *steps):
        change, after = C.c_void_p(), C.c_void_p()
        call("mst_change_open", self.d, C.byref(change))
        try:
            for step in steps:
                step(change)
            call("mst_change_commit", change, C.byref(after), None, None)
        finally:
            LIB.mst_change_free(change)
        LIB.mst_dataset_unref(self.d)
        self.d = after


def append(frame):
    return lambda change: call("mst_change_append", change, streams([frame]), None)


def remove(scope):
    return lambda change: call("mst_change_remove", change, json.dumps(scope).encode(), None)


# ---- frames ----------------------------------------------------------------------------------------------------------


def frame(first=0, n=200, slash="a/b"):
    i = np.arange(first, first + n)
    return pd.DataFrame({
        "id": i,
        "k": i % 5,
        "day": [dt.date(2024, 1, 1 + x % 3) for x in i],
        "place": [(slash, "ü = %", "", "x y+z")[x % 4] for x in i],
        "f": np.where(i % 11 == 0, np.nan, i / 7),
        "i8": (i % 100).astype("int8"),
        "u16": (i % 1000).astype("uint16"),
        "f32": (i / 3).astype("float32"),
        "ok": i % 2 == 0,
        "at": pd.to_datetime("2024-02-29 12:34:56.000001") + pd.to_timedelta(i, "s"),
        "kind": pd.Categorical([("oak", "elm")[x % 2] for x in i]),
        "raw": [b"\x00%d" % x for x in i],
        "none": [None] * n,
        "text": [None if x % 9 == 0 else f"t{x % 13}" for x in i],
        "listed": [[int(x)] * int(x % 3) + [1] for x in i],
        "price": [decimal.Decimal(int(x) % 100) / 100 + decimal.Decimal("1.00") for x in i],
        "took": pd.to_timedelta(i, "us"),
    })


def plain(value):
    if isinstance(value, (list, np.ndarray)):
        return [plain(v) for v in value]
    if value is None or value is pd.NaT or value is pd.NA or (isinstance(value, float) and value != value):
        return None
    if isinstance(value, (pd.Timestamp, np.datetime64)):
        return pd.Timestamp(value).isoformat()
    if isinstance(value, dt.datetime):
        return pd.Timestamp(value).isoformat()
    if isinstance(value, (pd.Timedelta, dt.timedelta)):
        return pd.Timedelta(value) // pd.Timedelta("1us")
    return value.item() if isinstance(value, np.generic) else value


def same(expected, got, what):
    got = got.to_pandas() if isinstance(got, pa.Table) else got
    assert len(expected) == len(got), f"{what}: {len(got)} rows, not {len(expected)}"
    assert sorted(expected.columns) == sorted(got.columns), f"{what}: columns {list(got.columns)}"
    expected, got = expected.sort_values("id"), got.sort_values("id")
    for column in expected.columns:
        a, b = [plain(v) for v in expected[column]], [plain(v) for v in got[column]]
        for x, y in zip(a, b):
            assert x == y, f"{what}: column {column}: {y!r}, not {x!r}"


# ---- checks ----------------------------------------------------------------------------------------------------------


def ours_then_plateau(root, plateau, **how):
    """Written by us; read, updated, indexed, collected by plateau; read and changed by us again."""
    url, store = f"{root}/mine", f"hfs://{root}"
    a, b, c = frame(), frame(1000, 50, "a|b"), frame(2000, 20)  # plateau loses what follows a slash
    create(url, [a], plateau=plateau, **how)
    same(a, eager.read_table("mine", store), "plateau reads ours")
    same(a, Dataset(url).read(), "we read ours")
    if how.get("partition_on"):
        some = eager.read_table("mine", store, predicates=[[("k", "==", 3), ("place", "==", "ü = %")]])
        assert len(some) == len(a[(a.k == 3) & (a.place == "ü = %")]) > 0
        some = eager.read_table("mine", store, predicates=[[("place", "==", "a/b")]])
        assert len(some) == len(a[a.place == "a/b"]) > 0
    eager.update_dataset_from_dataframes([b], store=store, dataset_uuid="mine")
    both = pd.concat([a, b])
    same(both, Dataset(url).read(), "we read after plateau's update")
    dataset = Dataset(url, plateau)
    dataset.change(append(c))
    three = pd.concat([both, c])
    same(three, eager.read_table("mine", store), "plateau reads after our append")
    same(three, dataset.read(), "we read after our append")
    eager.build_dataset_indices(store, "mine", ["i8"])
    assert len(eager.read_table("mine", store, predicates=[[("i8", "==", 7)]])) == (three.i8 == 7).sum()
    if how.get("partition_on"):
        dataset = Dataset(url, plateau)
        dataset.change(remove([{"k": 2}]))
        three = three[three.k != 2]
        same(three, eager.read_table("mine", store), "plateau reads after our removal")
        eager.update_dataset_from_dataframes([], store=store, dataset_uuid="mine", delete_scope=[{"k": 4}])
        three = three[three.k != 4]
        same(three, Dataset(url).read(), "we read after plateau's removal")
    eager.garbage_collect_dataset("mine", store)
    same(three, eager.read_table("mine", store), "plateau reads after its collection")
    same(three, Dataset(url).read(), "we read after plateau's collection")
    eager.delete_dataset("mine", store)
    left = [os.path.join(folder, f) for folder, _, files in os.walk(root) for f in files]
    assert not left or all("/mine.meseta/" in key for key in left), left
    assert not (plateau and left), left


def plateau_then_ours(root, **how):
    """Written by plateau; read and changed by us; read by plateau."""
    url, store = f"{root}/theirs", f"hfs://{root}"
    a, b = frame(), frame(500, 30)
    eager.store_dataframes_as_dataset(dfs=[a], store=store, dataset_uuid="theirs", **how)
    same(a, Dataset(url).read(), "we read plateau's")
    dataset = Dataset(url)
    dataset.change(append(b))
    both = pd.concat([a, b])
    same(both, dataset.read(), "we read plateau's after our append")
    same(both, eager.read_table("theirs", store), "plateau reads its own after our append")
    assert os.path.exists(f"{root}/theirs.by-dataset-metadata.json")
    assert not os.path.exists(f"{root}/theirs.by-dataset-metadata.msgpack.zstd")


def other_engines_types(root):
    """Arrow tables that no pandas frame makes: views, dictionaries, large lists, other units."""
    table = pa.table({
        "id": pa.array(range(6), pa.int32()),
        "view": pa.array(["a", None, "c", "long enough for a view of its own", "", "e"]).cast(pa.string_view()),
        "word": pa.array(["x", "y", "x", None, "y", "x"]).dictionary_encode(),
        "ms": pa.array([0, 1, None, 3, 4, 5], pa.timestamp("ms")),
        "half": pa.array(np.arange(6, dtype="float16")),
        "many": pa.array([[1], [], None, [2, 3], [4], [5]], pa.large_list(pa.int16())),
        "group": pa.array(["g", "h", "g", "h", "g", "h"]).dictionary_encode(),
    })
    create(f"{root}/arrow", [table], partition_on=["group"], indices=["word"])
    theirs, ours = eager.read_table("arrow", f"hfs://{root}"), Dataset(f"{root}/arrow").read()
    for got in (theirs, ours.to_pandas()):
        got = got.sort_values("id")
        for column in table.column_names:
            assert [plain(v) for v in got[column]] == [plain(v) for v in table[column].to_pandas()], column
    assert len(eager.read_table("arrow", f"hfs://{root}", predicates=[[("word", "==", "y")]])) == 2


def empty_ones(root):
    create(f"{root}/none", [frame().iloc[:0]], partition_on=["k"])
    assert len(eager.read_table("none", f"hfs://{root}")) == 0
    create(f"{root}/packed", [frame()], metadata_format=b"msgpack", indices=["id"])
    same(frame(), eager.read_table("packed", f"hfs://{root}"), "plateau reads our msgpack")
    same(frame(), Dataset(f"{root}/packed").read(), "we read our msgpack")


def main():
    checks = [
        ("ours, plain", lambda root: ours_then_plateau(root, 0)),
        ("ours, keys and indices", lambda root: ours_then_plateau(root, 0, partition_on=["k", "place"], indices=["text", "id"])),
        ("ours, sorted", lambda root: ours_then_plateau(root, 0, partition_on=["k", "place", "day"], sort_by=["text", "id"])),
        ("plateau's way", lambda root: ours_then_plateau(root, 1, partition_on=["k", "place"], indices=["text"])),
        ("theirs", lambda root: plateau_then_ours(root, partition_on=["k", "day"], secondary_indices=["text", "id"])),
        ("theirs, msgpack", lambda root: plateau_then_ours(root, metadata_storage_format="msgpack")),
        ("types of other engines", other_engines_types),
        ("empty ones", empty_ones),
    ]
    failed = 0
    for name, check in checks:
        root = tempfile.mkdtemp()
        try:
            check(root)
            print(f"ok      {name}")
        except Exception as error:
            failed += 1
            if os.environ.get("VERBOSE"):
                traceback.print_exc()
            print(f"FAILED  {name}: {type(error).__name__}: {str(error)[:600]}")
        finally:
            shutil.rmtree(root)
    sys.exit(1 if failed else 0)


main()
