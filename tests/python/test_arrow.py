"""Arrow out: typed columns, and every consumer of the PyCapsule protocol."""

from __future__ import annotations

import gc
import pathlib
from collections.abc import Callable
from typing import Any

import pytest

import meseta

pyarrow = pytest.importorskip("pyarrow")


@pytest.fixture
def table(tmp_path: pathlib.Path) -> meseta.Slice:
    path = tmp_path / "table.csv"
    path.write_text(
        "name,n,x,day,ok\n"
        + "".join(f"r{i},{i},{i / 4},2026-01-{i % 28 + 1:02},{'true' if i % 2 else 'false'}\n" for i in range(5000))
    )
    source = meseta.open(path)
    source.index()
    (piece,) = source.slices(1)
    return piece


def test_csv_types(table: meseta.Slice) -> None:
    found = table.arrow().arrow()
    assert found.column_names == ["name", "n", "x", "day", "ok"]
    kinds = [field.type for field in found.schema]
    assert kinds[1:] == [pyarrow.int64(), pyarrow.float64(), pyarrow.date32(), pyarrow.bool_()]
    assert pyarrow.types.is_string(kinds[0]) or pyarrow.types.is_large_string(kinds[0])
    assert found["n"].to_pylist() == list(range(5000))
    assert found["x"][3].as_py() == 0.75
    assert found["ok"].to_pylist()[:2] == [False, True]


def test_csv_schema_and_columns(table: meseta.Slice) -> None:
    assert table.arrow(schema="text").arrow().schema.field("n").type == table.arrow().arrow().schema.field("name").type
    found = table.arrow(schema={"n": "double"}, columns=["n", "name"]).arrow()
    assert found.column_names == ["n", "name"]
    assert found.schema.field("n").type == pyarrow.float64()
    with pytest.raises(meseta.ArgumentError, match="nope"):
        table.arrow(schema={"nope": "int64"}).arrow()
    with pytest.raises(meseta.ArgumentError):
        table.arrow(schema={"n": "no such type"}).arrow()


def to_pyarrow(stream: meseta.Stream) -> list[int]:
    found: list[int] = pyarrow.table(stream)["n"].to_pylist()
    return found


def to_reader(stream: meseta.Stream) -> list[int]:
    reader = pyarrow.RecordBatchReader.from_stream(stream)
    return [n for batch in reader for n in batch.column("n").to_pylist()]


def to_batches(stream: meseta.Stream) -> list[int]:
    return [n for batch in stream for n in pyarrow.record_batch(batch).column("n").to_pylist()]


def to_polars(stream: meseta.Stream) -> list[int]:
    found: list[int] = pytest.importorskip("polars").DataFrame(stream)["n"].to_list()
    return found


def to_polars_by_method(stream: meseta.Stream) -> list[int]:
    pytest.importorskip("polars")
    return stream.polars()["n"].to_list()


def to_duckdb(stream: meseta.Stream) -> list[int]:
    duckdb = pytest.importorskip("duckdb")
    return [n for (n,) in duckdb.sql("select n from stream").fetchall()]


def to_pandas(stream: meseta.Stream) -> list[int]:
    pytest.importorskip("pandas")
    found: list[int] = stream.pandas()["n"].tolist()
    return found


def to_pandas_directly(stream: meseta.Stream) -> list[int]:
    pandas = pytest.importorskip("pandas")
    if not hasattr(pandas.DataFrame, "from_arrow"):
        pytest.skip("this pandas does not take Arrow streams")
    found: list[int] = pandas.DataFrame.from_arrow(stream)["n"].tolist()
    return found


@pytest.mark.parametrize(
    "take",
    [to_pyarrow, to_reader, to_batches, to_polars, to_polars_by_method, to_duckdb, to_pandas, to_pandas_directly],
)
def test_consumers(table: meseta.Slice, take: Callable[[meseta.Stream], list[int]]) -> None:
    assert take(table.arrow()) == list(range(5000))


def test_a_stream_is_read_once(table: meseta.Slice) -> None:
    uses: list[Callable[[meseta.Stream], Any]] = [
        lambda s: s.__arrow_c_stream__(),
        lambda s: s.arrow(),
        lambda s: s.polars(),
        lambda s: s.close(),
    ]
    for first in uses:
        for second in [*uses[:3], list]:
            stream = table.arrow()
            first(stream)
            with pytest.raises(meseta.ArgumentError, match="once"):
                second(stream)
    stream = table.arrow()
    assert len(list(stream)) >= 1
    assert list(stream) == []
    assert stream.arrow().num_rows == 0


def test_batches_are_taken_once(table: meseta.Slice) -> None:
    stream = table.arrow()
    batch = next(iter(stream))
    assert len(batch) == pyarrow.record_batch(batch).num_rows > 0
    with pytest.raises(meseta.ArgumentError, match="already"):
        pyarrow.record_batch(batch)
    assert repr(batch).startswith("<meseta.Batch of ")


def test_schemas_are_copies(table: meseta.Slice) -> None:
    stream = table.arrow()
    schema = stream.schema
    assert schema.names == ["name", "n", "x", "day", "ok"]
    first, second = pyarrow.schema(schema), pyarrow.schema(schema)
    rows = stream.arrow()
    assert first == second == rows.schema == pyarrow.schema(schema)
    del stream
    gc.collect()
    assert pyarrow.schema(schema) == first
    assert "n: l" in repr(schema)


def test_memory_outlives_its_makers(table: meseta.Slice) -> None:
    found = pyarrow.table(table.arrow())
    batches = list(table.arrow())
    capsule = table.arrow().__arrow_c_stream__()
    gc.collect()
    assert found["n"].to_pylist() == list(range(5000))
    assert sum(pyarrow.record_batch(b).num_rows for b in batches) == 5000
    del capsule
    unread = table.arrow()
    next(iter(unread))
    del unread
    gc.collect()


def test_stream_as_context(table: meseta.Slice) -> None:
    with table.arrow() as stream:
        next(iter(stream))
    with pytest.raises(meseta.ArgumentError):
        stream.arrow()
    stream.close()


def test_numpy(table: meseta.Slice) -> None:
    numpy = pytest.importorskip("numpy")
    found = table.numpy()
    assert found.shape == (5000,)
    assert found.dtype.names == ("name", "n", "x", "day", "ok")
    assert found["n"].dtype == numpy.int64
    assert found["n"].sum() == sum(range(5000))
    assert found[7]["name"] == "r7"


def test_numpy_of_odd_names_and_gaps(tmp_path: pathlib.Path) -> None:
    numpy = pytest.importorskip("numpy")
    path = tmp_path / "x.csv"
    path.write_text("a,a,b\n1,x,2\n3,y,\n")
    source = meseta.open(path, header=True)
    source.index()
    found = source.slices(1)[0].numpy()
    assert len(found.dtype.names) == 3
    assert found["a"].tolist() == [1, 3]
    assert numpy.isnan(found["b"][1])


def test_empty(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("a,b\n")
    source = meseta.open(path, header=True)
    source.index()
    for piece in source.slices(1):
        assert piece.arrow().arrow().column_names == ["a", "b"]
        assert piece.pandas().shape == (0, 2)
        assert piece.numpy().shape == (0,)
        assert piece.polars().shape == (0, 2)


def test_misfit_names_row_and_column(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("a\n" + "1\n" * 50_000 + "oops\n")
    source = meseta.open(path, header=True)
    source.index()
    (piece,) = source.slices(1)
    as_int: Any = {"schema": {"a": "int64"}}
    for use in (
        lambda **o: piece.arrow(**o).arrow(),
        lambda **o: list(piece.arrow(**o)),
        piece.pandas,
        piece.numpy,
        piece.polars,
    ):
        with pytest.raises(meseta.Error, match=r"50001.*oops"):
            use(**as_int)
    with pytest.raises(Exception, match="oops"):
        pyarrow.table(piece.arrow(**as_int))
    assert pyarrow.table(piece.arrow(misfit="null", **as_int))["a"].null_count == 1


def test_fastq(fastq: pathlib.Path) -> None:
    source = meseta.open(fastq)
    source.index(spacing="64Ki")
    slices = source.slices(4)
    found = pyarrow.concat_tables(pyarrow.table(s.arrow()) for s in slices)
    lines = b"".join(s.read() for s in slices).decode().splitlines()
    assert found["name"].to_pylist() == [line[1:].split()[0] for line in lines[0::4]]
    assert found["sequence"].to_pylist() == lines[1::4]
    assert found["quality"].to_pylist() == lines[3::4]


def test_text_lines(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(b"one\r\n\ntwo\nlast")
    source = meseta.open(path)
    source.index()
    (piece,) = source.slices(1)
    found = pyarrow.table(piece.arrow())
    assert found.column(0).to_pylist() == ["one", "", "two", "last"]


def test_large_stream_stays_small(tmp_path: pathlib.Path) -> None:
    """Batches come one by one: reading does not hold the whole slice."""
    path = tmp_path / "x.csv"
    row = b"123456,some text that is a little longer than others,3.25\n"
    path.write_bytes(b"a,b,c\n" + row * 400_000)
    source = meseta.open(path)
    source.index()
    (piece,) = source.slices(1)
    rows, batches = 0, 0
    for batch in piece.arrow():
        rows += len(batch)
        batches += 1
    assert rows == 400_000
    assert batches > 3


def test_threads_read_streams_of_one_slice(table: meseta.Slice) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: table.arrow().arrow().num_rows, range(32))) == {5000}


def test_stream_shared_by_mistake(table: meseta.Slice) -> None:
    from concurrent.futures import ThreadPoolExecutor

    stream = table.arrow()

    def take(_: int) -> int:
        try:
            return sum(len(batch) for batch in stream)
        except meseta.ArgumentError:
            return 0

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(take, range(8))) <= 5000
