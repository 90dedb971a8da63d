"""meseta.parquet as programs use it: sources and targets of every kind, options, streams, data that comes and goes."""

from __future__ import annotations

import datetime
import decimal
import gc
import io
import mmap
import pathlib
import random
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

import meseta
import meseta.parquet

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


def numbers(n: int = 1000) -> Any:
    return pa.table(
        {
            "id": pa.array(range(n), "int64"),
            "name": [None if i % 10 == 3 else f"n{i}" for i in range(n)],
            "half": [i / 2 for i in range(n)],
            "at": pa.array([{"x": i, "y": [str(i)] * (i % 3)} for i in range(n)]),
        }
    )


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    target = tmp_path / "numbers.parquet"
    pq.write_table(numbers(), target, row_group_size=300)
    return target


# ---- sources ---------------------------------------------------------------------------------------------------------


def test_sources(path: pathlib.Path) -> None:
    want = numbers()
    data = path.read_bytes()
    for source in (path, str(path), f"file://{path}", data, bytearray(data), memoryview(data)):
        assert meseta.parquet.read(source).arrow().equals(want), type(source)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert meseta.parquet.read(mapped).arrow().equals(want)
        gc.collect()


def test_memory_outlives_its_name(path: pathlib.Path) -> None:
    data = bytearray(path.read_bytes())
    table = meseta.parquet.read(data).arrow()
    stream = meseta.parquet.read(data)
    del stream
    del data
    gc.collect()
    assert table.equals(numbers())


@pytest.mark.parametrize("source", [3, None, ["x.parquet"], io.BytesIO(b"")])
def test_no_source(source: Any) -> None:
    with pytest.raises(meseta.ArgumentError, match=type(source).__name__):
        meseta.parquet.read(source)


def test_missing_and_broken(tmp_path: pathlib.Path, path: pathlib.Path) -> None:
    with pytest.raises(meseta.NotFoundError, match=r"none\.parquet"):
        meseta.parquet.read(tmp_path / "none.parquet")
    with pytest.raises(meseta.CorruptError, match="memory"):
        meseta.parquet.read(b"")
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(meseta.CorruptError, match=r"numbers\.parquet"):
        meseta.parquet.File(path)


def test_a_file_is_pinned(path: pathlib.Path) -> None:
    pq.write_table(numbers(50_000), path, row_group_size=1000)  # more than came along with the footer
    file = meseta.parquet.File(path)
    assert file.read(limit=1).arrow().num_rows == 1
    pq.write_table(numbers(10), path)
    with pytest.raises(meseta.ChangedError, match=r"numbers\.parquet"):
        file.read().arrow()


# ---- reading ---------------------------------------------------------------------------------------------------------


def test_columns(path: pathlib.Path) -> None:
    want = numbers()
    found = meseta.parquet.read(path, columns=["half", "id"]).arrow()
    assert found.equals(want.select(["half", "id"]))
    nested = meseta.parquet.read(path, columns=["at.y", "id"]).arrow()
    assert nested.column_names == ["at", "id"]
    assert nested["at"].to_pylist() == [{"y": row["y"]} for row in want["at"].to_pylist()]
    assert meseta.parquet.read(path, columns=[]).arrow().num_columns == 0
    assert sum(len(batch) for batch in meseta.parquet.read(path, columns=[])) == 1000
    with pytest.raises(meseta.NotFoundError, match="half"):
        meseta.parquet.read(path, columns=["hafl"])
    for wrong in ("id", b"id", 3, [3]):
        with pytest.raises(meseta.ArgumentError, match="columns"):
            meseta.parquet.read(path, columns=wrong)  # type: ignore[arg-type]


def test_limit(path: pathlib.Path) -> None:
    for limit in (0, 1, 299, 300, 301, 1000, 5000):
        found = meseta.parquet.read(path, limit=limit).arrow()
        assert found.equals(numbers().slice(0, limit)), limit
    assert meseta.parquet.read(path, where="id >= 500", limit=7).arrow()["id"].to_pylist() == list(range(500, 507))
    for wrong in (-1, 1.5, "3", True):
        with pytest.raises(meseta.ArgumentError, match="limit"):
            meseta.parquet.read(path, limit=wrong)  # type: ignore[arg-type]


def test_where_needs_no_column_of_its_own(path: pathlib.Path) -> None:
    found = meseta.parquet.read(path, columns=["name"], where="id in (1, 3, 999)").arrow()
    assert found["name"].to_pylist() == ["n1", None, "n999"]
    found = meseta.parquet.read(path, columns=["id"], where="at.x < 2").arrow()
    assert found["id"].to_pylist() == [0, 1]


def test_batches(path: pathlib.Path) -> None:
    stream = meseta.parquet.read(path, batch_rows=64)
    assert [field.name for field in pa.schema(stream.schema)] == stream.schema.names == numbers().column_names
    batches = [pa.record_batch(batch) for batch in stream]
    assert all(batch.num_rows <= 64 for batch in batches)
    assert pa.Table.from_batches(batches).equals(numbers())


def test_a_stream_is_read_once(path: pathlib.Path) -> None:
    stream = meseta.parquet.read(path)
    capsule = stream.__arrow_c_stream__()
    with pytest.raises(meseta.ArgumentError):
        stream.__arrow_c_stream__()
    with pytest.raises(meseta.ArgumentError):
        stream.arrow()
    del capsule
    with pytest.raises(meseta.ArgumentError):
        pa.table(stream)


def test_consumers(path: pathlib.Path) -> None:
    polars = pytest.importorskip("polars")
    duckdb = pytest.importorskip("duckdb")
    file = meseta.parquet.File(path)
    assert pa.table(file.read()).equals(numbers())
    assert polars.DataFrame(file.read())["id"].sum() == 499500
    assert file.read().polars()["half"].sum() == 249750
    stream = file.read()  # noqa: F841 - DuckDB finds it by its name
    assert duckdb.sql("select sum(id), count(name) from stream").fetchall() == [(499500, 900)]
    assert file.read(["id", "name"]).pandas()["name"].isna().sum() == 100


# ---- facts -----------------------------------------------------------------------------------------------------------


def test_file(path: pathlib.Path) -> None:
    file = meseta.parquet.File(path)
    assert (file.rows, len(file), file.row_groups) == (1000, 1000, 4)
    assert file.columns == ["id", "name", "half", "at"]
    assert file.size == path.stat().st_size
    assert file.created_by.startswith("parquet-cpp-arrow")
    assert pa.schema(file.schema).equals(numbers().schema)
    assert file.verify()["rows"] == 1000
    told = file.describe()
    assert len(told["groups"]) == 4
    assert told["groups"][1]["columns"][0]["min"] == 300
    assert repr(file) == f"<meseta.parquet.File file://{path}: 1000 rows>"


def test_metadata(tmp_path: pathlib.Path) -> None:
    target = tmp_path / "x.parquet"
    table = numbers(3).replace_schema_metadata({"from": "arrow", "both": "arrow"})
    meseta.parquet.write(table, target, metadata={"both": "option", "ümläut": "日本", b"bytes": b"too"})  # type: ignore[dict-item]
    want = {"from": "arrow", "both": "option", "ümläut": "日本", "bytes": "too"}
    assert meseta.parquet.File(target).metadata == want
    seen = pq.read_metadata(target).metadata
    assert {k.decode(): v.decode() for k, v in seen.items() if k != b"ARROW:schema"} == want
    with pytest.raises(meseta.ArgumentError, match="metadata"):
        meseta.parquet.write(table, target, metadata={"n": 3})  # type: ignore[dict-item]


# ---- writing ---------------------------------------------------------------------------------------------------------


def data_of(table: Any) -> Iterator[tuple[str, Any]]:
    polars = pytest.importorskip("polars")
    duckdb = pytest.importorskip("duckdb")
    found = table  # noqa: F841 - DuckDB finds it by its name
    yield "table", table
    yield "batch", table.combine_chunks().to_batches()[0]
    yield "reader", pa.RecordBatchReader.from_batches(table.schema, table.to_batches())
    yield "list", [table.slice(0, 100), table.slice(100, 0), table.slice(100)]
    yield "batches", table.to_batches(max_chunksize=50)
    yield "iterator", (table.slice(i, 250) for i in range(0, 1000, 250))
    yield "polars", polars.from_arrow(table)
    yield "duckdb", duckdb.sql("select * from found")
    meseta.parquet.write(table, "memory://test-parquet/data.parquet")
    yield "stream", meseta.parquet.read("memory://test-parquet/data.parquet")
    yield "own batches", iter(meseta.parquet.read("memory://test-parquet/data.parquet", batch_rows=99))


def test_data_of_every_kind(tmp_path: pathlib.Path) -> None:
    table = numbers()
    for kind, data in data_of(table):
        target = tmp_path / f"{kind}.parquet"
        done = meseta.parquet.write(data, target)
        assert done == {"rows": 1000, "bytes": target.stat().st_size, "row_groups": 1}, kind
        assert pq.read_table(target).to_pylist() == table.to_pylist(), kind


@pytest.mark.parametrize("data", [3, "text", b"bytes", {"a": [1]}, [1, 2], None])
def test_no_data(tmp_path: pathlib.Path, data: Any) -> None:
    with pytest.raises(meseta.ArgumentError, match="data must be"):
        meseta.parquet.write(data, tmp_path / "x.parquet")
    assert not list(tmp_path.iterdir())


def test_nothing_and_one_column(tmp_path: pathlib.Path) -> None:
    for data in ([], iter(())):
        with pytest.raises(meseta.ArgumentError, match="no data"):
            meseta.parquet.write(data, tmp_path / "x.parquet")
    with pytest.raises(meseta.ArgumentError, match="table"):
        meseta.parquet.write(pa.chunked_array([[1, 2]]), tmp_path / "x.parquet")
    with pytest.raises(meseta.ArgumentError, match="table"):
        meseta.parquet.write(pa.array([1, 2]), tmp_path / "x.parquet")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "other",
    [
        pa.table({"a": [1]}),
        pa.table({"a": [1], "c": ["x"]}),
        pa.table({"a": ["1"], "b": ["x"]}),
        pa.table({"b": ["x"], "a": [1]}),
    ],
)
def test_frames_must_agree(tmp_path: pathlib.Path, other: Any) -> None:
    with pytest.raises(meseta.ArgumentError, match="other columns"):
        meseta.parquet.write([pa.table({"a": [1], "b": ["x"]}), other], tmp_path / "x.parquet")
    assert not list(tmp_path.iterdir())


def test_what_an_iterator_raises_comes_through(tmp_path: pathlib.Path) -> None:
    target = tmp_path / "x.parquet"
    meseta.parquet.write(numbers(3), target)
    before = target.read_bytes()

    def frames() -> Iterator[Any]:
        yield numbers(10)
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        meseta.parquet.write(frames(), target)
    assert target.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["x.parquet"]


def test_what_is_wrong_with_a_stream_comes_through(tmp_path: pathlib.Path, path: pathlib.Path) -> None:
    data = bytearray(path.read_bytes())
    first = pq.read_metadata(path).row_group(0).column(0)
    at = first.dictionary_page_offset or first.data_page_offset
    data[at : at + 40] = b"\xff" * 40
    with pytest.raises(meseta.CorruptError, match="id"):
        meseta.parquet.write(meseta.parquet.read(data), tmp_path / "x.parquet")
    assert not (tmp_path / "x.parquet").exists()


def test_targets(tmp_path: pathlib.Path) -> None:
    for target in (tmp_path / "a b%20.parquet", f"file://{tmp_path}/u.parquet", "memory://test-parquet/t/x.parquet"):
        assert meseta.parquet.write(numbers(), target)["rows"] == 1000
        assert meseta.parquet.read(target).arrow().equals(numbers())
    assert (tmp_path / "a b%20.parquet").exists()
    for wrong in (3, None, ""):
        with pytest.raises(meseta.ArgumentError):
            meseta.parquet.write(numbers(), wrong)  # type: ignore[arg-type]
    with pytest.raises(meseta.ArgumentError, match="folder"):
        meseta.parquet.write(numbers(), f"{tmp_path}/")


@pytest.mark.s3
def test_s3(s3_environment: Any) -> None:
    url = f"s3://{s3_environment.bucket}/parquet/x.parquet"
    table = numbers(200_000)
    done = meseta.parquet.write(table, url, codec="none", row_group_rows=50_000)
    file = meseta.parquet.File(url)
    assert (file.rows, file.row_groups, file.size) == (200_000, 4, done["bytes"])
    assert file.read().arrow().equals(table)
    assert file.read(["id"], "id >= 199999").arrow()["id"].to_pylist() == [199999]
    with pytest.raises(meseta.Error):
        meseta.parquet.read(url, storage_options={"access_key_id": "wrong", "secret_access_key": "wrong"})


# ---- options ---------------------------------------------------------------------------------------------------------

CODECS = {"none": "UNCOMPRESSED", "snappy": "SNAPPY", "gzip": "GZIP", "zstd": "ZSTD", "lz4": "LZ4", "brotli": "BROTLI"}


@pytest.mark.parametrize("codec", CODECS)
def test_codecs(tmp_path: pathlib.Path, codec: str) -> None:
    target = tmp_path / "x.parquet"
    meseta.parquet.write(numbers(), target, codec=codec)
    assert pq.read_metadata(target).row_group(0).column(0).compression == CODECS[codec]
    assert pq.read_table(target).equals(numbers())
    assert meseta.parquet.read(target).arrow().equals(numbers())


def test_levels(tmp_path: pathlib.Path) -> None:
    words = random.Random(1).choices(
        ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"], k=100_000
    )
    table = pa.table({"s": [" ".join(words[i : i + 5]) for i in range(0, 100_000, 5)]})
    sizes = [
        meseta.parquet.write(table, tmp_path / "x.parquet", level=level, encodings={"s": "plain"})["bytes"]
        for level in (1, 19)
    ]
    assert sizes[1] < sizes[0]
    with pytest.raises(meseta.ArgumentError, match="level"):
        meseta.parquet.write(table, tmp_path / "x.parquet", level="high")  # type: ignore[arg-type]


def test_sizes(tmp_path: pathlib.Path) -> None:
    target = tmp_path / "x.parquet"
    done = meseta.parquet.write(numbers(), target, row_group_rows=300, page_bytes="1KiB")
    assert done["row_groups"] == 4
    seen = pq.read_metadata(target)
    assert [seen.row_group(i).num_rows for i in range(4)] == [300, 300, 300, 100]
    for wrong in ({"row_group_rows": 0}, {"page_bytes": 0}, {"row_group_rows": "many"}):
        with pytest.raises(meseta.ArgumentError):
            meseta.parquet.write(numbers(), target, **wrong)


def test_encodings(tmp_path: pathlib.Path) -> None:
    target = tmp_path / "x.parquet"
    wanted = {"id": "delta_binary_packed", "name": "DELTA_BYTE_ARRAY", "half": "byte_stream_split"}
    meseta.parquet.write(numbers(), target, encodings=wanted)
    group = pq.read_metadata(target).row_group(0)
    for i, name in enumerate(wanted):
        assert wanted[name].upper() in group.column(i).encodings
    meseta.parquet.write(numbers(), target, encodings={"at.y.list.element": "plain"}, dictionary=False)
    group = pq.read_metadata(target).row_group(0)
    assert not any("DICTIONARY" in e for i in range(group.num_columns) for e in group.column(i).encodings)
    assert pq.read_table(target).equals(numbers())
    for wrong, said in (
        ({"id": "delta_byte_array"}, "id"),
        ({"id": "zigzag"}, "zigzag"),
        ({"nix": "plain"}, "nix"),
        ({"id": 3}, "encodings"),
        ("plain", "encodings"),
    ):
        with pytest.raises(meseta.ArgumentError, match=said):
            meseta.parquet.write(numbers(), target, encodings=wrong)  # type: ignore[arg-type]


def test_statistics_bloom_checksums_sorting(tmp_path: pathlib.Path) -> None:
    target = tmp_path / "x.parquet"
    meseta.parquet.write(numbers(), target, bloom=["name"], sorting=["id", ("half", "descending")])
    seen = pq.read_metadata(target).row_group(0)
    assert seen.column(0).statistics.max == 999
    assert [(c.column_index, c.descending) for c in seen.sorting_columns] == [(0, False), (2, True)]
    chunks = meseta.parquet.File(target).describe()["groups"][0]["columns"]
    assert [c["bloom_filter"] for c in chunks] == [c["name"] == "name" for c in chunks]
    meseta.parquet.write(numbers(), target, statistics=False, checksums=False)
    assert not pq.read_metadata(target).row_group(0).column(0).is_stats_set
    pq.ParquetFile(target, page_checksum_verification=True).read()
    for wrong in ({"bloom": ["nix"]}, {"sorting": ["nix"]}, {"bloom": "name"}, {"sorting": [("id", "up")]}):
        with pytest.raises(meseta.ArgumentError):
            meseta.parquet.write(numbers(), target, **wrong)
    for flag in ("statistics", "checksums", "dictionary"):
        with pytest.raises(meseta.ArgumentError, match=flag):
            meseta.parquet.write(numbers(), target, **{flag: "yes"})


def test_checksums_are_right(tmp_path: pathlib.Path) -> None:
    target = tmp_path / "x.parquet"
    meseta.parquet.write(numbers(), target, codec="none", encodings={"id": "plain"})
    pq.ParquetFile(target, page_checksum_verification=True).read()
    whole = bytearray(target.read_bytes())
    whole[whole.index((77).to_bytes(8, "little")) + 1] ^= 1
    with pytest.raises(meseta.CorruptError, match="CRC"):
        meseta.parquet.read(whole).arrow()


@pytest.mark.parametrize("codec", ["zst", "", 3])
def test_no_codec(tmp_path: pathlib.Path, codec: Any) -> None:
    with pytest.raises(meseta.ArgumentError, match="codec"):
        meseta.parquet.write(numbers(), tmp_path / "x.parquet", codec=codec)


# ---- pandas ----------------------------------------------------------------------------------------------------------


def frame() -> Any:
    pandas = pytest.importorskip("pandas")
    return pandas.DataFrame(
        {
            "int": [1, 2, 3],
            "small": pandas.Series([1, 2, 3], dtype="uint8"),
            "float": [0.5, float("nan"), float("inf")],
            "bool": [True, False, True],
            "text": ["a", None, "ü"],
            "day": [datetime.date(2020, 2, 29), None, datetime.date(1960, 1, 1)],
            "moment": pandas.to_datetime(["2020-01-01 00:00:00.000001", None, "1960-01-01 12:00:00.5"]),
            "zoned": pandas.to_datetime(["2020-01-01", "2020-06-01", None]).tz_localize("Europe/Berlin"),
            "span": pandas.to_timedelta(["1s", None, "-2h"]),
            "few": pandas.Categorical(["x", None, "y"], ordered=True),
            "nullable": pandas.array([1, None, 3], dtype="Int32"),
            "truth": pandas.array([True, None, False], dtype="boolean"),
            "money": [decimal.Decimal("1.25"), None, decimal.Decimal(-300)],
            "bytes": [b"\0\xff", b"", None],
            "time": [datetime.time(1, 2, 3, 4), None, datetime.time(23)],
            "nothing": [None, None, None],
        }
    )


def plain(table: Any) -> dict[str, list[Any]]:
    """Values without the kinds of text and bytes, and moments without their unit."""
    return {name: table[name].to_pylist() for name in table.column_names}


def test_pandas(tmp_path: pathlib.Path) -> None:
    target = tmp_path / "x.parquet"
    meseta.parquet.write(frame(), target)
    assert plain(pq.read_table(target)) == plain(pa.Table.from_pandas(frame()))
    assert meseta.parquet.read(target).pandas().equals(pq.read_table(target).to_pandas())


HAND = """
import sys
for name in ("pyarrow", "pyarrow.lib", "pyarrow.parquet"):
    sys.modules[name] = None
sys.path[:0] = sys.argv[2].split(":")
import test_parquet_frames as frames
import meseta.parquet
meseta.parquet.write(frames.frame(), sys.argv[1] + "/x.parquet")
meseta.parquet.write([frames.frame().set_index("int"), frames.frame().set_index("int")], sys.argv[1] + "/y.parquet")
"""


def test_pandas_without_pyarrow(tmp_path: pathlib.Path) -> None:
    source = pathlib.Path(__file__).read_text()
    begin, end = source.index("def frame()"), source.index("def plain(")
    module = "import datetime, decimal\nfrom typing import Any\nimport pandas\n" + source[begin:end]
    (tmp_path / "test_parquet_frames.py").write_text(module.replace('    pandas = pytest.importorskip("pandas")\n', ""))
    pytest.importorskip("pandas")
    package = pathlib.Path(meseta.__file__).parents[1]
    subprocess.run([sys.executable, "-c", HAND, tmp_path, f"{tmp_path}:{package}"], check=True, timeout=100)
    want = plain(pa.Table.from_pandas(frame()))
    assert plain(pq.read_table(tmp_path / "x.parquet")) == want
    found = pq.read_table(tmp_path / "y.parquet")
    assert found["int"].to_pylist() == [1, 2, 3] * 2
    assert found["text"].to_pylist() == want["text"] * 2


def test_import_brings_no_other_library() -> None:
    package = pathlib.Path(meseta.__file__).parents[1]
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import meseta.parquet; "
        "print(sorted({'pyarrow', 'pandas', 'numpy', 'polars', 'json'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(package)], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


# ---- Arrow types that Parquet does not have --------------------------------------------------------------------------


def test_views_dictionaries_and_runs(tmp_path: pathlib.Path) -> None:
    target = tmp_path / "x.parquet"
    words = ["a", None, "a longer text than twelve bytes", "a"]
    table = pa.table(
        {
            "view": pa.array(words, pa.string_view()),
            "bytes": pa.array([w and w.encode() for w in words], pa.binary_view()),
            "few": pa.array(words).dictionary_encode(),
            "runs": pa.RunEndEncodedArray.from_arrays(pa.array([3, 4], pa.int32()), pa.array([1.5, None])),
            "list": pa.array([[1], None, [], [2, 3]], pa.large_list(pa.int8())),
            "fixed": pa.array([[1, 2], None, [3, 4], [5, None]], pa.list_(pa.int16(), 2)),
        }
    )
    meseta.parquet.write(table, target)
    found = pq.read_table(target)
    for name in table.column_names:
        want = table[name].to_pylist() if name != "runs" else [1.5, 1.5, 1.5, None]
        assert found[name].to_pylist() == want
    assert pa.types.is_dictionary(meseta.parquet.read(target).arrow().schema.field("few").type)
