"""Random tables, nested ones included, and every type by every encoding and codec, from other writers and back."""

from __future__ import annotations

import datetime
import decimal
import io
import itertools
import pathlib
import random
from typing import Any

import pytest

import meseta
import meseta.parquet

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

# ---- random tables ---------------------------------------------------------------------------------------------------

FLAT = [
    pa.bool_(),
    *(pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()),
    *(pa.float16(), pa.float32(), pa.float64()),
    *(pa.string(), pa.large_string(), pa.binary(), pa.large_binary(), pa.binary(3)),
    *(pa.date32(), pa.time32("ms"), pa.time64("us"), pa.time64("ns")),
    *(pa.timestamp("ms"), pa.timestamp("us", "UTC"), pa.timestamp("ns"), pa.timestamp("us", "Europe/Oslo")),
    *(pa.duration("ms"), pa.duration("ns")),
    *(pa.decimal128(4, 2), pa.decimal128(15, 3), pa.decimal128(38, 10), pa.decimal256(60, 5)),
    pa.null(),
]
WORDS = ["", "a", "ab", "Ünïcode", "x" * 40, "prefix-1", "prefix-2", "\x00"]


def random_type(rng: random.Random, depth: int) -> Any:
    if depth == 0 or rng.random() < 0.55:
        kind = rng.choice(FLAT)
        if kind in (pa.string(), pa.int64()) and rng.random() < 0.2:
            return pa.dictionary(pa.int32(), pa.string())
        return kind
    nested = rng.randrange(5)
    if nested == 0:
        return pa.list_(random_type(rng, depth - 1))
    if nested == 1:
        return pa.large_list(pa.field("item", random_type(rng, depth - 1), nullable=rng.random() < 0.7))
    if nested == 2:
        return pa.map_(rng.choice([pa.string(), pa.int32()]), random_type(rng, depth - 1))
    if nested == 3 and depth > 1:
        return pa.list_(pa.int16(), rng.randrange(1, 4))
    fields = [pa.field(f"f{i}", random_type(rng, depth - 1)) for i in range(rng.randrange(1, 4))]
    return pa.struct(fields)


def number_of_bits(rng: random.Random, bits: int, signed: bool) -> int:
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return rng.choice([low, high, 0, 1, rng.randint(low, high), rng.randrange(0, 100)])


def random_flat(rng: random.Random, kind: Any) -> Any:
    is_ = pa.types
    if is_.is_boolean(kind):
        return rng.random() < 0.5
    if is_.is_integer(kind):
        return number_of_bits(rng, kind.bit_width, is_.is_signed_integer(kind))
    if is_.is_floating(kind):
        return rng.choice([0.0, -0.0, 1.5, -2.0, float("inf"), float("-inf"), float(rng.randrange(1000))])
    if is_.is_string(kind) or is_.is_large_string(kind):
        return rng.choice(WORDS)
    if is_.is_fixed_size_binary(kind):
        return rng.randbytes(kind.byte_width)
    if is_.is_binary(kind) or is_.is_large_binary(kind):
        return rng.randbytes(rng.choice([0, 1, 5, 30]))
    if is_.is_date(kind):
        return datetime.date(1970, 1, 1) + datetime.timedelta(days=rng.randrange(-9999, 9999))
    if is_.is_time(kind):
        return rng.randrange(86_400) * {"ms": 10**3, "us": 10**6, "ns": 10**9}[kind.unit]
    if is_.is_timestamp(kind) or is_.is_duration(kind):
        return rng.randrange(-(10**9), 10**9) * {"ms": 10**3, "us": 10**6, "ns": 10**9}[kind.unit] // 7
    if is_.is_decimal(kind):
        most = 10**kind.precision - 1
        with decimal.localcontext(prec=80):
            return decimal.Decimal(rng.choice([0, 1, -1, most, -most, rng.randint(-most, most)])).scaleb(-kind.scale)
    return None


def random_value(rng: random.Random, kind: Any, nulls: float, nullable: bool = True) -> Any:
    is_ = pa.types
    if is_.is_null(kind) or (nullable and rng.random() < nulls):
        return None
    if is_.is_dictionary(kind):
        return rng.choice(WORDS)
    if is_.is_struct(kind):
        return {f.name: random_value(rng, f.type, nulls) for f in kind}
    if is_.is_map(kind):
        size = rng.choice([0, 0, 1, 3])
        return [(random_value(rng, kind.key_type, 0), random_value(rng, kind.item_type, nulls)) for _ in range(size)]
    if is_.is_fixed_size_list(kind):
        return [random_value(rng, kind.value_type, nulls) for _ in range(kind.list_size)]
    if is_.is_list(kind) or is_.is_large_list(kind):
        item = kind.value_field
        return [random_value(rng, item.type, nulls, item.nullable) for _ in range(rng.choice([0, 1, 2, 5]))]
    return random_flat(rng, kind)


def random_table(seed: int) -> Any:
    rng = random.Random(seed)
    rows = rng.choice([0, 1, 7, 64, 300])
    columns = {}
    for i in range(rng.randrange(1, 6)):
        kind = random_type(rng, 3)
        nulls = rng.choice([0, 0.2, 0.9])
        columns[f"c{i}"] = pa.array([random_value(rng, kind, nulls) for _ in range(rows)], kind)
    return pa.table(columns)


def same(found: Any, want: Any) -> None:
    assert found.schema.equals(want.schema), (found.schema, want.schema)
    for name in want.column_names:
        assert found[name].combine_chunks().equals(want[name].combine_chunks()), name


@pytest.mark.parametrize("seed", range(60))
def test_random_tables_from_pyarrow(seed: int) -> None:
    rng = random.Random(seed)
    buffer = io.BytesIO()
    table = random_table(seed)
    pq.write_table(
        table,
        buffer,
        compression=rng.choice(["none", "snappy", "gzip", "zstd", "lz4", "brotli"]),
        use_dictionary=rng.random() < 0.5,
        row_group_size=rng.choice([10, 50, 1000]),
        data_page_size=rng.choice([40, 1000, 10**6]),
        write_batch_size=rng.choice([3, 64]),
        data_page_version=rng.choice(["1.0", "2.0"]),
        write_page_index=rng.random() < 0.5,
        write_page_checksum=rng.random() < 0.5,
    )
    want = pq.read_table(io.BytesIO(buffer.getvalue()))
    file = meseta.parquet.File(buffer.getvalue())
    same(file.read().arrow(), want)
    same(file.read(batch_rows=7).arrow(), want)
    same(file.read(limit=33).arrow(), want.slice(0, 33))
    some = rng.sample(want.column_names, rng.randrange(1, want.num_columns + 1))
    same(file.read(some).arrow(), want.select(some))
    assert file.verify()["rows"] == want.num_rows


@pytest.mark.parametrize("seed", range(100, 140))
def test_random_tables_to_pyarrow(seed: int, tmp_path: pathlib.Path) -> None:
    rng = random.Random(seed)
    table = random_table(seed)
    target = f"memory://test-parquet-random/{seed}.parquet"
    meseta.parquet.write(
        table.to_batches(max_chunksize=rng.choice([5, 100])) or table,
        target,
        codec=rng.choice(["none", "snappy", "gzip", "zstd", "lz4", "brotli"]),
        dictionary=rng.random() < 0.5,
        row_group_rows=rng.choice([10, 50, 1000]),
        page_bytes=rng.choice([40, 1000, 10**6]),
    )
    (piece,) = meseta.open(target).slices(1) or [None]
    same(meseta.parquet.read(target).arrow(), table)
    if piece is not None:
        same(piece.arrow().arrow(), table)
    path = tmp_path / "x.parquet"
    meseta.parquet.write(meseta.parquet.read(target), path)
    assert pq.read_table(path).to_pylist() == table.to_pylist()


# ---- every type, encoding and codec ----------------------------------------------------------------------------------

ENCODINGS = {
    "PLAIN": [t for t in FLAT if not pa.types.is_null(t)],
    "RLE": [pa.bool_()],
    "DELTA_BINARY_PACKED": [t for t in FLAT if pa.types.is_integer(t) or pa.types.is_timestamp(t)],
    "DELTA_LENGTH_BYTE_ARRAY": [pa.string(), pa.binary(), pa.large_string(), pa.large_binary()],
    "DELTA_BYTE_ARRAY": [pa.string(), pa.binary(), pa.large_string(), pa.binary(3), pa.decimal128(38, 10)],
    "BYTE_STREAM_SPLIT": [pa.float32(), pa.float64(), pa.float16(), pa.int32(), pa.int64(), pa.binary(3)],
}
CODECS = ["none", "snappy", "gzip", "zstd", "lz4", "brotli"]


@pytest.mark.parametrize(("encoding", "codec", "version"), list(itertools.product(ENCODINGS, CODECS, ["1.0", "2.0"])))
def test_types_encodings_codecs(encoding: str, codec: str, version: str) -> None:
    rng = random.Random(1)
    columns = {}
    for i, kind in enumerate(ENCODINGS[encoding]):
        for nulls in (0, 0.3):
            values = [random_value(rng, kind, nulls) for _ in range(700)]
            columns[f"{i}-{nulls}"] = pa.array(values, kind)
    table = pa.table(columns)
    buffer = io.BytesIO()
    pq.write_table(
        table,
        buffer,
        compression=codec,
        use_dictionary=False,
        column_encoding=dict.fromkeys(table.column_names, encoding),
        data_page_version=version,
        data_page_size=600,
        write_batch_size=50,
        version="2.6",
    )
    want = pq.read_table(io.BytesIO(buffer.getvalue()))
    same(meseta.parquet.read(buffer.getvalue()).arrow(), want)


@pytest.mark.parametrize("codec", ["uncompressed", "snappy", "gzip", "zstd", "lz4"])
def test_from_polars_and_duckdb(codec: str, tmp_path: pathlib.Path) -> None:
    polars = pytest.importorskip("polars")
    duckdb = pytest.importorskip("duckdb")
    rng = random.Random(2)
    kinds = [pa.bool_(), pa.int8(), pa.int64(), pa.uint32(), pa.float64(), pa.string(), pa.date32(), pa.timestamp("us")]
    kinds += [
        pa.decimal128(15, 3),
        pa.list_(pa.int32()),
        pa.struct([("a", pa.string()), ("b", pa.list_(pa.float64()))]),
    ]
    table = pa.table({f"c{i}": [random_value(rng, kind, 0.2) for _ in range(500)] for i, kind in enumerate(kinds)})
    table = table.cast(pa.schema([(f"c{i}", kind) for i, kind in enumerate(kinds)]))
    found = table  # noqa: F841 - DuckDB finds it by its name
    polars.from_arrow(table).write_parquet(tmp_path / "p.parquet", compression=codec, row_group_size=100)
    assert meseta.parquet.read(tmp_path / "p.parquet").arrow().to_pylist() == table.to_pylist()
    options = f"(format parquet, codec '{codec}', row_group_size 100)"
    duckdb.sql(f"copy (from found) to '{tmp_path}/d.parquet' {options}")
    assert meseta.parquet.read(tmp_path / "d.parquet").arrow().to_pylist() == table.to_pylist()
