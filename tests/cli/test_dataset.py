"""`meseta dataset …` as a person and a script use it."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[..., Any]


@pytest.fixture
def run(meseta: Any) -> Run:
    def run(*args: Any, code: int = 0, input: bytes | None = None) -> Any:
        return meseta(*args, code=code, data=input)

    return run


@pytest.fixture
def rows(run: Run) -> Run:
    def rows(*args: Any) -> list[Any]:
        return [json.loads(line) for line in run("dataset", "read", *args).stdout.splitlines()]

    return rows


@pytest.fixture
def table(tmp_path: pathlib.Path, run: Run) -> pathlib.Path:
    (tmp_path / "a.jsonl").write_text(
        '{"day": "2024-01-01", "who": "a", "qty": 1}\n{"day": "2024-01-01", "who": "b", "qty": 2}\n'
        '{"day": "2024-01-02", "who": "a", "qty": 3}\n'
    )
    run("dataset", "create", tmp_path / "t", tmp_path / "a.jsonl", "--partition-on", "day", "--index", "who", "-q")
    return tmp_path / "t"


def more(table: pathlib.Path, text: str, name: str = "b.csv") -> pathlib.Path:
    path = table.parent / name
    path.write_text(text)
    return path


def test_create_show_read(table: pathlib.Path, run: Run, rows: Run) -> None:
    shown = json.loads(run("dataset", "show", table, "--json").stdout)
    assert {
        name: shown[name] for name in ("uuid", "version", "table", "partition_keys", "indices", "partitions", "rows")
    } == {
        "uuid": "t",
        "version": 1,
        "table": "table",
        "partition_keys": ["day"],
        "indices": ["who"],
        "partitions": 2,
        "rows": 3,
    }
    assert rows(table) == [
        {"day": "2024-01-01", "qty": 1, "who": "a"},
        {"day": "2024-01-01", "qty": 2, "who": "b"},
        {"day": "2024-01-02", "qty": 3, "who": "a"},
    ]
    assert rows(table, "--where", "who = 'a' and qty > 1", "--columns", "qty,who") == [{"qty": 3, "who": "a"}]
    assert rows(table, "--limit", 1) == rows(table)[:1]
    assert run("dataset", "read", table, "--as", "csv").stdout.splitlines()[0] == b"day,qty,who"
    assert run("dataset", "count", table).stdout == b"3\n"
    assert run("dataset", "count", table, "--where", "qty >= 2").stdout == b"2\n"
    assert b"partition keys" in run("dataset", "show", table).stdout
    assert run("show", table).stdout == run("dataset", "show", table).stdout


def test_changes(table: pathlib.Path, run: Run, rows: Run) -> None:
    added = more(table, "day,qty,who\n2024-01-03,9,z\n")
    assert json.loads(run("dataset", "append", table, added, "--json").stdout)["version"] == 2
    run("dataset", "update", table, "--where", "who = 'z'", "--set", "qty=10", "--set", "who=y")
    assert rows(table, "--where", "qty = 10")[0]["who"] == "y"
    run("dataset", "delete", table, "--where", "qty = 2")
    assert [row["qty"] for row in rows(table)] == [1, 3, 10] or sorted(row["qty"] for row in rows(table)) == [1, 3, 10]
    run("dataset", "upsert", table, more(table, "day,qty,who\n2024-01-03,11,y\n2024-01-04,12,x\n"), "--on", "day,who")
    assert sorted(row["qty"] for row in rows(table)) == [1, 3, 11, 12]
    run("dataset", "update", table, "--delete-scope", '[{"day": "2024-01-01"}]')
    assert sorted(row["qty"] for row in rows(table)) == [3, 11, 12]
    run("dataset", "index", table, "--on", "qty")
    assert json.loads(run("dataset", "show", table, "--json").stdout)["indices"] == ["who", "qty"]
    run("dataset", "index", table, "--drop", "qty")
    log = [json.loads(line) for line in run("dataset", "log", table, "--json").stdout.splitlines()]
    assert [entry["version"] for entry in log] == list(range(len(log), 0, -1))
    assert log[-1]["operation"] == "create"
    assert sorted(row["qty"] for row in rows(table, "--at", 1)) == [1, 2, 3]
    run("dataset", "restore", table, "--version", 1)
    assert sorted(row["qty"] for row in rows(table)) == [1, 2, 3]


def test_fragments(table: pathlib.Path, run: Run, rows: Run) -> None:
    added = more(table, "day,qty,who\n2024-01-03,9,z\n")
    fragment = run("dataset", "write", table, added).stdout
    assert len(rows(table)) == 3
    run("dataset", "commit", table, fragment.decode().strip())
    run("dataset", "commit", table, "-", input=run("dataset", "write", table, added).stdout)
    assert len(rows(table)) == 5


def test_housekeeping(table: pathlib.Path, run: Run, rows: Run) -> None:
    run("dataset", "delete", table, "--where", "qty = 1")
    assert run("dataset", "gc", table, "--older-than", "0").stdout == b""  # the history keeps it
    run("dataset", "expire", table, "--keep", 1)
    listed = run("dataset", "gc", table, "--older-than", "0", "--dry-run").stdout.split()
    assert any(key.endswith(b".parquet") for key in listed)
    run("dataset", "gc", table, "--older-than", "0")
    assert sorted(row["qty"] for row in rows(table)) == [2, 3]
    run("dataset", "compact", table, "--target", "1MiB", "--sort-by", "qty")
    run("dataset", "drop", table, "--dry-run")
    assert len(rows(table)) == 2
    run("dataset", "drop", table)
    run("dataset", "read", table, code=3)
    assert not [path for path in table.parent.rglob("*") if path.is_file() and path.name.startswith("t")]


def test_refusals(table: pathlib.Path, run: Run, rows: Run) -> None:
    assert b"qty" in run("dataset", "read", table, "--where", "qtt = 1", code=2).stderr
    assert b"nothere" in run("dataset", "read", table.parent / "nothere", code=3).stderr
    run("dataset", "create", table, table.parent / "a.jsonl", code=5)
    assert b"delete(where" in run("dataset", "update", table, "--delete-scope", '[{"qty": 1}]', code=2).stderr
    assert (
        b"twice"
        in run(
            "dataset",
            "upsert",
            table,
            more(table, "day,qty,who\n2024-01-03,1,y\n2024-01-03,2,y\n"),
            "--on",
            "day,who",
            code=2,
        ).stderr
    )
    assert (
        b"line 2"
        in run("dataset", "append", table, more(table, '{"day": "x"}\n{"day": 1}\n', "c.jsonl"), code=6).stderr
    )
    for args in (["frobnicate"], [], ["delete", table], ["index", table], ["restore", table], ["expire", table]):
        run("dataset", *args, code=2)
    before = rows(table)
    run("dataset", "append", table, table.parent / "missing.parquet", code=3)
    assert rows(table) == before


def test_parquet_arrow_and_packed_text(table: pathlib.Path, run: Run, rows: Run) -> None:
    import gzip

    out = table.parent / "out.parquet"
    run("dataset", "read", table, "--as", "parquet", "-o", out)
    run("dataset", "append", table, out)
    packed = table.parent / "more.jsonl.gz"
    packed.write_bytes(gzip.compress(b'{"day": "2024-02-01", "qty": 7, "who": "q"}\n'))
    run("dataset", "append", table, packed)
    assert run("dataset", "count", table).stdout == b"7\n"
    stream = table.parent / "out.arrow"
    run("dataset", "read", table, "--as", "arrow", "-o", stream)
    run("dataset", "append", table, stream)
    assert run("dataset", "count", table).stdout == b"14\n"
    whole = stream.read_bytes()
    stream.write_bytes(whole[: len(whole) // 2])
    assert b"out.arrow" in run("dataset", "append", table, stream, code=6).stderr
    assert run("dataset", "count", table).stdout == b"14\n"


def test_help_names_every_command(run: Run) -> None:
    said = run("help", "dataset").stdout
    for name in ("create", "append", "read", "count", "update", "delete", "upsert", "index", "gc", "compact", "log"):
        assert f"  {name} ".encode() in said
        assert f"meseta dataset {name}".encode() in run("help", "dataset", name).stdout
        assert f"meseta dataset {name}".encode() in run("dataset", name, "--help").stdout
