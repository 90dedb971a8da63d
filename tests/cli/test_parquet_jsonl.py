"""cat --as jsonl over the corpus and over extremes, against a renderer that shares no code with the command."""

from __future__ import annotations

import datetime
import decimal
import json
import math
import os
import pathlib
from typing import Any

import pytest

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
np = pytest.importorskip("numpy")

SHARED = pathlib.Path(os.environ.get("MESETA_SHARED", pathlib.Path(__file__).resolve().parents[3] / "shared"))
CORPUS = SHARED / "corpus" / "files" / "parquet"
FILES = [p for p in sorted(CORPUS.rglob("*.parquet")) if "bad" not in p.parts] if CORPUS.is_dir() else []
# What pyarrow reads otherwise, or not at all; test_parquet_corpus.py says why.
OTHERWISE = {"bug4903.parquet", "rle-dict-uncompressed-corrupt-checksum.parquet"}

UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}
EPOCH = datetime.datetime(1970, 1, 1)


class Number:
    """A float as text: any text will do that reads back as the same value and is no longer than repr."""

    def __init__(self, value: Any, kind: Any) -> None:
        self.value, self.kind = value, kind

    def __eq__(self, other: object) -> bool:
        value = float(self.value)
        if math.isnan(value) or math.isinf(value):
            return other == ("NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity")
        if not isinstance(other, (int, float)) or isinstance(other, bool):
            return False
        again = self.kind(other)
        return bool(again == self.kind(value)) and math.copysign(1, float(other)) == math.copysign(1, value)

    def __repr__(self) -> str:
        return f"{self.value!r}"


def fraction(part: int, unit: str) -> str:
    return f".{part:0{DIGITS[unit]}}" if part else ""


def moment(value: int, unit: str, zone: bool) -> Any:
    seconds, part = divmod(value, UNITS[unit])
    try:
        text = (EPOCH + datetime.timedelta(seconds=seconds)).isoformat()
    except OverflowError:
        return value
    return text + fraction(part, unit) + ("Z" if zone else "")


def day(value: int) -> Any:
    try:
        return (EPOCH.date() + datetime.timedelta(days=value)).isoformat()
    except OverflowError:
        return value


def clock(value: int, unit: str) -> Any:
    seconds, part = divmod(value, UNITS[unit])
    if not 0 <= seconds < 86400:
        return value
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}" + fraction(part, unit)


def text(value: bytes) -> Any:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"hex": value.hex()}


def leaves(array: Any) -> list[Any]:
    kind = array.type
    is_ = pa.types
    if is_.is_date32(kind):
        return [v if v is None else day(v) for v in array.view(pa.int32()).to_pylist()]
    if is_.is_date64(kind):
        return [v if v is None else day(v // 86_400_000) for v in array.view(pa.int64()).to_pylist()]
    if is_.is_time(kind):
        whole = array.view(pa.int32() if is_.is_time32(kind) else pa.int64()).to_pylist()
        return [v if v is None else clock(v, kind.unit) for v in whole]
    if is_.is_timestamp(kind):
        return [
            v if v is None else moment(v, kind.unit, kind.tz is not None) for v in array.view(pa.int64()).to_pylist()
        ]
    if is_.is_duration(kind):
        return list(array.view(pa.int64()).to_pylist())
    if is_.is_floating(kind):
        as_ = {16: np.float16, 32: np.float32, 64: np.float64}[kind.bit_width]
        return [v if v is None else Number(v, as_) for v in array.to_pylist()]
    if is_.is_decimal(kind):
        return [v if v is None else f"{v:f}" for v in array.to_pylist()]
    if is_.is_string(kind) or is_.is_large_string(kind):
        return [v if v is None else text(v) for v in array.cast(pa.large_binary()).to_pylist()]
    if is_.is_binary(kind) or is_.is_large_binary(kind) or is_.is_fixed_size_binary(kind):
        return [v if v is None else {"hex": v.hex()} for v in array.to_pylist()]
    return list(array.to_pylist())


def values(array: Any) -> list[Any]:
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        return values(array.storage)
    if pa.types.is_dictionary(kind):
        return values(array.dictionary_decode())
    if pa.types.is_struct(kind):
        names = [kind.field(i).name for i in range(kind.num_fields)]
        rows = list(zip(*[values(array.field(i)) for i in range(kind.num_fields)], strict=True))
        found = [rows_of(names, row) for row in rows] if rows else [{}] * len(array)
        return [v if ok else None for v, ok in zip(found, array.is_valid().to_pylist(), strict=True)]
    if not pa.types.is_nested(kind):
        return leaves(array)
    lists: list[Any] = []
    for scalar in array:
        if not scalar.is_valid:
            lists.append(None)
        elif pa.types.is_map(kind):
            pairs = scalar.values
            lists.append([list(p) for p in zip(values(pairs.field(0)), values(pairs.field(1)), strict=True)])
        else:
            lists.append(values(scalar.values))
    return lists


def rows_of(names: list[str], row: tuple[Any, ...]) -> Any:
    if len(set(names)) == len(names):
        return dict(zip(names, row, strict=True))
    return [list(pair) for pair in zip(names, row, strict=True)]


def rendered(table: Any) -> list[Any]:
    columns = [
        values(column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)) for column in table.columns
    ]
    return [rows_of(table.column_names, row) for row in zip(*columns, strict=True)]


def compare(meseta: Any, path: pathlib.Path, table: Any) -> None:
    lines = meseta("cat", path, "--as", "jsonl").stdout.decode().split("\n")[:-1]
    want = rendered(table)
    assert len(lines) == table.num_rows
    for line, row in zip(lines, want, strict=True) if table.num_columns else []:
        found = json.loads(line)
        if isinstance(row, dict):
            assert list(found) == list(row)
        assert row == found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(CORPUS)))
def test_corpus(meseta: Any, path: pathlib.Path) -> None:
    if path.name in OTHERWISE:
        pytest.skip("pyarrow reads it otherwise")
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        pytest.skip(f"pyarrow: {error}")
    if table.num_rows * max(table.num_columns, 1) > 60_000:
        pytest.skip("large")
    compare(meseta, path, table)


def test_extremes(meseta: Any, tmp_path: pathlib.Path) -> None:
    big = [-(2**63), 2**63 - 1, 0, None]
    table = pa.table(
        {
            "i": pa.array(big, "int64"),
            "u": pa.array([2**64 - 1, 2**53 + 1, 0, None], "uint64"),
            "f": pa.array([5e-324, 1.7976931348623157e308, -0.0, math.nan]),
            "g": pa.array([0.1, 3.4028235e38, math.inf, -math.inf], "float32"),
            "h": pa.array([np.float16(0.1), np.float16(65504), None, np.float16("nan")], "float16"),
            "d": pa.array(
                [decimal.Decimal("0.000001"), decimal.Decimal("-99999999999999999999999999999999.999999"), None, 0],
                pa.decimal128(38, 6),
            ),
            "D": pa.array([decimal.Decimal(10) ** 75, None, 1, -1], pa.decimal256(76, 0)),
            "day": pa.array([-719162, 2932896, 2932897, -719163], "int32").view("date32"),
            "s": pa.array([-62135596800, 253402300799, 253402300800, None], "int64").view("timestamp[s]"),
            "ns": pa.array([1, -1, 10**9, 2**63 - 1], "int64").view(pa.timestamp("ns", "Europe/Berlin")),
            "ms": pa.array([-1, 1000, 86_399_999, None], "int64").view(pa.timestamp("ms")),
            "t": pa.array([0, 86_399_999_999, 1, 1_000_000], "int64").view("time64[us]"),
            "span": pa.array(big, "int64").view("duration[ns]"),
            "text": ["", '\x00\x1f\u2028"\\/', "😀", None],
            "bytes": [b"", b"\x00\xff", None, b"text"],
            "map": pa.array([[("a", 1)], [], None, [("a", None), ("a", 2)]], pa.map_("string", "int8")),
            "few": pa.array(["x", None, "y", "x"]).dictionary_encode(),
            "lists": pa.array([[[1], None, []], [], None, [[None]]], pa.list_(pa.list_(pa.int8()))),
            "null": pa.nulls(4),
        }
    )
    target = tmp_path / "x.parquet"
    pq.write_table(table, target)
    compare(meseta, target, pq.read_table(target))


def test_floats_are_shortest(meseta: Any, tmp_path: pathlib.Path) -> None:
    rng = np.random.default_rng(1)
    bits = rng.integers(0, 2**64, 3000, dtype=np.uint64)
    halves = np.arange(0, 2**16, 7, dtype=np.uint16).view(np.float16)
    for wide, kind in (
        (bits.view(np.float64), np.float64),
        (bits.astype(np.uint32).view(np.float32), np.float32),
        (halves, np.float16),
        (np.array([5e-324, 1e23, 0.1, 1e22, 123456789012345680.0, 2.5e-323]), np.float64),
        (np.array([1e-45, 0.1, 16777216, 3.4e38], np.float32), np.float32),
    ):
        values_ = wide[np.isfinite(wide)]
        target = tmp_path / "x.parquet"
        pq.write_table(pa.table({"x": values_}), target)
        lines = meseta("cat", target, "--as", "jsonl").stdout.decode().splitlines()
        for line, value in zip(lines, values_, strict=True):
            found = line[5:-1]
            assert kind(found) == value
            digits = len(found.lower().split("e")[0].lstrip("-").replace(".", "").strip("0"))
            best = np.format_float_scientific(value, unique=True, trim="-").split("e")[0].lstrip("-").replace(".", "")
            assert digits <= max(len(best.strip("0")), 1) + 2 * (kind is np.float16), (found, best)


def test_repeated_names(meseta: Any, tmp_path: pathlib.Path) -> None:
    target = tmp_path / "x.parquet"
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array(["x"])], names=["a", "a"]), target)
    assert meseta("cat", target, "--as", "jsonl").stdout == b'[["a",1],["a","x"]]\n'
    inner = pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], names=["b", "b"])
    pq.write_table(pa.table({"s": inner}), target)
    assert meseta("cat", target, "--as", "jsonl").stdout == b'{"s":[["b",1],["b",2]]}\n'
