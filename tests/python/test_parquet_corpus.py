"""Every Parquet file of the corpus gives the values that were found in it; every broken one an error that names it."""

from __future__ import annotations

import io
import json
import pathlib
from typing import Any

import package_support as support
import pytest

import meseta
import meseta.parquet

pa = pytest.importorskip("pyarrow")

CORPUS = support.SHARED / "corpus" / "files" / "parquet"
if not CORPUS.is_dir():
    pytest.skip(f"no corpus: {CORPUS} is not there (MESETA_SHARED names its folder)", allow_module_level=True)

EXPECTED = sorted(CORPUS.rglob("*.expected.jsonl"))
GOOD = [p for p in EXPECTED if "bad" not in p.relative_to(CORPUS).parts]
BAD = [p for p in EXPECTED if "bad" in p.relative_to(CORPUS).parts]


# What the trusted tool gives there is wrong, or it looks away.
REFUSED = {
    # moments of INT96 that nanoseconds since 1970 cannot tell; the tool wraps them around
    "duckdb/bug4903.parquet": "beyond what its type can hold",
    # the tool verifies checksums only where it is asked to
    "parquet-testing/rle-dict-uncompressed-corrupt-checksum.parquet": "CRC-32",
}


def name_of(path: pathlib.Path) -> str:
    return str(path.relative_to(CORPUS)).removesuffix(".expected.jsonl")


def source_of(path: pathlib.Path) -> pathlib.Path:
    return path.with_name(path.name.removesuffix(".expected.jsonl"))


# ---- values as the expected files write them -------------------------------------------------------------------------


def number(value: float | None) -> Any:
    if value is None or (value == value and abs(value) != float("inf")):
        return value
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def nested(array: Any) -> list[Any]:
    kind = array.type
    if pa.types.is_struct(kind):
        fields = [plain(array.field(i)) for i in range(kind.num_fields)]
        names = [kind.field(i).name for i in range(kind.num_fields)]
        rows = [list(row) for row in zip(*fields, strict=True)] if fields else [[] for _ in range(len(array))]
        if len(set(names)) == len(names):
            found: list[Any] = [dict(zip(names, row, strict=True)) for row in rows]
        else:
            found = [[list(pair) for pair in zip(names, row, strict=True)] for row in rows]
        return [v if ok else None for v, ok in zip(found, array.is_valid().to_pylist(), strict=True)]
    lists = []
    for i in range(len(array)):
        scalar = array[i]
        if not scalar.is_valid:
            lists.append(None)
        elif pa.types.is_map(kind):
            entries = scalar.values
            lists.append([list(p) for p in zip(plain(entries.field(0)), plain(entries.field(1)), strict=True)])
        else:
            lists.append(plain(scalar.values))
    return lists


def plain(array: Any) -> list[Any]:
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        return plain(array.storage)
    if pa.types.is_dictionary(kind):
        return plain(array.dictionary_decode())
    if pa.types.is_nested(kind):
        return nested(array)
    if pa.types.is_date32(kind) or pa.types.is_time32(kind):
        return list(array.view(pa.int32()).to_pylist())
    if pa.types.is_temporal(kind):
        return list(array.view(pa.int64()).to_pylist())
    if pa.types.is_decimal(kind):
        return [None if v is None else str(v) for v in array.to_pylist()]
    if pa.types.is_floating(kind):
        return [number(None if v is None else float(v)) for v in array.to_pylist()]
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        wide = pa.binary() if pa.types.is_string(kind) else pa.large_binary()
        texts = []
        for v in array.cast(wide).to_pylist():
            try:
                texts.append(None if v is None else v.decode())
            except UnicodeDecodeError:
                texts.append({"hex": v.hex()})
        return texts
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return [None if v is None else {"hex": v.hex()} for v in array.to_pylist()]
    return list(array.to_pylist())


def rows_of(stream: meseta.Stream, limit: int) -> list[list[Any]]:
    rows: list[list[Any]] = []
    for batch in stream:
        found = pa.record_batch(batch)
        columns = [plain(column.slice(0, limit - len(rows))) for column in found.columns]
        rows += [list(row) for row in zip(*columns, strict=True)] if columns else [[]] * found.num_rows
    return rows


def test_there_is_a_corpus() -> None:
    assert len(GOOD) > 140
    assert len(BAD) > 40


@pytest.mark.parametrize("expected", GOOD, ids=name_of)
def test_values(expected: pathlib.Path) -> None:
    with expected.open() as lines:
        head = json.loads(lines.readline())
        rows = [json.loads(line) for line in lines]
    source = source_of(expected)
    file = meseta.parquet.File(source)
    if name_of(expected) in REFUSED:
        with pytest.raises(meseta.CorruptError, match=REFUSED[name_of(expected)]):
            rows_of(file.read(), len(rows))
        return
    assert file.rows == max(head["rows"], sum(head["row_groups"]))  # one file's footer counts no rows at all
    assert file.row_groups == len(head["row_groups"])
    if head.get("refused") is not None or (not rows and head["rows"] > 0):
        file.verify()  # the tool that made the expected file could not read it: it must do no harm
        return
    found = rows_of(file.read(), len(rows))
    assert len(found) == len(rows) == head["rows_written"]
    for i, (row, want) in enumerate(zip(found, rows, strict=True)):
        assert row == want, i
    assert sum(len(batch) for batch in meseta.parquet.read(source.read_bytes())) == file.rows


@pytest.mark.parametrize("expected", BAD, ids=name_of)
def test_broken(expected: pathlib.Path) -> None:
    """An error of ours that names the file; or, where a reader may go on, the trusted tool's values."""
    with expected.open() as lines:
        head = json.loads(lines.readline())
        rows = [json.loads(line) for line in lines]
    source = source_of(expected)
    try:
        found = rows_of(meseta.parquet.read(source), max(len(rows), 1))
    except meseta.Error as error:
        assert isinstance(error, (meseta.CorruptError, meseta.UnsupportedError, meseta.LimitError)), error
        assert source.name in str(error) or source.name in str(error.key)
        if "encrypt" in source.name:
            assert "encrypt" in str(error).lower()
        return
    if head.get("refused") is None:
        assert found[: len(rows)] == rows


@pytest.mark.parametrize("expected", [p for p in GOOD[::4] if name_of(p) not in REFUSED], ids=name_of)
def test_written_again(expected: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """What is read and written is what was read, for pyarrow too."""
    parquet = pytest.importorskip("pyarrow.parquet")
    source = source_of(expected)
    if meseta.parquet.File(source).rows > 5_000:
        pytest.skip("large")
    before = meseta.parquet.read(source).arrow()
    if before.num_columns == 0:
        pytest.skip("no columns")
    target = tmp_path / "again.parquet"
    meseta.parquet.write(meseta.parquet.read(source), target)
    after = meseta.parquet.read(target).arrow()
    assert after.schema.equals(before.schema)
    assert [plain(c.combine_chunks()) for c in after.columns] == [plain(c.combine_chunks()) for c in before.columns]
    try:
        others = parquet.read_table(io.BytesIO(target.read_bytes()))
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid) as error:  # what pyarrow cannot read at all
        pytest.skip(str(error))
    assert [plain(c.combine_chunks()) for c in others.columns] == [plain(c.combine_chunks()) for c in before.columns]
