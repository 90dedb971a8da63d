"""Exactness over the corpus beside the tree: every case, in few and many slices, against independent parsers."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import pathlib
import re
import subprocess
import zlib
from collections.abc import Iterable
from typing import Any

import package_support as support
import pytest

import meseta

CORPUS = support.SHARED / "corpus"
if not (CORPUS / "slicing").is_dir():
    pytest.skip(f"no corpus: {CORPUS} is not there (MESETA_SHARED names its folder)", allow_module_level=True)

FORMATS = ("text", "csv", "fasta", "fastq", "vcf", "gztext")
CASES = sorted(p.parent for f in FORMATS for p in (CORPUS / "slicing" / f).glob("*/expected.json"))
csv.field_size_limit(2**31 - 1)


def plain(path: pathlib.Path) -> bytes:
    """The decompressed object, by the system's own programs."""
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        return gzip.decompress(data)
    if data[:4] in (b"\x28\xb5\x2f\xfd", b"\x50\x2a\x4d\x18", b"\x5e\x2a\x4d\x18"):
        return subprocess.run(["zstd", "-dcq", path], stdout=subprocess.PIPE, check=True).stdout
    return data


def open_case(path: pathlib.Path, place: pathlib.Path, format: str, expected: dict[str, Any]) -> meseta.Source:
    dialect: dict[str, Any] = {}
    if format == "csv":
        given = expected.get("dialect", {})
        names = {"delimiter": "delimiter", "quotechar": "quote", "escapechar": "escape"}
        dialect = {names[k]: v for k, v in given.items() if k in names}
        if given.get("quoting") == csv.QUOTE_NONE:
            dialect["quote"] = ""
    return meseta.open(path, format=format, index_at=place, **dialect)


# ---- independent parsers: bytes of one slice → records ---------------------------------------------------------------


def lines_of(data: bytes) -> list[bytes]:
    lines = data.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    return [line[:-1] if line.endswith(b"\r") else line for line in lines]


def fasta_of(data: bytes) -> list[list[str]]:
    found: list[list[str]] = []
    for line in lines_of(data):
        if line.startswith(b">"):
            name, _, rest = (
                line[1:].decode().partition(" ")
                if b"\t" not in line.split(b" ")[0]
                else line[1:].decode().partition("\t")
            )
            found.append([name, rest, ""])
        elif line.strip():
            found[-1][2] += line.decode().replace(" ", "").strip()
    return found


def fastq_of(data: bytes) -> list[list[str]]:
    """Multi-line reads too: qualities end when they are as long as the bases."""
    lines, at, found = [line.decode() for line in lines_of(data)], 0, []
    while at < len(lines):
        if lines[at] == "":
            at += 1
            continue
        title, at = lines[at], at + 1
        assert title.startswith("@")
        bases = ""
        while not lines[at].startswith("+"):
            bases, at = bases + lines[at], at + 1
        at, quality = at + 1, ""
        while len(quality) < len(bases):
            quality, at = quality + lines[at], at + 1
        found.append([title[1:], bases, quality])
    return found


def csv_of(data: bytes, dialect: dict[str, Any]) -> list[list[str]]:
    text = io.StringIO(data.decode("utf-8-sig"), newline="")
    return [row for row in csv.reader(text, **dialect) if row]


# ---- corpus/slicing --------------------------------------------------------------------------------------------------


def check_records(expected: dict[str, Any], pieces: list[bytes], strategy: str | None = None) -> None:
    """Each slice parsed by itself; their records joined are the file's."""
    format = expected["format"]
    if format == "text":
        if strategy == "words":
            found: list[Any] = [word for p in pieces for word in re.findall(rb"[^ \t\r\n]+", p)]
            wanted = (
                [bytes.fromhex(w) for w in expected["words_hex"]]
                if "words_hex" in expected
                else [w.encode() for w in expected["words"]]
            )
        else:
            found = [line for p in pieces for line in lines_of(p)]
            wanted = (
                [bytes.fromhex(r) for r in expected["records_hex"]]
                if "records_hex" in expected
                else [r.encode() for r in expected["records"]]
            )
        assert found == wanted
    elif format == "gztext":
        found = [line for p in pieces for line in p.removesuffix(b"\n").split(b"\n")]
        assert hashlib.sha256(b"\0".join(found)).hexdigest() == expected["sha256_lines"]
    elif format == "csv":
        rows = [row for p in pieces for row in csv_of(p, expected.get("dialect", {}))]
        header = expected.get("header")
        assert rows == ([header] if header is not None else []) + expected["records"]
    elif format == "fasta":
        assert [r for p in pieces for r in fasta_of(p)] == expected["records"]
    elif format == "fastq":
        assert [r for p in pieces for r in fastq_of(p)] == expected["records"]
    elif format == "vcf":
        lines = [line.decode() for p in pieces for line in lines_of(p)]
        assert [line for line in lines if line.startswith("#")] == expected["header"]
        assert [line for line in lines if not line.startswith("#")] == expected["records"]


def check_cut(
    source: meseta.Source, n: int, whole: bytes, records: int | None, strategy: str | None = None
) -> list[bytes]:
    slices = source.slices(n, strategy=strategy)
    assert len(slices) <= n
    pieces = [s.read() for s in slices]
    assert b"".join(pieces) == whole
    for piece, data in zip(slices, pieces, strict=True):
        assert piece.bytes in (None, len(data))
        assert data or strategy, "an empty slice; where cuts between checkpoints are found by reading, they may be"
    if records is not None and all(s.records is not None for s in slices):
        assert sum(s.records or 0 for s in slices) == records
    return pieces


@pytest.mark.parametrize("case", CASES, ids=lambda p: f"{p.parent.name}-{p.name}")
def test_slicing_case(case: pathlib.Path, tmp_path: pathlib.Path) -> None:
    expected = json.loads((case / "expected.json").read_text())
    path = case / expected.get("input", next(p.name for p in case.glob("input*")))
    format = {"gztext": "text"}.get(expected["format"], expected["format"])
    if expected["status"] == "reject":
        with pytest.raises(meseta.Error, match=re.escape(path.name)) as caught:
            source = open_case(path, tmp_path, format, expected)
            source.index()
        assert not list(tmp_path.rglob("*.meseta"))
        assert isinstance(caught.value, (meseta.CorruptError, meseta.UnsupportedError))
        return
    whole, records = plain(path), expected["n_records"]
    source = open_case(path, tmp_path, format, expected)
    many = records > 1000  # then one slice a record takes its time and tells no more
    assert source.index(spacing="8Ki" if many else "256")["records"] == records
    for n in sorted({n for n in (*support.CUTS, *expected["ns"], records + 3) if n < 1000}):
        check_records(expected, check_cut(source, n, whole, records))
    for each in (records // 9, 1777, records + 1) if many else (1, 7, records + 1):
        pieces = source.slices(records=each)
        if pieces and records:
            assert [s.records for s in pieces] == [each] * (records // each) + [records % each] * (records % each > 0)
        check_records(expected, [s.read() for s in pieces])
    if format == "text" and expected["format"] == "text":
        for n in expected["ns"]:
            check_records(expected, check_cut(source, n, whole, None, "words"), "words")
    if format == "fasta":
        for n in expected["ns"]:
            check_cut(source, n, whole, None, "residues")


@pytest.mark.parametrize(
    "case", [c for c in CASES if c.parent.name in ("fasta", "vcf")], ids=lambda p: f"{p.parent.name}-{p.name}"
)
def test_slicing_queries(case: pathlib.Path, tmp_path: pathlib.Path) -> None:
    expected = json.loads((case / "expected.json").read_text())
    queries = expected.get("queries", [])
    if not queries or expected["status"] == "reject":
        pytest.skip("no queries")
    path = case / expected.get("input", next(p.name for p in case.glob("input*")))
    source = open_case(path, tmp_path, expected["format"], expected)
    if not any(case.glob("*.tbi")) and not any(case.glob("*.csi")) and not any(case.glob("*.fai")):
        source.index(spacing="256")
    for query in queries:
        pieces = [s.read() for s in source.slices(region=query["region"])]
        if expected["format"] == "fasta":
            lines = [line for p in pieces for line in lines_of(p)]
            assert "".join(line.decode() for line in lines if not line.startswith(b">")) == query["sequence"], query[
                "region"
            ]
        else:
            lines = [line for p in pieces for line in lines_of(p) if not line.startswith(b"#")]
            assert [line.decode() for line in lines] == query["records"], query["region"]


@pytest.mark.parametrize(
    "case",
    [c for c in CASES if c.parent.name in ("csv", "fasta", "fastq", "vcf", "text")],
    ids=lambda p: f"{p.parent.name}-{p.name}",
)
def test_slicing_arrow(case: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """Rows of all slices as Arrow are the expected records."""
    pyarrow = pytest.importorskip("pyarrow")
    expected = json.loads((case / "expected.json").read_text())
    if expected["status"] == "reject":
        pytest.skip("broken on purpose")
    if "records_hex" in expected:
        pytest.skip("not UTF-8")
    path = case / expected.get("input", next(p.name for p in case.glob("input*")))
    source = open_case(path, tmp_path, expected["format"], expected)
    source.index(spacing="256")
    options: dict[str, Any] = {"csv": {"schema": "text"}, "vcf": {"genotypes": True}}.get(expected["format"], {})
    slices = source.slices(5)
    if not slices:
        assert expected["n_records"] == 0
        return
    found = pyarrow.concat_tables(pyarrow.table(s.arrow(**options)) for s in slices)
    found.validate(full=True)
    assert found.num_rows == expected["n_records"]
    rows: Iterable[tuple[Any, ...]] = zip(*(column.to_pylist() for column in found.columns), strict=True)
    if expected["format"] == "text":
        assert [row[0] for row in rows] == expected["records"]
    elif expected["format"] == "csv":
        assert [["" if cell is None else cell for cell in row] for row in rows] == expected["records"]
    elif expected["format"] == "fasta":
        wanted = [tuple(record) for record in expected["records"]]
        assert (
            list(
                zip(
                    *(
                        ["" if v is None else v for v in found[n].to_pylist()]
                        for n in ("name", "description", "sequence")
                    ),
                    strict=True,
                )
            )
            == wanted
        )
    elif expected["format"] == "fastq":
        titles = [r[0] for r in expected["records"]]
        assert found["name"].to_pylist() == [re.split(r"[ \t]", t, maxsplit=1)[0] for t in titles]
        assert [list(r) for r in zip(found["sequence"].to_pylist(), found["quality"].to_pylist(), strict=True)] == [
            r[1:] for r in expected["records"]
        ]
    elif expected["format"] == "vcf":
        check_variants(found, expected)


def check_variants(found: Any, expected: dict[str, Any]) -> None:
    """The fixed columns of VCF by name, as the lines say them: "." is null, lists are lists."""

    def cells(column: int) -> list[str | None]:
        return [None if (cell := line.split("\t")[column]) == "." else cell for line in expected["records"]]

    def parts(column: int, between: str) -> list[list[str] | None]:
        return [None if cell is None else cell.split(between) for cell in cells(column)]

    for i, name in ((0, "CHROM"), (2, "ID"), (3, "REF")):
        assert found[name].to_pylist() == cells(i), name
    assert found["POS"].to_pylist() == [int(cell or "0") for cell in cells(1)]
    assert found["ALT"].to_pylist() == parts(4, ",")
    assert found["QUAL"].to_pylist() == [None if cell is None else float(cell) for cell in cells(5)]
    assert found["FILTER"].to_pylist() == parts(6, ";")
    depths = [re.search(r"(?:^|;)DP=(\d+)", line.split("\t")[7]) for line in expected["records"]]
    if any(depths):
        assert [row["DP"] for row in found["INFO"].to_pylist()] == [None if m is None else int(m[1]) for m in depths]
    samples = expected["header"][-1].split("\t")[9:]
    if samples and "genotypes" in found.column_names:
        genotypes = found["genotypes"].to_pylist()
        for row, line in zip(genotypes, expected["records"], strict=True):
            keys, calls = line.split("\t")[8].split(":"), [call.split(":") for call in line.split("\t")[9:]]
            assert row["GT"] == [call[keys.index("GT")] for call in calls]


# ---- corpus/files ----------------------------------------------------------------------------------------------------

FILES = sorted(
    p.with_name(p.name.removesuffix(".expected.json"))
    for f in ("text", "csv", "fasta", "fastq", "vcf", "gzip")
    for p in (CORPUS / "files" / f).rglob("*.expected.json")
)
KINDS = {"gzip": "text"}


def notes(folder: pathlib.Path) -> dict[str, str]:
    """NOTES.md: file → what a reader should do."""
    rows = re.findall(r"^\| (\S+) \| [^|]* \| ([^|]*) \|", (folder / "NOTES.md").read_text(), re.MULTILINE)
    return dict(rows)


BAD = {
    f / name: should
    for f in CORPUS.glob("files/*/bad")
    if (f / "NOTES.md").exists()
    for name, should in notes(f).items()
}


FAIR = {  # files whose note asks for a refusal, and that are rightly read all the same
    "complex_unterminated_quote.csv": "its quote is a letter, which nobody told us",
    "noroundtrip.vcf": "a key stands twice in FORMAT: the line is passed on as it is",
    "passed_compressed.vcf.gz": "nothing is wrong with it",
}


def ident(path: pathlib.Path) -> str:
    return str(path.relative_to(CORPUS / "files"))


@pytest.mark.parametrize(
    "path",
    [p for p in FILES if "bad" not in p.relative_to(CORPUS).parts and p.suffix not in (".bcf", ".zip")],
    ids=ident,
)
def test_good_file(path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    expected = json.loads(path.with_name(path.name + ".expected.json").read_text())
    kind = path.relative_to(CORPUS / "files").parts[0]
    format = KINDS.get(kind, kind)
    refused = bool(expected.get("refused"))
    dialect: dict[str, Any] = {}
    if format == "csv" and expected.get("delimiter"):
        dialect["delimiter"] = expected["delimiter"]
    source = None
    try:
        source = meseta.open(path, format=format, index_at=tmp_path, **dialect)
        report = source.index(spacing="4Ki")
    except meseta.UnsupportedError as error:
        assert "UTF-16" in str(error) or "UTF-32" in str(error), error
        return
    except meseta.CorruptError:
        assert refused or may_be_refused(path, expected), "a good file was refused"
        return
    whole = plain(path)
    records = report["records"]
    for n in (1, 2, 7, 50, records + 3 if records < 100 else 77):
        pieces = check_cut(source, n, whole, records)
    if format == "text" and "lines" in expected:
        assert records == expected["lines"]
    elif kind in ("fasta", "fastq") and not refused:
        assert records == expected["records"]
    elif kind == "vcf" and not refused:
        assert records == expected["body_lines"]
    elif kind == "csv" and '"' in dialect.get("quote", '"'):
        form: dict[str, Any] = {"delimiter": expected.get("delimiter", ",")}
        encoding = "utf-8-sig" if expected.get("utf8", True) else "latin-1"
        read = lambda data: [r for r in csv.reader(io.StringIO(data.decode(encoding), newline=""), **form) if r]  # noqa: E731
        assert [row for p in pieces for row in read(p)] == read(whole)


def may_be_refused(path: pathlib.Path, expected: dict[str, Any]) -> bool:
    """Good for the field's tool, yet against the rules that we hold: said case by case."""
    features = set(expected.get("features", ()))
    return (
        bool(features & {"nul-bytes", "ragged", "quote-open-at-end", "broken"})
        or bool(expected.get("strict"))
        or path.name == "a-bgzf-without-eof-block.gz"
    )


@pytest.mark.parametrize(
    "path",
    [
        p
        for p in BAD
        if p.relative_to(CORPUS / "files").parts[0] in ("text", "csv", "fasta", "fastq", "vcf", "gzip") and p.exists()
    ],
    ids=ident,
)
def test_bad_file(path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """What must be refused is; of the rest nothing is lost. Never a crash."""
    should = BAD[path]
    kind = path.relative_to(CORPUS / "files").parts[0]
    try:
        source = meseta.open(path, format=KINDS.get(kind, kind), index_at=tmp_path)
        source.index(spacing="4Ki")
        pieces = [s.read() for s in source.slices(5)]
    except meseta.Error as error:
        assert path.name in str(error) or path.name in str(error.key)
        assert isinstance(error, (meseta.CorruptError, meseta.UnsupportedError, meseta.LimitError)), repr(error)
        assert not list(tmp_path.rglob("*.meseta")) or isinstance(error, meseta.CorruptError)
        return
    if path.name not in FAIR:
        assert not should.startswith("refuse") or "hand over bytes" in should, f"read, although: {should}"
    try:
        whole = plain(path)
    except (OSError, EOFError, zlib.error):
        return
    assert b"".join(pieces) == whole
