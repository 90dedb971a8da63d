"""Conditions: the rows that DuckDB and pandas find, in two-valued logic, whatever may be ruled out without looking."""

from __future__ import annotations

import datetime
import decimal
import math
import pathlib
import random
import uuid
from typing import Any

import pytest

import meseta
import meseta.parquet

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

ROWS = 2000
WORDS = ["", "a", "ab", "abc", "Zürich", "zz", "100%", "a_b", "ö", "longer than twelve bytes"]


def table(seed: int) -> Any:
    """Sorted and unsorted columns with nulls, NaN and both zeros."""
    rng = random.Random(seed)

    def column(make: Any, nulls: float, sort: bool) -> list[Any]:
        values = [make() for _ in range(ROWS)]
        if sort:
            values.sort(key=lambda v: (v != v, v))
        return [None if rng.random() < nulls else v for v in values]

    floats = [0.0, -0.0, 1.5, -2.25, math.nan, math.inf, -math.inf, 1e300]
    day = datetime.date(2026, 1, 1)
    return pa.table(
        {
            "i": pa.array(column(lambda: rng.randrange(-50, 50), 0.1, True), "int32"),
            "j": pa.array(column(lambda: rng.randrange(10), 0.3, False), "int64"),
            "f": pa.array(column(lambda: rng.choice(floats), 0.1, False), "float64"),
            "g": pa.array(column(lambda: rng.random(), 0, True), "float64"),
            "s": pa.array(column(lambda: rng.choice(WORDS), 0.2, True)),
            "d": pa.array(column(lambda: day + datetime.timedelta(days=rng.randrange(60)), 0.1, True)),
            "t": pa.array(
                column(
                    lambda: datetime.datetime(2026, 1, 1) + datetime.timedelta(hours=rng.randrange(900)), 0.1, False
                ),
                "timestamp[us]",
            ),
            "m": pa.array(
                column(lambda: decimal.Decimal(rng.randrange(-500, 500)) / 100, 0.1, False), pa.decimal128(9, 2)
            ),
            "b": pa.array(column(lambda: rng.random() < 0.5, 0.3, False)),
        }
    )


@pytest.fixture(scope="module")
def data() -> Any:
    return table(5)


@pytest.fixture(scope="module", params=["few groups", "small pages", "no statistics", "ours", "bloom"])
def path(request: pytest.FixtureRequest, data: Any, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The same rows in files that let different things be ruled out."""
    target: pathlib.Path = tmp_path_factory.mktemp("where") / "x.parquet"
    if request.param == "few groups":
        pq.write_table(data, target, row_group_size=150)
    elif request.param == "small pages":
        pq.write_table(
            data, target, data_page_size=64, write_batch_size=20, write_page_index=True, use_dictionary=False
        )
    elif request.param == "no statistics":
        pq.write_table(data, target, row_group_size=500, write_statistics=False)
    elif request.param == "ours":
        meseta.parquet.write(data, target, row_group_rows=700, page_bytes=200, codec="none")
    else:
        meseta.parquet.write(data, target, row_group_rows=100, bloom=["i", "j", "s", "d"], statistics=False)
    return target


# ---- conditions as text, and as DuckDB says them ---------------------------------------------------------------------

# DuckDB's logic has three values and its NaN is the largest number: `two` gives a comparison the meaning it has here.
TESTS: list[tuple[str, str]] = [
    ("i < 10", "i < 10"),
    ("i <= -49", "i <= -49"),
    ("i = 7", "i = 7"),
    ("i == 7.0", "i = 7"),
    ("i != 7", "i is distinct from 7"),
    ("i <> 7", "i is distinct from 7"),
    ("i > 3.5", "i > 3.5"),
    ("i >= 1000000000000", "false"),
    ("i < 1000000000000", "i is not null"),
    ("i in (1, 2, 3)", "coalesce(i in (1, 2, 3), false)"),
    ("i not in (1, 2, 3)", "not coalesce(i in (1, 2, 3), false)"),
    ("i in (1, null)", "coalesce(i = 1, false) or i is null"),
    ("i between -5 and 5", "i between -5 and 5"),
    ("i not between -5 and 5", "not coalesce(i between -5 and 5, false)"),
    ("i is null", "i is null"),
    ("i is not null", "i is not null"),
    ("not i < 10", "not coalesce(i < 10, false)"),
    ("i < 0 or j > 7", "coalesce(i < 0, false) or coalesce(j > 7, false)"),
    ("i < 0 and not (j > 7 or s = 'a')", "i < 0 and not (coalesce(j > 7, false) or coalesce(s = 'a', false))"),
    ("f < 1", "f < 1 and not isnan(f)"),
    ("f > 1", "f > 1 and not isnan(f)"),
    ("f >= 0", "f >= 0 and not isnan(f)"),
    ("f = 0", "f = 0"),
    ("f = -0.0", "f = 0"),
    ("f != 0", "f is distinct from 0"),
    ("not f < 1", "not coalesce(f < 1 and not isnan(f), false)"),
    ("f is nan", "coalesce(isnan(f), false)"),
    ("f is not nan", "not coalesce(isnan(f), false)"),
    ("f is null", "f is null"),
    ("f in (1.5, -2.25)", "coalesce(f in (1.5, -2.25), false)"),
    ("g between 0.25 and 0.5", "g between 0.25 and 0.5"),
    ("s = 'ab'", "s = 'ab'"),
    ("s >= 'ab' and s < 'zz'", "s >= 'ab' and s < 'zz'"),
    ("s != ''", "s is distinct from ''"),
    ("s like 'a%'", "coalesce(s like 'a%', false)"),
    ("s not like '%b%'", "not coalesce(s like '%b%', false)"),
    ("s like '_'", "coalesce(s like '_', false)"),
    ("s like '100\\%' escape '\\'", "coalesce(s like '100\\%' escape '\\', false)"),
    ("s in ('ö', 'Zürich')", "coalesce(s in ('ö', 'Zürich'), false)"),
    ("d >= '2026-02-01'", "d >= date '2026-02-01'"),
    ("d = '2026-01-15' or d is null", "d = date '2026-01-15' or d is null"),
    ("t < '2026-01-10T06:00:00'", "t < timestamp '2026-01-10 06:00:00'"),
    ("m > 1.25", "m > 1.25"),
    ("m = 0.1 or m = -3", "m = 0.1 or m = -3"),
    ("m != 1.255", "true"),
    ("b", "coalesce(b, false)"),
    ("not b", "not coalesce(b, false)"),
    ("b = false", "coalesce(b = false, false)"),
    ("b is null and i > 0", "b is null and i > 0"),
    ("true", "true"),
    ("false", "false"),
]


def sorted_rows(found: Any) -> list[str]:
    return [repr(row) for row in found]


@pytest.mark.parametrize(("where", "sql"), TESTS, ids=[w for w, _ in TESTS])
def test_as_duckdb(path: pathlib.Path, data: Any, where: str, sql: str) -> None:
    duckdb = pytest.importorskip("duckdb")
    numbered = data.append_column("n", pa.array(range(ROWS)))  # noqa: F841 - DuckDB finds it by its name
    rows = [n for (n,) in duckdb.sql(f"select n from numbered where {sql} order by n").fetchall()]
    want = data.take(pa.array(rows, "int64"))
    try:
        found = meseta.parquet.read(path, where=where).arrow()
    except meseta.ArgumentError:
        if where in ("b", "not b", "true", "false"):
            pytest.skip("not of the language")
        raise
    assert found.num_rows == len(rows)
    assert sorted_rows(found.to_pylist()) == sorted_rows(want.to_pylist())
    assert meseta.parquet.read(path, columns=["j"], where=where).arrow()["j"].to_pylist() == want["j"].to_pylist()
    assert meseta.parquet.read(path, columns=[], where=where, limit=10**9).arrow().num_columns == 0


# ---- random conditions in list form, and pandas ----------------------------------------------------------------------

COMPARE = {"==": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}


def mask(frame: Any, column: str, op: str, value: Any) -> Any:
    """One test, by pandas, with null and NaN told apart."""
    import pandas as pd

    values = frame[column]
    null = pd.Series([v is None for v in values])
    if op in ("in", "not in"):
        found = pd.Series([v is not None and any(v == w for w in value) for v in values])
        return ~found if op == "not in" else found
    known = pd.Series([None if v is None else getattr(v, f"__{COMPARE[op]}__")(value) for v in values], dtype=object)
    known[null] = op == "!="
    return known.astype(bool)


def random_test(rng: random.Random, data: Any) -> tuple[str, str, Any]:
    column = rng.choice(["i", "j", "f", "g", "s", "d", "m"])
    values = [v for v in data[column].to_pylist() if v is not None and v == v]
    if rng.random() < 0.25:
        return column, rng.choice(["in", "not in"]), [rng.choice(values) for _ in range(rng.randrange(1, 4))]
    return column, rng.choice(list(COMPARE)), rng.choice(values)


@pytest.mark.parametrize("seed", range(12))
def test_random_lists_as_pandas(path: pathlib.Path, data: Any, seed: int) -> None:
    pd = pytest.importorskip("pandas")
    rng = random.Random(seed)
    frame = pd.DataFrame({name: pd.Series(data[name].to_pylist(), dtype=object) for name in data.column_names})
    where = [[random_test(rng, data) for _ in range(rng.randrange(1, 4))] for _ in range(rng.randrange(1, 4))]
    keep = pd.Series([False] * ROWS)
    for part in where:
        one = pd.Series([True] * ROWS)
        for test in part:
            one &= mask(frame, *test)
        keep |= one
    want = data.filter(pa.array(keep.tolist()))
    found = meseta.parquet.read(path, where=where).arrow()
    assert sorted_rows(found.to_pylist()) == sorted_rows(want.to_pylist()), where


# ---- values of Python in lists ---------------------------------------------------------------------------------------


def typed() -> Any:
    rows = range(100)
    day = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
    return pa.table(
        {
            "n": pa.array(rows, "int64"),
            "u": pa.array([2**63 + i for i in rows], "uint64"),
            "day": pa.array([day.date() + datetime.timedelta(days=i) for i in rows]),
            "at": pa.array([day + datetime.timedelta(hours=i) for i in rows], pa.timestamp("ns", "UTC")),
            "plain": pa.array([day.replace(tzinfo=None) + datetime.timedelta(hours=i) for i in rows], "timestamp[ms]"),
            "time": pa.array([datetime.time(i // 60, i % 60) for i in rows], "time64[us]"),
            "span": pa.array([datetime.timedelta(seconds=i) for i in rows], "duration[us]"),
            "money": pa.array([decimal.Decimal(i) / 4 for i in rows], pa.decimal128(20, 2)),
            "bytes": pa.array([bytes([i, 0]) for i in rows]),
            "id": pa.array([uuid.UUID(int=i).bytes for i in rows], pa.binary(16)),
            "f": pa.array([math.nan if i == 50 else float(i) for i in rows]),
            "s": pa.array([str(i) for i in rows]),
        }
    )


def equal_to_ten() -> list[tuple[str, Any]]:
    np = pytest.importorskip("numpy")
    pd = pytest.importorskip("pandas")
    cest = datetime.timezone(datetime.timedelta(hours=2))
    return [
        ("n", 10),
        ("n", np.int8(10)),
        ("n", np.uint64(10)),
        ("n", 10.0),
        ("n", decimal.Decimal("10.00")),
        ("u", 2**63 + 10),
        ("u", np.uint64(2**63 + 10)),
        ("day", datetime.date(2026, 1, 11)),
        ("day", np.datetime64("2026-01-11")),
        ("day", "2026-01-11"),
        ("at", datetime.datetime(2026, 1, 1, 10, tzinfo=datetime.timezone.utc)),
        ("at", datetime.datetime(2026, 1, 1, 12, tzinfo=cest)),
        ("at", pd.Timestamp("2026-01-01T12:00", tz=cest)),
        ("plain", datetime.datetime(2026, 1, 1, 10)),
        ("plain", pd.Timestamp("2026-01-01T10:00")),
        ("plain", np.datetime64("2026-01-01T10")),
        ("plain", np.datetime64("2026-01-01T10:00:00.000000000")),
        ("time", datetime.time(0, 10)),
        ("span", datetime.timedelta(seconds=10)),
        ("span", pd.Timedelta("10s")),
        ("span", np.timedelta64(10_000_000_000, "ns")),
        ("money", decimal.Decimal("2.5")),
        ("money", 2.5),
        ("bytes", b"\x0a\x00"),
        ("bytes", memoryview(b"\x0a\x00")),
        ("id", uuid.UUID(int=10)),
        ("f", np.float32(10)),
        ("s", "10"),
        ("s", np.str_("10")),
    ]


@pytest.mark.parametrize("case", range(29))
def test_values(tmp_path: pathlib.Path, case: int) -> None:
    column, value = equal_to_ten()[case]
    target = tmp_path / "x.parquet"
    pq.write_table(typed(), target, row_group_size=10)
    file = meseta.parquet.File(target)
    assert file.read(["n"], [[(column, "==", value)]]).arrow()["n"].to_pylist() == [10]
    assert file.read(["n"], [[(column, "in", [value])]]).arrow()["n"].to_pylist() == [10]
    if column != "s":
        rest = [i for i in range(11, 100) if column != "f" or i != 50]
        assert file.read(["n"], [[(column, ">", value)]]).arrow()["n"].to_pylist() == rest


def test_null_and_nan(tmp_path: pathlib.Path) -> None:
    np = pytest.importorskip("numpy")
    pd = pytest.importorskip("pandas")
    target = tmp_path / "x.parquet"
    pq.write_table(pa.table({"n": range(4), "f": [1.0, None, math.nan, 2.0]}), target)
    file = meseta.parquet.File(target)

    def rows(*test: Any) -> list[int]:
        found: list[int] = file.read(["n"], [[test]]).arrow()["n"].to_pylist()
        return found

    for null in (None, pd.NaT, pd.NA, np.datetime64("NaT")):
        assert rows("f", "==", null) == [1]
        assert rows("f", "!=", null) == [0, 2, 3]
    for nan in (math.nan, np.float64("nan"), decimal.Decimal("NaN")):
        assert rows("f", "==", nan) == [1, 2]  # a missing value, as pandas knows it: null or NaN
        assert rows("f", "!=", nan) == [0, 3]
        assert rows("f", "in", [nan, 2.0]) == [1, 2, 3]
    assert rows("f", "in", np.array([1.0, 2.0])) == [0, 3]
    assert rows("f", "in", pd.Series([1.0])) == [0]
    assert rows("f", "in", {2.0}) == [3]
    assert rows("f", "not in", (1.0, 2.0)) == [1, 2]
    assert rows("f", "<", math.inf) == [0, 3]


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("nix = 3", "nix"),
        ("n = = 3", "expected"),
        ("n = 'x", "x|quote|end"),
        ("", "empty"),
        ("n like 'x'", "n"),
        ("n", "n"),
        ("day > 'tomorrow'", "day"),
        (3, "condition"),
        ([("n", "==", 3)], "condition|test"),
        ([[("n", "==")]], "test"),
        ([[("n", "~", 3)]], "~"),
        ([[("n", "==", object())]], "object"),
        ([[(3, "==", 3)]], "column"),
        ({"n": 3}, "condition"),
        (b"n = 3", "condition"),
    ],
)
def test_conditions_that_make_no_sense(tmp_path: pathlib.Path, where: Any, said: str) -> None:
    target = tmp_path / "x.parquet"
    pq.write_table(typed(), target)
    with pytest.raises((meseta.ArgumentError, meseta.NotFoundError), match=said):
        meseta.parquet.read(target, where=where)
