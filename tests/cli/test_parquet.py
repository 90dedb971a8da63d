"""cat --as, show and verify on Parquet files, as a user of the command sees them."""

from __future__ import annotations

import datetime
import decimal
import json
import pathlib
from typing import Any

import pytest

pyarrow = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


@pytest.fixture
def table(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "people.parquet"
    n = 1000
    data = pyarrow.table(
        {
            "id": pyarrow.array(range(n), "int64"),
            "name": [None if i % 10 == 3 else f"p{i}" for i in range(n)],
            "day": pyarrow.array([datetime.date(2026, 1, 1) + datetime.timedelta(days=i // 100) for i in range(n)]),
            "pay": pyarrow.array([decimal.Decimal(i) / 100 for i in range(n)], pyarrow.decimal128(10, 2)),
            "tags": [[f"t{i}"] * (i % 3) for i in range(n)],
        }
    )
    pq.write_table(data, path, row_group_size=250)
    return path


class Run:
    """A command's code and what it said, as text."""

    def __init__(self, command: Any, *args: object) -> None:
        done = command(*args, code=None)
        self.code, self.out, self.err = done.returncode, done.stdout.decode(), done.stderr.decode()


def rows(done: Run) -> list[dict[str, Any]]:
    assert done.code == 0, done.err
    return [json.loads(line) for line in done.out.splitlines()]


def test_cat_as_jsonl(meseta: Any, table: pathlib.Path) -> None:
    found = rows(Run(meseta, "cat", table, "--as", "jsonl"))
    assert len(found) == 1000
    assert found[5] == {"id": 5, "name": "p5", "day": "2026-01-01", "pay": "0.05", "tags": ["t5", "t5"]}
    assert found[3]["name"] is None


def test_cat_columns_and_limit(meseta: Any, table: pathlib.Path) -> None:
    found = rows(Run(meseta, "cat", table, "--as", "jsonl", "--columns", "name,id", "--limit", "2"))
    assert [list(row.items()) for row in found] == [[("name", "p0"), ("id", 0)], [("name", "p1"), ("id", 1)]]
    assert rows(Run(meseta, "cat", table, "--as", "jsonl", "--limit", "0")) == []
    done = Run(meseta, "cat", table, "--as", "csv", "--columns", "id,name", "--limit", "4")
    assert done.out == "id,name\n0,p0\n1,p1\n2,p2\n3,\n"


def test_cat_where(meseta: Any, table: pathlib.Path) -> None:
    found = rows(
        Run(meseta, "cat", table, "--as", "jsonl", "--where", "day >= '2026-01-10' and pay < 9.03", "--columns", "id")
    )
    assert [row["id"] for row in found] == [900, 901, 902]
    found = rows(Run(meseta, "cat", table, "--as", "jsonl", "--where", "name is null", "--limit", "2"))
    assert [row["id"] for row in found] == [3, 13]
    found = rows(Run(meseta, "cat", table, "--as", "jsonl", "--where", '[[["id", "in", [7, 8]]]]'))
    assert [row["id"] for row in found] == [7, 8]
    done = Run(meseta, "cat", table, "--as", "jsonl", "--where", "nix = 3")
    assert done.code in (2, 3)
    assert "nix" in done.err
    done = Run(meseta, "cat", table, "--as", "jsonl", "--where", "id = = 3")
    assert done.code == 2


def test_cat_as_files(meseta: Any, table: pathlib.Path, tmp_path: pathlib.Path) -> None:
    whole = pq.read_table(table)
    assert Run(meseta, "cat", table, "--as", "parquet", "-o", tmp_path / "copy.parquet").code == 0
    assert pq.read_table(tmp_path / "copy.parquet").equals(whole)
    assert Run(meseta, "cat", table, "--as", "arrow", "-o", tmp_path / "copy.arrow").code == 0
    with pyarrow.ipc.open_stream(tmp_path / "copy.arrow") as stream:
        assert stream.read_all().equals(whole)
    assert Run(meseta, "cat", table, "-o", tmp_path / "same").code == 0
    assert (tmp_path / "same").read_bytes() == table.read_bytes()


def test_cat_refuses(meseta: Any, table: pathlib.Path, tmp_path: pathlib.Path) -> None:
    for arguments, code in (
        (("--as", "json"), 2),
        (("--limit", "3"), 2),
        (("--as", "jsonl", "--limit", "-1"), 2),
        (("--as", "jsonl", "--columns", "nmae"), 3),
    ):
        done = Run(meseta, "cat", table, *arguments)
        assert done.code == code
        assert done.out == ""
        assert done.err.startswith("meseta: ")
    assert "name" in Run(meseta, "cat", table, "--as", "jsonl", "--columns", "nmae").err
    done = Run(meseta, "cat", tmp_path / "none.parquet", "--as", "jsonl", "-o", tmp_path / "out")
    assert done.code == 3
    assert "none.parquet" in done.err
    assert not (tmp_path / "out").exists()


def test_show(meseta: Any, table: pathlib.Path) -> None:
    found = json.loads(Run(meseta, "show", table, "--json").out)
    assert found["rows"] == 1000
    assert found["row_groups"] == 4 == len(found["groups"])
    assert [field["name"] for field in found["schema"]] == ["id", "name", "day", "pay", "tags"]
    assert [field["type"] for field in found["schema"]] == ["int64", "string", "date32", "decimal128(10, 2)", "list"]
    first = found["groups"][0]["columns"][0]
    assert (first["min"], first["max"], first["nulls"], first["codec"]) == (0, 249, 0, "snappy")
    assert found["created_by"].startswith("parquet-cpp-arrow")
    text = Run(meseta, "show", table).out
    for word in ("1,000 rows", "4 row groups", "decimal128(10, 2)", "tags.list.element", "snappy", "2026-01-03"):
        assert word in text


def test_verify(meseta: Any, table: pathlib.Path) -> None:
    done = Run(meseta, "verify", table)
    assert done.code == 0
    assert "1,000 rows" in done.out
    assert json.loads(Run(meseta, "verify", table, "--json").out)["ok"] is True


def test_verify_finds_any_flip_in_the_pages(meseta: Any, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pyarrow.table({"n": list(range(5000))}), path, write_page_checksum=True, use_dictionary=False)
    whole = path.read_bytes()
    end = pq.read_metadata(path).row_group(0).column(0).total_compressed_size
    for at in range(4, end, end // 9):
        broken = bytearray(whole)
        broken[at] ^= 0x10
        path.write_bytes(broken)
        done = Run(meseta, "verify", path)
        assert done.code == 6, at
        assert "x.parquet" in done.err


@pytest.mark.parametrize("keep", [0, 3, 11, 200, -1])
def test_cut_files(meseta: Any, table: pathlib.Path, keep: int) -> None:
    table.write_bytes(table.read_bytes()[:keep])
    for command in (("verify",), ("show",), ("cat", "--as", "jsonl")):
        done = Run(meseta, command[0], table, *command[1:])
        assert done.code == 6
        assert done.out == ""
        assert "people.parquet" in done.err


def test_files_of_other_names(meseta: Any, table: pathlib.Path, tmp_path: pathlib.Path) -> None:
    other = table.rename(tmp_path / "people.data")
    assert "decimal128(10, 2)" in Run(meseta, "show", other).out
    assert "1,000 rows" in Run(meseta, "verify", other).out
    assert len(rows(Run(meseta, "cat", other, "--as", "jsonl"))) == 1000
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    assert Run(meseta, "index", tmp_path / "x.csv").code == 0
    assert (
        json.loads(Run(meseta, "show", tmp_path / "x.csv.meseta", "--json").out)["metadata"]["meseta.format"] == "csv"
    )


def test_slices(meseta: Any, table: pathlib.Path, tmp_path: pathlib.Path) -> None:
    whole = pq.read_table(table)
    lines = Run(meseta, "slices", table, "-n", "7", "--where", "id >= 500").out.splitlines()
    assert 1 <= len(lines) <= 7
    parts = []
    for i, line in enumerate(lines):
        target = tmp_path / f"{i}.parquet"
        meseta("get", "-", "--as", "parquet" if i % 2 else "raw", "-o", target, data=line.encode())
        parts.append(pq.read_table(target))
    assert pyarrow.concat_tables(parts).equals(whole.slice(500))
    assert Run(meseta, "slices", table, "-n", "7").out.count("\n") <= 7
    assert not list(tmp_path.glob("*.meseta"))
    table.write_bytes(b"PAR1")
    done = meseta("get", "-", data=lines[0].encode(), code=None)
    assert (done.returncode, done.stdout) == (4, b"")
