"""What the Parquet writer writes: other readers find the same values, and footers, indexes, statistics and filters say
what is true of them."""

from __future__ import annotations

import datetime
import decimal
import math
import pathlib
import random
import string
import struct
from typing import Any

import parquet_support as parquet
import pytest

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

CODECS = ("none", "snappy", "gzip", "zstd", "lz4", "brotli")
ROWS = 3000


def column(kind: str, rows: int = ROWS, seed: int = 1, nulls: float = 0.1) -> Any:
    """Values of a type, some null, some equal to one another."""
    rng = random.Random(seed)
    epoch = datetime.datetime(2020, 1, 1)
    utc = epoch.replace(tzinfo=datetime.timezone.utc)
    makers: dict[str, tuple[Any, Any]] = {
        "bool": (pa.bool_(), lambda: rng.random() < 0.5),
        **{
            f"int{b}": (getattr(pa, f"int{b}")(), lambda b=b: rng.randrange(-(2 ** (b - 1)), 2 ** (b - 1)))
            for b in (8, 16, 32, 64)
        },
        **{f"uint{b}": (getattr(pa, f"uint{b}")(), lambda b=b: rng.randrange(2**b)) for b in (8, 16, 32, 64)},
        "rising": (pa.int64(), lambda state=[0]: state.__setitem__(0, state[0] + rng.randrange(50)) or state[0]),
        "half": (pa.float16(), lambda: struct.unpack("<e", struct.pack("<e", rng.gauss(0, 100)))[0]),
        "float": (pa.float32(), lambda: struct.unpack("<f", struct.pack("<f", rng.gauss(0, 1)))[0]),
        "double": (pa.float64(), lambda: rng.gauss(0, 1)),
        "string": (pa.string(), lambda: "".join(rng.choices(string.ascii_letters + "äß漢", k=rng.randrange(12)))),
        "long_string": (
            pa.string(),
            lambda: "same beginning of seventy bytes, which outlasts what a bound may hold " + "z" * rng.randrange(90),
        ),
        "few": (pa.string(), lambda: f"name {rng.randrange(7)}"),
        "large_string": (pa.large_string(), lambda: "x" * rng.randrange(9)),
        "string_view": (pa.string_view(), lambda: "view " * rng.randrange(9)),
        "binary": (pa.binary(), lambda: rng.randbytes(rng.randrange(20))),
        "large_binary": (pa.large_binary(), lambda: rng.randbytes(rng.randrange(20))),
        "fixed": (pa.binary(5), lambda: rng.randbytes(5)),
        "date": (pa.date32(), lambda: epoch.date() + datetime.timedelta(days=rng.randrange(-9000, 9000))),
        "date64": (pa.date64(), lambda: epoch.date() + datetime.timedelta(days=rng.randrange(-9000, 9000))),
        "time_s": (pa.time32("s"), lambda: datetime.time(rng.randrange(24), 5, rng.randrange(60))),
        "time_ms": (pa.time32("ms"), lambda: datetime.time(rng.randrange(24), 5, 6, 1000 * rng.randrange(1000))),
        "time_us": (pa.time64("us"), lambda: datetime.time(rng.randrange(24), 5, 6, rng.randrange(1000000))),
        "time_ns": (pa.time64("ns"), lambda: datetime.time(rng.randrange(24), 5, 6, rng.randrange(1000000))),
        **{
            f"timestamp_{u}": (pa.timestamp(u), lambda: epoch + datetime.timedelta(seconds=rng.randrange(10**9)))
            for u in ("s", "ms", "us", "ns")
        },
        "timestamp_utc": (
            pa.timestamp("us", "UTC"),
            lambda: utc + datetime.timedelta(microseconds=rng.randrange(10**15)),
        ),
        "duration": (pa.duration("us"), lambda: datetime.timedelta(microseconds=rng.randrange(10**12))),
        "decimal32": (pa.decimal32(7, 2), lambda: decimal.Decimal(rng.randrange(-(10**7) + 1, 10**7)).scaleb(-2)),
        "decimal64": (pa.decimal64(15, 4), lambda: decimal.Decimal(rng.randrange(-(10**15) + 1, 10**15)).scaleb(-4)),
        "decimal128": (pa.decimal128(30, 3), lambda: decimal.Decimal(rng.randrange(-(10**20), 10**20)).scaleb(-3)),
        "decimal256": (pa.decimal256(60, 5), lambda: decimal.Decimal(rng.randrange(-(10**25), 10**25)).scaleb(-5)),
        "null": (pa.null(), lambda: None),
        "list": (
            pa.list_(pa.int32()),
            lambda: [None if rng.random() < 0.1 else rng.randrange(100) for _ in range(rng.randrange(5))],
        ),
        "large_list": (pa.large_list(pa.string()), lambda: ["i" * rng.randrange(3) for _ in range(rng.randrange(5))]),
        "fixed_list": (pa.list_(pa.int16(), 3), lambda: [rng.randrange(9) for _ in range(3)]),
        "list_view": (pa.list_view(pa.int64()), lambda: [rng.randrange(9) for _ in range(rng.randrange(4))]),
        "struct": (
            pa.struct([("a", pa.int32()), ("b", pa.string())]),
            lambda: {"a": rng.randrange(9), "b": None if rng.random() < 0.3 else "b" * rng.randrange(4)},
        ),
        "map": (
            pa.map_(pa.string(), pa.int64()),
            lambda: [(f"k{i}", rng.randrange(9)) for i in range(rng.randrange(4))],
        ),
        "deep": (
            pa.list_(pa.struct([("x", pa.list_(pa.float64())), ("m", pa.map_(pa.int32(), pa.list_(pa.string())))])),
            lambda: [
                {
                    "x": None if rng.random() < 0.2 else [1.5] * rng.randrange(3),
                    "m": [(i, ["t"] * rng.randrange(3)) for i in range(rng.randrange(3))],
                }
                for _ in range(rng.randrange(3))
            ],
        ),
        "dictionary": (pa.dictionary(pa.int32(), pa.string()), lambda: f"entry {rng.randrange(5)}"),
    }
    arrow, make = makers[kind]
    values = [None if rng.random() < nulls else make() for _ in range(rows)]
    if kind == "dictionary":
        return pa.array(values, pa.string()).dictionary_encode()
    if kind == "list_view":
        lists = pa.array(values, pa.list_(pa.int64()))
        sizes = pa.array([len(v or ()) for v in values], pa.int32())
        return pa.ListViewArray.from_arrays(lists.offsets[:-1], sizes, lists.values, mask=lists.is_null())
    return pa.array(values, arrow)


FLAT = (
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "rising",
    "half",
    "float",
    "double",
    "string",
    "long_string",
    "few",
    "large_string",
    "string_view",
    "binary",
    "large_binary",
    "fixed",
    "date",
    "date64",
    "time_s",
    "time_ms",
    "time_us",
    "time_ns",
    "timestamp_s",
    "timestamp_ms",
    "timestamp_us",
    "timestamp_ns",
    "timestamp_utc",
    "duration",
    "decimal32",
    "decimal64",
    "decimal128",
    "decimal256",
    "null",
    "dictionary",
)
NESTED = ("list", "large_list", "fixed_list", "list_view", "struct", "map", "deep")


def same(left: Any, right: Any) -> bool:
    return left.num_rows == right.num_rows and all(
        left.column(n).to_pylist() == right.column(n).to_pylist() for n in left.column_names
    )


@pytest.mark.parametrize("codec", CODECS)
def test_every_type_in_every_codec(tmp_path: pathlib.Path, codec: str) -> None:
    table = pa.table({kind: column(kind) for kind in FLAT + NESTED})
    parquet.write(table, tmp_path / "t", codec=codec, page_rows=700, row_group_rows=2000)
    assert same(table, parquet.read(tmp_path / "t"))
    assert same(table, pq.read_table(tmp_path / "t"))
    found = parquet.read(tmp_path / "t").schema
    coarse = {"date64": pa.date32(), "time_s": pa.time32("ms"), "timestamp_s": pa.timestamp("ms")}  # as they are stored
    for kind in FLAT + NESTED:
        assert found.field(kind).type.equals(coarse.get(kind, table.schema.field(kind).type)), kind


@pytest.mark.parametrize("kind", ["int32", "string", "few", "list", "deep", "bool", "double"])
def test_columns_without_nulls_and_of_nulls_only(tmp_path: pathlib.Path, kind: str) -> None:
    for nulls in (0, 1):
        table = pa.table({"c": column(kind, nulls=nulls)})
        parquet.write(table, tmp_path / "t", page_rows=500)
        assert same(table, parquet.read(tmp_path / "t"))
        assert same(table, pq.read_table(tmp_path / "t"))


NUMBERS = (
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "rising",
    "date",
    "timestamp_us",
    "time_ms",
)
ENCODINGS = {
    "plain": FLAT + NESTED,
    "dictionary": FLAT + NESTED,
    "rle": ("bool",),
    "delta_binary_packed": (*NUMBERS, "list"),
    "delta_length_byte_array": ("string", "long_string", "few", "large_string", "string_view", "binary", "large_list"),
    "delta_byte_array": (
        "string",
        "long_string",
        "few",
        "large_string",
        "string_view",
        "binary",
        "large_list",
        "fixed",
    ),
    "byte_stream_split": (*NUMBERS, "float", "double", "half", "decimal128", "fixed", "list"),
}


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("codec", ["none", "zstd"])
def test_every_encoding(tmp_path: pathlib.Path, encoding: str, codec: str) -> None:
    table = pa.table(
        {k: column(k, seed=5) for k in ENCODINGS[encoding] if not (encoding == "dictionary" and k == "null")}
    )
    parquet.write(
        table,
        tmp_path / "t",
        codec=codec,
        page_rows=900,
        columns={k: {"encoding": encoding} for k in table.column_names},
    )
    assert same(table, parquet.read(tmp_path / "t"))
    assert same(table, pq.read_table(tmp_path / "t"))
    if encoding not in ("plain", "dictionary"):
        group = pq.ParquetFile(tmp_path / "t").metadata.row_group(0)
        for i in range(group.num_columns):
            assert encoding.upper() in group.column(i).encodings


def test_an_encoding_that_cannot_hold_a_type_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ValueError, match="cannot encode"):
        parquet.write(
            pa.table({"c": column("string")}), tmp_path / "t", columns={"c": {"encoding": "delta_binary_packed"}}
        )


EXOTIC = {"duckdb": {"half", "decimal256", "null", "date64"}, "polars": {"decimal256", "half", "list_view"}}


@pytest.mark.parametrize("reader", ["duckdb", "polars"])
@pytest.mark.parametrize("codec", CODECS)
def test_other_readers(tmp_path: pathlib.Path, reader: str, codec: str) -> None:
    module = pytest.importorskip(reader)
    kinds = [k for k in FLAT + NESTED if k not in EXOTIC[reader]]
    for options in ({}, {"no_dictionary": True}, {"columns": {k: {"encoding": "plain"} for k in kinds}}):
        table = pa.table({kind: column(kind, rows=600) for kind in kinds})
        parquet.write(table, tmp_path / "t.parquet", codec=codec, page_rows=250, **options)
        if reader == "duckdb":
            found = module.sql(f"select * from '{tmp_path}/t.parquet'").to_arrow_table()
        else:
            found = module.read_parquet(tmp_path / "t.parquet").to_arrow()
        for kind in kinds:
            want, got = table[kind], found[kind]
            if kind in (
                "time_s",
                "time_ms",
                "time_us",
                "time_ns",
                "timestamp_s",
                "timestamp_ms",
                "timestamp_us",
                "timestamp_ns",
                "date64",
                "duration",
                "timestamp_utc",
            ):
                got = got.cast(want.type) if not pa.types.is_integer(got.type) else got.cast(pa.int64()).cast(want.type)
            assert want.to_pylist() == got.to_pylist(), kind


# ---- random schemas ----


def random_type(rng: random.Random, depth: int) -> Any:
    if depth == 0 or rng.random() < 0.5:
        return rng.choice(
            [
                pa.int32(),
                pa.string(),
                pa.float64(),
                pa.bool_(),
                pa.int64(),
                pa.large_string(),
                pa.decimal128(9, 2),
                pa.binary(3),
            ]
        )
    kind = rng.randrange(5)
    if kind == 0:
        return pa.list_(pa.field("item", random_type(rng, depth - 1), nullable=rng.random() < 0.7))
    if kind == 1:
        return pa.large_list(random_type(rng, depth - 1))
    if kind == 2:
        return pa.struct(
            [
                pa.field(f"f{i}", random_type(rng, depth - 1), nullable=rng.random() < 0.7)
                for i in range(rng.randrange(1, 4))
            ]
        )
    if kind == 3:
        return pa.map_(pa.string(), random_type(rng, depth - 1))
    return pa.list_(random_type(rng, depth - 1), rng.randrange(1, 4))


def random_value(rng: random.Random, arrow: Any, nullable: bool) -> Any:
    if nullable and rng.random() < 0.15:
        return None
    if pa.types.is_struct(arrow):
        return {f.name: random_value(rng, f.type, f.nullable) for f in arrow}
    if pa.types.is_map(arrow):
        return [(f"k{i}", random_value(rng, arrow.item_type, True)) for i in range(rng.randrange(3))]
    if pa.types.is_fixed_size_list(arrow):
        return [random_value(rng, arrow.value_type, arrow.value_field.nullable) for _ in range(arrow.list_size)]
    if pa.types.is_list(arrow) or pa.types.is_large_list(arrow):
        return [
            random_value(rng, arrow.value_type, arrow.value_field.nullable) for _ in range(rng.choice((0, 1, 2, 9)))
        ]
    if pa.types.is_boolean(arrow):
        return rng.random() < 0.5
    if pa.types.is_integer(arrow):
        return rng.choice((rng.randrange(5), rng.randrange(-(2**31), 2**31)))
    if pa.types.is_floating(arrow):
        return rng.gauss(0, 1)
    if pa.types.is_decimal(arrow):
        return decimal.Decimal(rng.randrange(-(10**9) + 1, 10**9)).scaleb(-2)
    if pa.types.is_fixed_size_binary(arrow):
        return rng.randbytes(3)
    return "v" * rng.randrange(4) + str(rng.randrange(30))


@pytest.mark.parametrize("seed", range(60))
def test_random_schemas(tmp_path: pathlib.Path, seed: int) -> None:
    rng = random.Random(seed)
    fields = [pa.field(f"c{i}", random_type(rng, 3), nullable=rng.random() < 0.7) for i in range(rng.randrange(1, 5))]
    rows = rng.choice((0, 1, 7, 400))
    arrays = [pa.array([random_value(rng, f.type, f.nullable) for _ in range(rows)], f.type) for f in fields]
    table = pa.Table.from_arrays(arrays, schema=pa.schema(fields))
    if rows > 7:  # batches that begin inside their arrays
        cut = rng.randrange(1, rows)
        table = pa.concat_tables([table.slice(0, cut), table.slice(cut)])
    options = {
        "codec": rng.choice(CODECS),
        "page_rows": rng.choice((0, 1, 13)),
        "row_group_rows": rng.choice((0, 37)),
        "page_bytes": rng.choice((0, 64)),
        "no_dictionary": rng.random() < 0.3,
    }
    parquet.write(table, tmp_path / "t", **options)
    assert same(table, parquet.read(tmp_path / "t"))
    assert same(table, pq.read_table(tmp_path / "t"))


# ---- footers and indexes ----

ORDERED = (
    "bool",
    "int32",
    "uint32",
    "int64",
    "uint64",
    "rising",
    "double",
    "string",
    "long_string",
    "binary",
    "fixed",
    "date",
    "decimal32",
    "decimal128",
    "timestamp_us",
    "half",
)


def plain_value(kind: str, bound: bytes) -> Any:
    """A bound as a value that compares as the column's do."""
    codes = {
        "int32": "<i",
        "uint32": "<I",
        "int64": "<q",
        "uint64": "<Q",
        "rising": "<q",
        "double": "<d",
        "half": "<e",
        "date": "<i",
        "timestamp_us": "<q",
    }
    if kind == "bool":
        return bound != b"\0"
    if kind.startswith("decimal"):
        return int.from_bytes(bound, "big", signed=True)
    return struct.unpack(codes[kind], bound)[0] if kind in codes else bound


def comparable(kind: str, value: Any) -> Any:
    if kind in ("string", "long_string"):
        return value.encode()
    if kind == "date":
        return (value - datetime.date(1970, 1, 1)).days
    if kind == "timestamp_us":
        return (value - datetime.datetime(1970, 1, 1)) // datetime.timedelta(microseconds=1)
    if kind.startswith("decimal"):
        return int(value.scaleb(2 if kind == "decimal32" else 3))
    return value


@pytest.mark.parametrize("kind", ORDERED)
def test_bounds_hold_and_are_exact_where_they_say_so(tmp_path: pathlib.Path, kind: str) -> None:
    values = column(kind, seed=9)
    parquet.write(pa.table({"c": values}), tmp_path / "t", page_rows=250, row_group_rows=2000)
    data = (tmp_path / "t").read_bytes()
    found = parquet.footer(data)
    row = 0
    for group in found[4]:
        chunk = group[1][0]
        stats = chunk[3][12]
        here = [comparable(kind, v) for v in values[row : row + group[3]].to_pylist() if v is not None]
        assert stats[3] == group[3] - len(here)
        low, high = plain_value(kind, stats[6]), plain_value(kind, stats[5])
        assert low <= min(here)
        assert high >= max(here)
        assert stats[8] == (low == min(here))
        assert stats[7] == (high == max(here))
        assert stats[8] == (kind != "long_string")
        assert stats[7] == (kind != "long_string")
        assert (5 in chunk, 7 in chunk) == (True, True)
        offsets = parquet.Thrift(data, chunk[4]).struct()[1]
        index = parquet.Thrift(data, chunk[6]).struct()
        lying = [p for p in parquet.pages(data, chunk) if p[2][1] == 0]
        assert [(o[1], o[2]) for o in offsets] == [(at, size) for at, size, _ in lying]
        firsts = [o[3] for o in offsets]
        assert firsts == list(range(0, group[3], 250))
        lows, highs = [plain_value(kind, b) for b in index[2]], [plain_value(kind, b) for b in index[3]]
        for k, first in enumerate(firsts):
            page = [
                comparable(kind, v)
                for v in values[row + first : row + min(first + 250, group[3])].to_pylist()
                if v is not None
            ]
            assert lows[k] <= min(page)
            assert highs[k] >= max(page)
            assert index[5][k] == min(250, group[3] - first) - len(page)
            assert index[1][k] is False
        rising = lows == sorted(lows) and highs == sorted(highs)
        falling = lows == sorted(lows, reverse=True) and highs == sorted(highs, reverse=True)
        assert index[4] == (1 if rising else 2 if falling else 0)
        row += group[3]


def test_falling_pages_and_pages_of_nulls(tmp_path: pathlib.Path) -> None:
    values = [None if 100 <= i < 200 else 1000 - i for i in range(400)]
    parquet.write(pa.table({"c": pa.array(values, pa.int32())}), tmp_path / "t", page_rows=100)
    data = (tmp_path / "t").read_bytes()
    index = parquet.Thrift(data, parquet.footer(data)[4][0][1][0][6]).struct()
    assert index[1] == [False, True, False, False]
    assert index[4] == 2
    assert index[2][1] == index[3][1] == b""
    assert index[5] == [0, 100, 0, 0]


@pytest.mark.parametrize("arrow", [pa.float32(), pa.float64()])
def test_nan_and_zeros(tmp_path: pathlib.Path, arrow: Any) -> None:
    nan = math.nan
    code = "<f" if arrow == pa.float32() else "<d"
    cases = {"zeros": [0.0, 0.0], "minus": [-0.0, -0.0], "mixed": [nan, 1.5, -2.5, None], "nans": [nan, nan]}
    parquet.write(pa.table({k: pa.array((v * 10)[:8], arrow) for k, v in cases.items()}), tmp_path / "t")
    data = (tmp_path / "t").read_bytes()
    chunks = dict(zip(cases, parquet.footer(data)[4][0][1], strict=True))
    for name in ("zeros", "minus"):
        low, high = struct.unpack(code, chunks[name][3][12][6])[0], struct.unpack(code, chunks[name][3][12][5])[0]
        assert (math.copysign(1, low), math.copysign(1, high)) == (-1, 1)
    stats = chunks["mixed"][3][12]
    assert struct.unpack(code, stats[6])[0] == -2.5
    assert struct.unpack(code, stats[5])[0] == 1.5
    assert 5 not in chunks["nans"][3][12]
    assert 6 not in chunks["nans"][3][12]
    assert 6 not in chunks["nans"]  # no column index, which could not say "unknown"


def test_long_bounds_stay_text(tmp_path: pathlib.Path) -> None:
    for last in ("é", "z", "\x7f", "漢", "😀"):
        parquet.write(pa.table({"c": pa.array(["a" * 63 + last * 5, "a" * 63 + last * 6])}), tmp_path / "t")
        stats = parquet.footer((tmp_path / "t").read_bytes())[4][0][1][0][3][12]
        assert stats[6].decode() <= "a" * 63 + last * 5
        assert stats[5].decode() > "a" * 63 + last * 6
        assert len(stats[5]) <= 64
        assert stats[7] is False
        assert stats[8] is False


def test_size_statistics(tmp_path: pathlib.Path) -> None:
    table = pa.table({"s": column("string"), "l": column("large_list"), "d": column("dictionary")})
    parquet.write(table, tmp_path / "t", page_rows=1000)
    data = (tmp_path / "t").read_bytes()
    group = parquet.footer(data)[4][0]
    texts = [
        [v for v in table["s"].to_pylist() if v is not None],
        [v for row in table["l"].to_pylist() if row for v in row],
        [v for v in table["d"].to_pylist() if v is not None],
    ]
    for chunk, values in zip(group[1], texts, strict=True):
        assert chunk[3][16][1] == sum(len(v.encode()) for v in values)
        offsets = parquet.Thrift(data, chunk[4]).struct()
        assert sum(offsets[2]) == chunk[3][16][1]
        assert len(offsets[2]) == 3
    lists = table["l"].to_pylist()
    sizes = group[1][1][3][16]
    assert sizes[2] == [len(lists), sum(len(v) - 1 for v in lists if v)]
    assert sizes[3] == [sum(v is None for v in lists), sum(v == [] for v in lists), 0, sum(len(v) for v in lists if v)]
    index = parquet.Thrift(data, group[1][1][6]).struct()
    assert [sum(index[7][k::4]) for k in range(4)] == sizes[3]
    assert [sum(index[6][k::2]) for k in range(2)] == sizes[2]
    assert 16 not in parquet.footer(written(tmp_path, table, no_size_statistics=True))[4][0][1][0][3]


def written(folder: pathlib.Path, table: Any, **options: Any) -> bytes:
    parquet.write(table, folder / "w", **options)
    return (folder / "w").read_bytes()


def test_bloom_filters(tmp_path: pathlib.Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    rng = random.Random(4)
    table = pa.table(
        {
            "few": [rng.randrange(50) * 2 for _ in range(5000)],
            "many": [rng.randrange(10**9) * 2 for _ in range(5000)],
            "text": [f"key {rng.randrange(10**6)}" for _ in range(5000)],
            "real": [rng.random() for _ in range(5000)],
            "none": list(range(5000)),
        }
    )
    columns = {c: {"bloom": True} for c in ("few", "many", "text", "real")}
    columns["text"]["bloom_share"] = 0.001
    parquet.write(table, tmp_path / "t", row_group_rows=2000, columns=columns)
    data = (tmp_path / "t").read_bytes()
    for group in parquet.footer(data)[4]:
        for name, chunk in zip(table.column_names, group[1], strict=True):
            assert (14 in chunk[3]) == (name != "none")
            if name == "none":
                continue
            thrift = parquet.Thrift(data, chunk[3][14])
            head = thrift.struct()
            assert head == {1: head[1], 2: {1: {}}, 3: {1: {}}, 4: {1: {}}}
            assert thrift.at - chunk[3][14] + head[1] == chunk[3][15]
            assert (
                head[1]
                == {
                    "few": 128,
                    "many": 4096 if group[3] == 2000 else 2048,
                    "text": 8192 if group[3] == 2000 else 4096,
                    "real": 4096 if group[3] == 2000 else 2048,
                }[name]
            )
    for name in ("few", "many", "text", "real"):
        groups = [set(table[name][i : i + 2000].to_pylist()) for i in (0, 2000, 4000)]
        missed = found = 0
        others = {
            "few": [v + 1 for v in range(0, 100, 2)],
            "many": [rng.randrange(10**9) * 2 + 1 for _ in range(300)],
            "text": [f"no {i}" for i in range(300)],
            "real": [rng.random() + 2 for _ in range(300)],
        }[name]
        for value in [*rng.sample(sorted(groups[0] | groups[1] | groups[2]), 40), *others]:
            excluded = [
                r[2]
                for r in duckdb.execute(
                    "select * from parquet_bloom_probe(?, ?, ?)", [str(tmp_path / "t"), name, value]
                ).fetchall()
            ]
            for k, out in enumerate(excluded):
                missed += out and value in groups[k]
                found += not out and value not in groups[k]
        assert missed == 0
        assert found <= 0.02 * 3 * len(others) + 3
    assert same(table, pq.read_table(tmp_path / "t"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"columns": {"flag": {"bloom": True}}}, "bools"),
        ({"columns": {"number": {"bloom": True, "bloom_share": 2}}}, "between 0 and 1"),
        ({"columns": {"nunber": {"bloom": True}}}, 'did you mean "number"'),
        ({"sorting": [["x", False, False]]}, "not written"),
        ({"codec": "zstd", "level": 99}, "levels"),
        ({"codec": "snappy", "level": 3}, "no levels"),
    ],
)
def test_options_that_cannot_be(tmp_path: pathlib.Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parquet.write(pa.table({"flag": [True], "number": [1]}), tmp_path / "t", **options)


def test_what_the_footer_tells(tmp_path: pathlib.Path) -> None:
    table = pa.table({"a": pa.array([3, 1, None]), "s": pa.array([{"x": 1}] * 3)}, metadata={"mine": "kept"})
    parquet.write(
        table,
        tmp_path / "t",
        sorting=[["a", True, True], ["s.x", False, False]],
        created_by="maker version 3",
        columns={"s": {"codec": "snappy", "codec_set": True}},
    )
    meta = pq.ParquetFile(tmp_path / "t").metadata
    assert [(s.column_index, s.descending, s.nulls_first) for s in meta.row_group(0).sorting_columns] == [
        (0, True, True),
        (1, False, False),
    ]
    assert meta.created_by == "maker version 3"
    assert meta.metadata[b"mine"] == b"kept"
    assert meta.metadata[b"key"] == b"value"
    assert b"ARROW:schema" in meta.metadata
    assert [meta.row_group(0).column(i).compression for i in range(2)] == ["UNCOMPRESSED", "SNAPPY"]
    data = written(tmp_path, table, no_arrow_schema=True, no_statistics=True, no_checksums=True)
    found = parquet.footer(data)
    assert not any(p[1] == b"ARROW:schema" for p in found[5])
    assert all(12 not in c[3] and 6 not in c for c in found[4][0][1])
    assert all(4 not in page[2] for c in found[4][0][1] for page in parquet.pages(data, c))


def test_row_groups_by_bytes_and_pages_by_rows(tmp_path: pathlib.Path) -> None:
    table = pa.table({"i": list(range(100_000)), "t": ["x" * 100] * 100_000})
    data = written(
        tmp_path,
        table,
        row_group_bytes=1 << 20,
        page_bytes=1 << 14,
        no_dictionary=True,
        columns={"t": {"encoding": "plain"}},
    )
    found = parquet.footer(data)
    assert 8 <= len(found[4]) <= 14
    assert sum(g[3] for g in found[4]) == 100_000
    for page in parquet.pages(data, found[4][0][1][1]):
        assert page[2][2] <= 1 << 14


def mixed(rows: int) -> Any:
    rng = random.Random(3)
    return pa.table(
        {
            "id": range(rows),
            "r": [rng.random() for _ in range(rows)],
            "price": [round(rng.gammavariate(2, 30), 2) if rng.random() > 0.1 else None for _ in range(rows)],
            "cat": [f"category {min(int(rng.paretovariate(1)), 20)}" for _ in range(rows)],
            "hex": [rng.randbytes(8).hex() for _ in range(rows)],
            "ts": pa.array(
                [1_700_000_000_000_000 + i * 250_000 + rng.randrange(200_000) for i in range(rows)], pa.timestamp("us")
            ),
            "tags": [[rng.randrange(50_000) for _ in range(rng.randrange(7))] for _ in range(rows)],
            "flag": [rng.random() < 0.3 for _ in range(rows)],
        }
    )


@pytest.mark.parametrize("codec", CODECS)
def test_no_larger_than_the_others(tmp_path: pathlib.Path, codec: str) -> None:
    for table in (mixed(60_000), *(pa.table({k: column(k, rows=20_000)}) for k in FLAT + NESTED)):
        size = len(written(tmp_path, table, codec=codec))
        pq.write_table(table, tmp_path / "p", compression=codec, store_schema=True)
        theirs = (tmp_path / "p").stat().st_size
        assert size <= 1.001 * theirs + 1500, table.column_names
