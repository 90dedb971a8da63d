"""Datasets that plateau wrote: meseta reads their rows, partitions, indices and predicates as they are meant."""

from __future__ import annotations

import datetime
import decimal
import json
import pathlib
import shutil
from typing import Any

import package_support as support
import pytest

import meseta

pyarrow = pytest.importorskip("pyarrow")

GOLDEN = support.SHARED / "corpus" / "plateau-golden"
CASES = sorted(path.parent.name for path in GOLDEN.glob("*/expected.json"))

pytestmark = pytest.mark.skipif(not CASES, reason=f"no golden datasets at {GOLDEN}")


def value(said: Any) -> Any:
    """A value as expected.json writes it."""
    if isinstance(said, list):
        return [value(each) for each in said]
    if not isinstance(said, dict) or "$" not in said:
        return {name: value(each) for name, each in said.items()} if isinstance(said, dict) else said
    kind, text = said["$"], said["v"]
    if kind == "date":
        return datetime.date.fromisoformat(text)
    if kind == "ts":
        return datetime.datetime.fromisoformat(text)
    if kind == "time":
        return datetime.time.fromisoformat(text)
    if kind == "td_us":
        return datetime.timedelta(microseconds=int(text))
    if kind == "bytes":
        return bytes.fromhex(text) if isinstance(text, str) else bytes(text)
    if kind == "dec":
        return decimal.Decimal(text)
    return float(text)


def plain(found: Any) -> Any:
    """A value of Arrow in the same form."""
    if isinstance(found, datetime.datetime):
        if hasattr(found, "nanosecond"):
            found = found.to_pydatetime(warn=False)
        return found
    if isinstance(found, list):
        return [plain(each) for each in found]
    if isinstance(found, dict):
        return {name: plain(each) for name, each in found.items()}
    return found


def same(one: Any, two: Any) -> bool:
    if isinstance(one, float) and isinstance(two, float):
        return one == two or (one != one and two != two)
    if isinstance(one, list) and isinstance(two, list):
        return len(one) == len(two) and all(map(same, one, two))
    if isinstance(one, dict) and isinstance(two, dict):
        return one.keys() == two.keys() and all(same(one[name], two[name]) for name in one)
    return bool(one == two)


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> tuple[dict[str, Any], str]:
    folder = GOLDEN / request.param
    shutil.copytree(folder / "store", tmp_path / "store")
    expected = json.loads((folder / "expected.json").read_text())
    return expected, str(tmp_path / "store" / expected["dataset_uuid"])


def test_facts(case: tuple[dict[str, Any], str]) -> None:
    expected, url = case
    found = meseta.Dataset(url)
    assert found.uuid == expected["dataset_uuid"]
    assert found.partition_keys == (expected["partition_keys"] or [])
    assert sorted(found.indices) == sorted(expected["indices"])
    assert {part.label: part.key for part in found.partitions()} == {
        label: part["key"] for label, part in expected["partitions"].items()
    }
    assert {part.label: part.rows for part in found.partitions()} == {
        label: part["rows"] for label, part in expected["partitions"].items()
    }


def test_rows(case: tuple[dict[str, Any], str]) -> None:
    expected, url = case
    found = meseta.Dataset(url)
    if "rows" not in expected:
        assert found.count() == expected["n_rows"]
        return
    table = found.read().arrow()
    names = [name for name, _ in expected["schema"]]
    assert set(table.column_names) <= set(names)
    rows = [{name: plain(each) for name, each in row.items()} for row in table.to_pylist()]
    wanted = [{name: value(each) for name, each in row.items()} for row in expected["rows"]]
    if rows and "id" in rows[0]:
        rows.sort(key=lambda row: row["id"])
        wanted.sort(key=lambda row: row["id"])
    assert len(rows) == len(wanted)
    for row, want in zip(rows, wanted, strict=True):
        for name, each in row.items():
            assert same(each, want.get(name)), (name, each, want.get(name))


def test_indices(case: tuple[dict[str, Any], str]) -> None:
    expected, url = case
    found = meseta.Dataset(url)
    for column, index in expected["indices"].items():
        table = found.index(column).arrow().to_pylist()
        if "entries" not in index:
            assert len(table) == index["n"]
            continue
        wanted = {json.dumps(entry[0], sort_keys=True): sorted(entry[1]) for entry in index["entries"]}
        assert len(table) == len(wanted)
        assert sorted(sorted(row["partition"]) for row in table) == sorted(wanted.values())


def test_predicates(case: tuple[dict[str, Any], str]) -> None:
    expected, url = case
    found = meseta.Dataset(url)
    for entry in expected.get("predicates", []):
        right = entry.get("right", entry)
        if "n" not in right:
            continue
        where = [[(name, op, value(literal)) for name, op, literal in clauses] for clauses in entry["predicates"]]
        assert found.count(where) == right["n"], where
        if "ids" in right and "id" in found.schema.names:
            ids = found.read(["id"], where).arrow()["id"].to_pylist()
            assert sorted(ids) == sorted(right["ids"]), where


def test_changes_keep_what_is_there(case: tuple[dict[str, Any], str]) -> None:
    """Another commit on top of plateau's: the rows stay, the older version can be gone back to."""
    expected, url = case
    found = meseta.Dataset(url)
    rows = found.count()
    done = found.update(metadata={"touched": 1})
    assert done.version > 1
    assert meseta.Dataset(url).count() == rows == expected["n_rows"]
    assert meseta.Dataset(url).metadata["touched"] == 1
    assert meseta.Dataset(url).metadata["creation_time"] == expected["metadata"]["creation_time"]


def test_collecting_takes_only_what_nobody_names(case: tuple[dict[str, Any], str]) -> None:
    expected, url = case
    found = meseta.Dataset(url)
    taken = set(found.gc(older_than=0))
    assert taken == set(expected.get("unreferenced", []))
    assert meseta.Dataset(url).count() == expected["n_rows"]
