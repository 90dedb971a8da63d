"""The history of a dataset from the command line, alone and beside plateau, which keeps none."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pytest


class Lake:
    def __init__(self, meseta: Any, root: pathlib.Path) -> None:
        self.meseta, self.root, self.url = meseta, root, root / "sales"

    def run(self, *args: object, code: int = 0) -> str:
        command, *rest = args
        done = self.meseta("dataset", command, self.url, *rest, code=code)
        return (done.stdout if code == 0 else done.stderr).decode()

    def table(self, name: str, text: str) -> pathlib.Path:
        path = self.root.parent / f"{self.root.name}-{name}.csv"
        path.write_text(text)
        return path

    def log(self) -> list[tuple[int, str]]:
        return [(r["version"], r["operation"]) for r in map(json.loads, self.run("log", "--json").splitlines())]

    def keys(self, *args: object) -> list[int]:
        return [json.loads(line)["k"] for line in self.run("read", "--columns", "k", "--as", "jsonl", *args).splitlines()]


@pytest.fixture
def lake(meseta: Any, tmp_path: pathlib.Path) -> Lake:
    lake = Lake(meseta, tmp_path / "lake")
    lake.root.mkdir()
    lake.run("create", lake.table("a", "k,v\n1,a\n2,b\n"), "--index", "v")
    return lake


def test_versions(lake: Lake) -> None:
    lake.run("append", lake.table("b", "k,v\n4,d\n"))
    lake.run("delete", "--where", "k = 2")
    assert lake.log() == [(3, "delete"), (2, "append"), (1, "create")]
    assert [sorted(lake.keys("--at", v)) for v in (1, 2, 3)] == [[1, 2], [1, 2, 4], [1, 4]]
    lake.run("restore", "--version", 2)
    assert sorted(lake.keys()) == [1, 2, 4]
    lake.run("expire", "--keep", 1)
    assert lake.log() == [(4, "restore")]
    assert "gone" in lake.run("read", "--at", 2, code=3)
    removed = lake.run("gc", "--older-than", 0).split()
    assert removed
    assert sorted(lake.keys()) == [1, 2, 4]
    assert "drop" not in lake.run("drop", "--dry-run")
    lake.run("drop")
    assert [p for p in lake.root.rglob("*") if p.is_file()] == []


def test_fragments_come_in_once(lake: Lake) -> None:
    fragment = lake.root.parent / "fragment.json"
    fragment.write_text(lake.run("write", lake.table("b", "k,v\n4,d\n")))
    assert lake.keys() == [1, 2]
    lake.run("commit", fragment)
    assert lake.keys() == [1, 2, 4]
    assert "already" in lake.run("commit", fragment, code=2)
    assert lake.keys() == [1, 2, 4]


def test_beside_plateau(lake: Lake) -> None:
    eager = pytest.importorskip("plateau.io.eager")
    pandas = pytest.importorskip("pandas")
    store = f"hfs://{lake.root}"
    lake.run("append", lake.table("b", "k,v\n4,d\n"))
    assert sorted(eager.read_table("sales", store)["k"]) == [1, 2, 4]
    frame = pandas.DataFrame({"k": [10, 11], "v": ["x", "y"]})
    eager.update_dataset_from_dataframes([frame], store=store, dataset_uuid="sales", delete_scope=[{"v": "d"}])
    assert lake.log() == [(3, "external"), (2, "append"), (1, "create")]
    lake.run("append", lake.table("c", "k,v\n5,e\n"))
    assert lake.log()[:2] == [(4, "append"), (3, "external")]
    assert sorted(eager.read_table("sales", store, predicates=[[("v", "in", ["e", "y"])]])["k"]) == [5, 11]
    assert [sorted(lake.keys("--at", v)) for v in (1, 2, 3, 4)] == [[1, 2], [1, 2, 4], [1, 2, 10, 11], [1, 2, 5, 10, 11]]
    eager.garbage_collect_dataset("sales", store)  # takes what old versions need
    assert "version 2" in lake.run("read", "--at", 2, code=3)
    assert sorted(lake.keys("--where", "v in ('e', 'y')")) == [5, 11]
    assert sorted(lake.keys("--at", 3)) == [1, 2, 10, 11]


def test_a_msgpack_dataset_of_plateau_is_taken_over(lake: Lake) -> None:
    eager = pytest.importorskip("plateau.io.eager")
    pandas = pytest.importorskip("pandas")
    store = f"hfs://{lake.root}"
    frame = pandas.DataFrame({"k": [1, 2], "v": ["a", "b"]})
    eager.store_dataframes_as_dataset(
        store=store, dataset_uuid="other", dfs=[frame], metadata_storage_format="msgpack", secondary_indices=["v"]
    )
    other = Lake(lake.meseta, lake.root)
    other.url = lake.root / "other"
    other.run("append", other.table("b", "k,v\n4,d\n"))
    assert not (lake.root / "other.by-dataset-metadata.msgpack.zstd").exists()
    assert other.log() == [(2, "append"), (1, "external")]
    assert sorted(other.keys("--at", 1)) == [1, 2]
    assert sorted(eager.read_table("other", store)["k"]) == [1, 2, 4]
    other.run("drop")
    assert not list(lake.root.glob("other*"))
