"""Parquet files as sources: slices with no index, exact to the row, read as Arrow or as Parquet files of their own."""

from __future__ import annotations

import io
import json
import pathlib
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import meseta
import meseta.parquet

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

ROWS = 5000


def table(rows: int = ROWS) -> Any:
    return pa.table(
        {
            "id": pa.array(range(rows), "int64"),
            "word": [None if i % 7 == 0 else f"w{i * 7919 % 1000}" for i in range(rows)],
            "x": [i / 3 for i in range(rows)],
            "deep": pa.array([{"a": [i] * (i % 4)} for i in range(rows)]),
        }
    ).replace_schema_metadata({"made": "for tests"})


def uneven(rows: int, sizes: list[int]) -> list[tuple[int, int]]:
    found, at = [], 0
    while at < rows:
        size = min(sizes[len(found) % len(sizes)], rows - at)
        found.append((at, size))
        at += size
    return found


@pytest.fixture(scope="module", params=["one group", "many groups", "uneven groups", "ours", "tiny pages"])
def path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    target: pathlib.Path = tmp_path_factory.mktemp("slices") / "x.parquet"
    data = table()
    if request.param == "one group":
        pq.write_table(data, target)
    elif request.param == "many groups":
        pq.write_table(data, target, row_group_size=101)
    elif request.param == "uneven groups":
        with pq.ParquetWriter(target, data.schema) as writer:
            for at, size in uneven(ROWS, [1, 2000, 3, 700]):
                writer.write_table(data.slice(at, size), row_group_size=10**6)
    elif request.param == "ours":
        meseta.parquet.write(data, target, row_group_rows=1234, page_bytes=1000)
    else:
        pq.write_table(data, target, data_page_size=100, write_batch_size=10, write_page_index=True)
    return target


def assert_joins(slices: list[meseta.Slice], want: Any) -> None:
    """Their rows in order are these rows, and each says how many it has."""
    found = [piece.arrow().arrow() for piece in slices]
    for piece, rows in zip(slices, found, strict=True):
        assert rows.num_rows == piece.records or piece.records is None
        assert rows.num_rows > 0 or piece.records is None
    whole = pa.concat_tables(found) if found else want.slice(0, 0)
    assert whole.num_rows == want.num_rows
    assert whole.equals(want)


@pytest.mark.parametrize("n", [1, 2, 3, 7, 50, 777])
def test_by_number(path: pathlib.Path, n: int) -> None:
    slices = meseta.open(path).slices(n)
    assert 1 <= len(slices) <= n
    assert_joins(
        slices if n < 700 else slices[:20],
        table() if n < 700 else table().slice(0, sum(s.records or 0 for s in slices[:20])),
    )
    assert sum(piece.records or 0 for piece in slices) == ROWS
    if n < 10:
        sizes = [piece.bytes or 0 for piece in slices]
        assert max(sizes) < 2 * sum(sizes) / n


def test_by_records_size_and_row_groups(path: pathlib.Path) -> None:
    source = meseta.open(path)
    slices = source.slices(records=999)
    assert [piece.records for piece in slices] == [999] * 5 + [5]
    assert_joins(slices, table())
    assert_joins(source.slices(size=20_000), table())
    groups = source.slices(strategy="row_groups")
    seen = pq.read_metadata(path)
    assert [piece.records for piece in groups] == [seen.row_group(i).num_rows for i in range(seen.num_row_groups)]
    assert_joins(groups, table())
    few = source.slices(3, strategy="row_groups")
    assert len(few) <= 3
    assert_joins(few, table())
    borders = {sum(seen.row_group(i).num_rows for i in range(k)) for k in range(seen.num_row_groups + 1)}
    at = 0
    for piece in few:
        assert at in borders
        at += piece.records or 0


@pytest.mark.parametrize(
    ("where", "keeps"),
    [
        ("id < 100", lambda row: row["id"] < 100),
        ("id >= 4990 or id = 17", lambda row: row["id"] >= 4990 or row["id"] == 17),
        ("word is null and x > 1600", lambda row: row["word"] is None and row["x"] > 1600),
        ("word = 'w5'", lambda row: row["word"] == "w5"),
        ("not word = 'w5' and id between 10 and 20", lambda row: row["word"] != "w5" and 10 <= row["id"] <= 20),
        ("id > 100000", lambda row: False),
    ],
)
def test_by_condition(path: pathlib.Path, where: str, keeps: Any) -> None:
    want = pa.Table.from_pylist([row for row in table().to_pylist() if keeps(row)], schema=table().schema)
    for n in (1, 7, 50):
        slices = meseta.open(path).slices(n, where=where)
        assert len(slices) <= n
        assert_joins(slices, want)
    if where == "id > 100000":
        assert slices == []


def test_a_condition_rules_out_what_it_can(tmp_path: pathlib.Path) -> None:
    target = tmp_path / "x.parquet"
    pq.write_table(
        pa.table({"id": range(200_000)}), target, use_dictionary=False, write_page_index=True, data_page_size=8000
    )
    (piece,) = meseta.open(target).slices(1, where="id between 150000 and 150010")
    first, count = json.loads(piece.to_json())["part"]["rows"]
    assert first <= 150_000
    assert first + count > 150_010
    assert count < 10_000


def test_as_parquet(path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    for piece in meseta.open(path).slices(3):
        want = piece.arrow().arrow()
        data = piece.read()
        assert pq.read_table(io.BytesIO(data)).equals(want)
        assert pq.read_schema(io.BytesIO(data)).metadata[b"made"] == b"for tests"
        piece.save(tmp_path / "part.parquet")
        assert (tmp_path / "part.parquet").read_bytes() == data
        assert meseta.parquet.File(data).verify()["rows"] == piece.records
    (piece,) = meseta.open(path).slices(1, where="id = 3")
    assert pq.read_table(io.BytesIO(piece.read())).num_rows == 1


def test_columns(path: pathlib.Path) -> None:
    piece = meseta.open(path).slices(2)[1]
    assert piece.arrow(columns=["x", "deep.a"]).arrow().column_names == ["x", "deep"]
    with pytest.raises(meseta.NotFoundError, match="nix"):
        piece.arrow(columns=["nix"]).arrow()
    with pytest.raises(meseta.ArgumentError, match="column"):
        piece.arrow(colums=["x"]).arrow()


def test_travel(path: pathlib.Path) -> None:
    slices = meseta.open(path).slices(50, where="word like 'w1%'")
    for piece in slices:
        text = piece.to_json()
        assert len(text) <= 1024 + len(piece.url) + len("word like 'w1%'")
        assert meseta.Slice.from_json(text).to_json() == text
    again = [pickle.loads(pickle.dumps(piece)) for piece in slices]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda piece: piece.arrow().arrow(), again))
    assert pa.concat_tables(found).num_rows == sum(str(w).startswith("w1") for w in table()["word"].to_pylist() if w)


def test_no_index_is_needed_or_made(path: pathlib.Path) -> None:
    source = meseta.open(path)
    assert source.format == "parquet"
    assert source.index()["done"] == "not-needed"
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    assert source.verify()["records"] == ROWS


def test_a_changed_file(tmp_path: pathlib.Path) -> None:
    target = tmp_path / "x.parquet"
    pq.write_table(table(), target)
    pieces = meseta.open(target).slices(2)
    pq.write_table(table(100), target)
    for read in (pieces[0].read, lambda: pieces[1].arrow().arrow()):
        with pytest.raises(meseta.ChangedError, match=r"x\.parquet"):
            read()


def test_broken_files(tmp_path: pathlib.Path) -> None:
    target = tmp_path / "x.parquet"
    pq.write_table(table(), target)
    data = target.read_bytes()
    target.write_bytes(data[:-1])
    with pytest.raises(meseta.CorruptError, match=r"x\.parquet"):
        meseta.open(target).slices(2)
    broken = bytearray(data)
    broken[4:60] = b"\xff" * 56
    target.write_bytes(broken)
    with pytest.raises(meseta.CorruptError, match=r"x\.parquet"):
        meseta.open(target).slices(2)[0].read()
    with pytest.raises(meseta.CorruptError, match=r"x\.parquet"):
        meseta.open(target).verify()


@pytest.mark.parametrize(
    "wrong",
    [
        {"n": 3, "records": 2},
        {"strategy": "tiles"},
        {"strategy": "row_groups", "records": 3},
        {"region": "chr1:1-2"},
        {"where": "nix = 3"},
        {"where": "id = = 3"},
        {"bbox": [1, 2, 3, 4]},
    ],
)
def test_plans_that_make_no_sense(tmp_path: pathlib.Path, wrong: dict[str, Any]) -> None:
    target = tmp_path / "x.parquet"
    pq.write_table(table(10), target)
    with pytest.raises((meseta.ArgumentError, meseta.NotFoundError)):
        meseta.open(target).slices(**wrong)


def test_empty_files(tmp_path: pathlib.Path) -> None:
    target = tmp_path / "x.parquet"
    pq.write_table(table(0), target)
    source = meseta.open(target)
    assert source.slices(5) == []
    assert source.slices(strategy="row_groups") == []
    assert source.slices(3, where="id = 3") == []


@pytest.mark.parametrize(
    "part",
    [
        {},
        {"rows": [0]},
        {"rows": [-1, 5]},
        {"rows": [0, 11]},
        {"rows": [2**62, 2**62]},
        {"rows": ["0", 5]},
        {"rows": [0, 5], "tail": -3},
        {"rows": [0, 5], "where": "= ="},
        {"rows": [0, 5], "where": 3},
    ],
)
def test_hostile_slices(tmp_path: pathlib.Path, part: dict[str, Any]) -> None:
    target = tmp_path / "x.parquet"
    pq.write_table(table(10), target)
    value = json.loads(meseta.open(target).slices(1)[0].to_json())
    value["part"] = part
    with pytest.raises(meseta.Error):
        meseta.Slice.from_json(json.dumps(value)).read()
    value["part"] = {"rows": [0, 10], "tail": 2**60}
    assert pq.read_table(io.BytesIO(meseta.Slice.from_json(json.dumps(value)).read())).num_rows == 10
