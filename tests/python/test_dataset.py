"""`meseta.Dataset` as programs use it: what is written is read, by us and by plateau; conditions; many writers; S3."""

from __future__ import annotations

import datetime
import json
import multiprocessing
import pathlib
import pickle
import random
from typing import Any

import package_support as support
import pytest

import meseta

pa = pytest.importorskip("pyarrow")


def sales(day: str, first: int, n: int = 6) -> Any:
    return pa.table(
        {
            "day": pa.array([datetime.date.fromisoformat(day)] * n),
            "who": [None if i % 5 == 4 else f"c{i % 3}" for i in range(first, first + n)],
            "qty": pa.array(range(first, first + n), "int64"),
            "price": pa.array([None if i % 4 == 1 else i / 2 for i in range(first, first + n)], "float64"),
        }
    )


def quantities(found: meseta.Dataset, where: Any = None) -> list[int]:
    return sorted(found.read(["qty"], where).arrow()["qty"].to_pylist())


@pytest.fixture
def shop(tmp_path: pathlib.Path) -> meseta.Dataset:
    return meseta.Dataset.create(
        tmp_path / "shop",
        [sales("2024-01-01", 0), sales("2024-01-02", 10)],
        partition_on=["day"],
        indices=["who"],
        metadata={"owner": "me"},
    )


# ---- create, read, update, delete ------------------------------------------------------------------------------------


def test_facts(shop: meseta.Dataset, tmp_path: pathlib.Path) -> None:
    assert (shop.uuid, shop.table, shop.version) == ("shop", "table", 1)
    assert shop.partition_keys == ["day"]
    assert shop.indices == ["who"]
    assert shop.metadata["owner"] == "me"
    assert shop.schema.names == ["day", "price", "qty", "who"]
    parts = shop.partitions()
    assert [part.keys for part in parts] == [{"day": datetime.date(2024, 1, 1)}, {"day": datetime.date(2024, 1, 2)}]
    assert [part.rows for part in parts] == [6, 6]
    assert [part.keys["day"].day for part in shop.partitions("day > '2024-01-01'")] == [2]
    assert meseta.Dataset.exists(tmp_path / "shop")
    assert not meseta.Dataset.exists(tmp_path / "other")
    assert "2 partitions" in repr(shop)
    assert "<table>" in shop._repr_html_()
    entries = {row["value"]: len(row["partition"]) for row in shop.index("who").arrow().to_pylist()}
    assert entries == {"c0": 2, "c1": 2, "c2": 2}


def test_read(shop: meseta.Dataset) -> None:
    table = shop.read().arrow()
    assert table.column_names == ["day", "price", "qty", "who"]
    assert table["qty"].to_pylist() == [*range(6), *range(10, 16)]
    assert shop.read(["qty", "day"], "qty in (3, 12)").arrow().to_pylist() == [
        {"qty": 3, "day": datetime.date(2024, 1, 1)},
        {"qty": 12, "day": datetime.date(2024, 1, 2)},
    ]
    assert shop.read(limit=2).arrow().num_rows == 2
    assert shop.read(limit=0).arrow().num_rows == 0
    assert shop.read([]).arrow().num_rows in (0, 12)  # pyarrow forgets rows without columns
    assert sum(len(batch) for batch in shop.read([])) == 12
    assert pa.types.is_dictionary(shop.read(categoricals=["who"]).arrow()["who"].type)
    assert shop.read(where="qty > 100").arrow().schema.names == ["day", "price", "qty", "who"]
    with pytest.raises(meseta.ArgumentError, match="qty"):
        shop.read(["qtty"])


def test_where_both_forms(shop: meseta.Dataset) -> None:
    day = datetime.date(2024, 1, 2)
    assert quantities(shop, "day = '2024-01-02' and who != 'c1'") == quantities(
        shop, [[("day", "==", day), ("who", "!=", "c1")]]
    )
    assert quantities(shop, "who is null") == [4, 14]
    assert quantities(shop, [[("who", "==", None)]]) == [4, 14]
    assert quantities(shop, "who not in ('c0', 'c1')") == [2, 4, 5, 11, 14]  # nulls stay
    assert quantities(shop, "not (qty < 14)") == [14, 15]
    assert shop.count("who = 'c0' or qty = 15") == len(quantities(shop, "who = 'c0' or qty = 15"))


def test_every_change(shop: meseta.Dataset) -> None:
    done = shop.append(sales("2024-01-03", 20))
    assert (done.version, done.rows_added, done.rows_removed, done.files_added) == (2, 6, 0, 1)
    assert shop.version == 2
    done = shop.delete("qty between 10 and 12")
    assert (done.rows_removed, done.files_removed, done.files_added) == (3, 1, 1)
    shop.update(where="qty = 20", set={"qty": 200, "who": None})
    assert quantities(shop, "who is null and qty = 200") == [200]
    shop.upsert(pa.table({"day": [datetime.date(2024, 1, 1)], "who": ["new"], "qty": [0], "price": [9.5]}), on=["qty"])
    assert shop.read(["who"], "qty = 0").arrow().to_pylist() == [{"who": "new"}]
    shop.update(sales("2024-02-01", 50), delete=[{"day": datetime.date(2024, 1, 3)}], metadata={"more": [1]})
    assert quantities(shop, "day >= '2024-01-03'") == [*range(50, 56)]
    assert shop.metadata["owner"] == "me"
    assert shop.metadata["more"] == [1]
    assert quantities(shop, "who = 'new'") == [0]  # by the index, which was kept
    with pytest.raises(meseta.ArgumentError, match="delete\\(where"):
        shop.update(delete=[{"qty": 1}])


def test_set_moves_rows_between_partitions(shop: meseta.Dataset) -> None:
    shop.update(where="qty = 3", set={"day": datetime.date(2024, 5, 5)})
    assert [part.keys["day"].isoformat() for part in shop.partitions("day > '2024-05-01'")] == ["2024-05-05"]
    assert quantities(shop, "day = '2024-05-05'") == [3]
    assert shop.count() == 12


def test_several_steps_one_commit(shop: meseta.Dataset) -> None:
    with shop.change() as change:
        change.append(sales("2024-01-03", 20))
        change.delete("qty = 20")
        change.delete("qty = 0")
    assert change.committed is not None
    assert change.committed.version == shop.version == 2
    assert quantities(shop)[0] == 1
    assert 20 not in quantities(shop)
    with pytest.raises(RuntimeError, match="no"), shop.change() as change:
        change.delete("qty > 0")
        raise RuntimeError("no")
    assert shop.refresh().version == 2


def test_fragments_from_workers(shop: meseta.Dataset) -> None:
    fragments = []
    for i in range(3):
        worker = pickle.loads(pickle.dumps(shop)).change()
        fragments.append(worker.write(sales(f"2024-03-0{i + 1}", 100 * i)))
        worker.close()
    assert all(len(fragment) < 4096 for fragment in fragments)
    with shop.change() as change:
        for fragment in fragments:
            change.add(fragment)
    assert shop.version == 2
    assert shop.count() == 12 + 18
    assert shop.count("who = 'c1'") == len(quantities(shop, "who = 'c1'"))
    for broken in ("", "{", "{}", '{"files": []}', json.dumps({"files": [{"key": "../x", "label": "x"}]})):
        with pytest.raises(meseta.Error), shop.change() as change:
            change.add(broken)


def test_groups(shop: meseta.Dataset) -> None:
    found = [(values["who"], rows.arrow()["qty"].to_pylist()) for values, rows in shop.groups(["who"])]
    assert [who for who, _ in found] == ["c0", "c1", "c2"]
    assert sorted(qty for _, group in found for qty in group) == quantities(shop, "who is not null")
    days = [values["day"] for values, _ in shop.groups(["day"], "qty > 11")]
    assert days == [datetime.date(2024, 1, 2)]
    text = [values["day"] for values, _ in shop.groups(["day"], [[("qty", ">", 11)]])]
    assert text == days


def test_slices(shop: meseta.Dataset) -> None:
    for n in (1, 2, 3, 50):
        pieces = shop.slices(n)
        assert len(pieces) <= n
        again = [meseta.Slice.from_json(piece.to_json()) for piece in pieces]
        got = [qty for piece in again for qty in piece.arrow().arrow()["qty"].to_pylist()]
        assert got == shop.read().arrow()["qty"].to_pylist()
    shop.delete("qty = 5")
    assert sum(piece.arrow().arrow().num_rows for piece in again) == 12  # they stand on their snapshot


def test_history(shop: meseta.Dataset) -> None:
    first = shop.log()[0]["time"]
    shop.delete("qty >= 10")
    shop.append(sales("2024-01-09", 90))
    assert [entry["version"] for entry in shop.log()] == [3, 2, 1]
    assert [entry["operation"] for entry in shop.log()] == ["append", "delete", "create"]
    assert quantities(shop.at(1)) == [*range(6), *range(10, 16)]
    assert quantities(shop.at(2)) == [*range(6)]
    assert shop.at(datetime.datetime.now(datetime.timezone.utc)).version == 3
    with pytest.raises(meseta.NotFoundError):
        shop.at(datetime.datetime(2000, 1, 1))
    assert first.endswith("Z")
    assert shop.gc(0) == []
    shop.restore(2)
    assert quantities(shop) == [*range(6)]
    shop.expire(keep=1)
    assert shop.gc(0, dry_run=True)
    assert shop.gc(0)
    assert quantities(shop.refresh()) == [*range(6)]
    with pytest.raises(meseta.NotFoundError):
        shop.at(1)


def test_compact_changes_no_rows(tmp_path: pathlib.Path) -> None:
    found = meseta.Dataset.create(tmp_path / "many", sales("2024-01-01", 0, 3), partition_on=["day"], indices=["who"])
    for i in range(1, 8):
        found.append(sales(f"2024-01-0{i % 2 + 1}", 10 * i, 3))
    before = found.read().arrow().sort_by("qty")
    done = found.compact(sort_by=["qty"])
    assert done.files_added == 2
    assert found.read().arrow().sort_by("qty").equals(before)
    assert found.count("who = 'c0'") == before["who"].to_pylist().count("c0")
    ordered = found.read(where="day = '2024-01-01'").arrow()["qty"].to_pylist()
    assert ordered == sorted(ordered)


def test_create_options(tmp_path: pathlib.Path) -> None:
    schema = pa.schema([("a", pa.int64()), ("b", pa.string())])
    empty = meseta.Dataset.create(tmp_path / "empty", schema=schema, partition_on=["b"])
    assert empty.count() == 0
    assert empty.read().arrow().num_rows == 0
    empty.append(pa.table({"a": [1], "b": ["x"]}))
    assert empty.read().arrow().to_pylist() == [{"b": "x", "a": 1}]
    bucketed = meseta.Dataset.create(
        tmp_path / "buckets", pa.table({"a": range(100)}), bucket_by="a", buckets=4, sort_by=["a"], codec="snappy"
    )
    assert 1 < len(bucketed.partitions()) <= 4
    assert sorted(bucketed.read().arrow()["a"].to_pylist()) == list(range(100))
    packed = meseta.Dataset.create(tmp_path / "packed", pa.table({"a": [1]}), metadata_format="msgpack", history=0)
    assert (tmp_path / "packed.by-dataset-metadata.msgpack.zstd").exists()
    packed.append(pa.table({"a": [2]}))
    assert sorted(meseta.Dataset(tmp_path / "packed").read().arrow()["a"].to_pylist()) == [1, 2]
    assert not (tmp_path / "packed.by-dataset-metadata.msgpack.zstd").exists()
    with pytest.raises(meseta.ExistsError):
        meseta.Dataset.create(tmp_path / "empty", pa.table({"a": [1]}))
    again = meseta.Dataset.create(tmp_path / "empty", pa.table({"z": [1]}), overwrite=True)
    assert again.schema.names == ["z"]
    for bad in ("a.b", "a b", "é", "a\n"):
        with pytest.raises(meseta.Error):
            meseta.Dataset.create(tmp_path / bad, pa.table({"a": [1]}))


def test_drop(shop: meseta.Dataset, tmp_path: pathlib.Path) -> None:
    (tmp_path / "shopping").mkdir()
    (tmp_path / "shopping" / "list").write_text("mine")
    listed = shop.drop(dry_run=True)
    assert set(shop.drop()) == set(listed)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["list"]
    with pytest.raises(meseta.NotFoundError):
        shop.refresh()


def test_nothing_outside_is_touched(tmp_path: pathlib.Path) -> None:
    """A main document may name any file; what is not the dataset's own is never read or removed."""
    secret = tmp_path / "secret.parquet"
    meseta.parquet.write(pa.table({"a": [1]}), secret)
    store = tmp_path / "store"
    meseta.Dataset.create(store / "d", pa.table({"a": [1, 2]}))
    document = store / "d.by-dataset-metadata.json"
    said = json.loads(document.read_text())
    for key in ("../secret.parquet", "d/table/../../../secret.parquet", str(secret)):
        said["partitions"] = {"x": {"files": {"table": key}}}
        document.write_text(json.dumps(said))
        with pytest.raises(meseta.Error):
            meseta.Dataset(store / "d").read().arrow()
        with pytest.raises(meseta.Error):
            meseta.Dataset(store / "d").drop()
        assert secret.exists()


# ---- conditions beside pandas ----------------------------------------------------------------------------------------


def test_conditions_beside_pandas(tmp_path: pathlib.Path) -> None:
    pd = pytest.importorskip("pandas")
    chance = random.Random(7)
    rows = [
        {
            "k": chance.choice(["a", "b", "c"]),
            "i": chance.choice([None, *range(-3, 4)]),
            "f": chance.choice([None, float("nan"), -0.0, 0.0, 1.5, -2.5]),
            "s": chance.choice([None, "", "x", "y", "xy"]),
            "n": n,
        }
        for n in range(400)
    ]
    types = pa.schema([("k", "string"), ("i", "int64"), ("f", "float64"), ("s", "string"), ("n", "int64")])
    frames = [pa.Table.from_pylist(rows[at : at + 50], schema=types) for at in range(0, 400, 50)]
    found = meseta.Dataset.create(tmp_path / "c", frames, partition_on=["k"], indices=["s", "i"], row_group_rows=16)
    frame = pd.DataFrame({name: pd.Series([row[name] for row in rows], dtype=object) for name in types.names})

    def holds(row: Any, name: str, op: str, want: Any) -> bool:
        have = row[name]
        if op == "in":
            return any(have is not None and have == each for each in want)
        if op == "not in":
            return not any(have is not None and have == each for each in want)
        if op == "==":
            return have is not None and have == want
        if op == "!=":
            return not (have is not None and have == want)
        if have is None:
            return False
        return bool({"<": have < want, "<=": have <= want, ">": have > want, ">=": have >= want}[op])

    values: dict[str, list[Any]] = {
        "k": ["a", "c", "z"],
        "i": [-3, 0, 2, 9],
        "f": [0.0, 1.5, -2.5],
        "s": ["", "x", "z"],
    }
    for _ in range(150):
        clauses = []
        for _ in range(chance.randint(1, 3)):
            name = chance.choice(list(values))
            op = chance.choice(["==", "!=", "<", "<=", ">", ">=", "in", "not in"])
            want: Any = chance.sample(values[name], 2) if "in" in op else chance.choice(values[name])
            clauses.append((name, op, want))
        where = [[clause] for clause in clauses] if chance.random() < 0.5 else [clauses]
        wanted = [
            row["n"]
            for row in frame.to_dict("records")
            if any(all(holds(row, *clause) for clause in conjunction) for conjunction in where)
        ]
        assert sorted(found.read(["n"], where).arrow()["n"].to_pylist()) == wanted, where
        assert found.count(where) == len(wanted), where


# ---- plateau ---------------------------------------------------------------------------------------------------------


def both(url: str, uuid: str) -> tuple[Any, Any]:
    eager = pytest.importorskip("plateau.io.eager")
    theirs = eager.read_table(uuid, f"hfs://{url}").sort_values("qty").reset_index(drop=True)
    ours = meseta.Dataset(f"{url}/{uuid}").read().pandas().sort_values("qty").reset_index(drop=True)
    return theirs, ours


def equal(theirs: Any, ours: Any) -> None:
    pd = pytest.importorskip("pandas")
    assert list(theirs.columns) == list(ours.columns)
    pd.testing.assert_frame_equal(theirs, ours, check_dtype=False)


def test_plateau_reads_and_changes_ours(tmp_path: pathlib.Path) -> None:
    eager = pytest.importorskip("plateau.io.eager")
    pd = pytest.importorskip("pandas")
    url = f"hfs://{tmp_path}"
    frame = sales("2024-01-01", 0, 8).to_pandas()
    found = meseta.Dataset.create(tmp_path / "d", frame, partition_on=["day"], indices=["who"])
    equal(*both(str(tmp_path), "d"))
    eager.update_dataset_from_dataframes(
        [sales("2024-01-02", 20).to_pandas()], store=url, dataset_uuid="d", delete_scope=[{"who": "nobody"}]
    )
    equal(*both(str(tmp_path), "d"))
    found.refresh()
    assert found.version == 2
    assert found.log()[0]["operation"] == "external"
    found.append(sales("2024-01-03", 40))
    found.delete("qty = 41")
    equal(*both(str(tmp_path), "d"))
    theirs = eager.read_table("d", url, predicates=[[("who", "==", "c1")]])
    assert sorted(theirs["qty"]) == quantities(found, "who = 'c1'")
    eager.build_dataset_indices(url, "d", columns=["qty"])
    found.refresh()
    assert quantities(found, "qty = 21") == [21]
    found.expire(keep=1)
    found.gc(0)
    eager.garbage_collect_dataset("d", url)
    equal(*both(str(tmp_path), "d"))
    assert isinstance(theirs, pd.DataFrame)


def test_we_read_and_change_plateaus(tmp_path: pathlib.Path) -> None:
    eager = pytest.importorskip("plateau.io.eager")
    url = f"hfs://{tmp_path}"
    eager.store_dataframes_as_dataset(
        store=url,
        dataset_uuid="p",
        dfs=[sales("2024-01-01", 0).to_pandas(), sales("2024-01-02", 10).to_pandas()],
        partition_on=["day"],
        secondary_indices=["who"],
        metadata_storage_format="msgpack",
    )
    found = meseta.Dataset(tmp_path / "p")
    equal(*both(str(tmp_path), "p"))
    found.append(sales("2024-01-03", 30).to_pandas())
    found.update(where="qty = 30", set={"qty": 300})
    equal(*both(str(tmp_path), "p"))
    eager.delete_dataset("p", url)


# ---- many writers ----------------------------------------------------------------------------------------------------


def _append_some(url: str, options: Any, number: int, commits: int) -> int:
    done = 0
    found = meseta.Dataset(url, storage_options=options)
    for i in range(commits):
        found.append(pa.table({"writer": [number], "step": [i]}))
        done += 1
    return done


def _race(url: str, options: Any, writers: int, commits: int) -> None:
    meseta.Dataset.create(
        url, schema=pa.schema([("writer", pa.int64()), ("step", pa.int64())]), storage_options=options, history="1d"
    )
    with multiprocessing.get_context("spawn").Pool(writers) as pool:
        done = pool.starmap(_append_some, [(url, options, number, commits) for number in range(writers)])
    assert done == [commits] * writers
    found = meseta.Dataset(url, storage_options=options)
    rows = [tuple(row.values()) for row in found.read(["writer", "step"]).arrow().to_pylist()]
    assert sorted(rows) == [(writer, step) for writer in range(writers) for step in range(commits)]
    assert found.version == writers * commits + 1
    versions = [entry["version"] for entry in found.log()]
    assert versions == list(range(found.version, 0, -1))


def test_many_writers_on_a_folder(tmp_path: pathlib.Path) -> None:
    _race(str(tmp_path / "race"), None, 4, 6)


@pytest.mark.s3
def test_many_writers_on_s3(s3_environment: support.S3) -> None:
    try:
        _race(f"s3://{s3_environment.bucket}/race", None, 4, 4)
    except meseta.UnsupportedError as error:
        assert "condition" in str(error)
        pytest.skip(f"this server honours no conditional writes: {error}")


@pytest.mark.s3
def test_all_on_s3(s3_environment: support.S3) -> None:
    url = f"s3://{s3_environment.bucket}/lake/shop"
    try:
        found = meseta.Dataset.create(url, [sales("2024-01-01", 0)], partition_on=["day"], indices=["who"])
    except meseta.UnsupportedError as error:
        pytest.skip(f"this server honours no conditional writes: {error}")
    found.append(sales("2024-01-02", 10))
    found.delete("qty = 11")
    assert quantities(meseta.Dataset(url)) == [*range(6), 10, 12, 13, 14, 15]
    assert quantities(found, "who = 'c1'") == quantities(meseta.Dataset(url), "who = 'c1'")
    assert found.drop()
    assert not meseta.Dataset.exists(url)


def test_conflict_changes_nothing(shop: meseta.Dataset, tmp_path: pathlib.Path) -> None:
    other = meseta.Dataset(tmp_path / "shop")
    with pytest.raises(meseta.ConflictError), shop.change() as mine:
        mine.delete("qty = 1")
        other.delete("qty = 2")  # of the same file
    assert quantities(shop.refresh()) == [0, 1, *range(3, 6), *range(10, 16)]
    with shop.change() as mine:
        mine.delete("qty = 10")
        other.refresh().append(sales("2024-07-07", 70))  # disjoint
    assert 10 not in quantities(shop)
    assert 70 in quantities(shop)
