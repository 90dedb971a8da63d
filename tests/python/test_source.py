"""open, index, slices, show, verify, export, glob, configure, formats: what they give and what they refuse."""

from __future__ import annotations

import gzip
import hashlib
import os
import pathlib
import random
import threading

import package_support as support
import pytest

import meseta


def checksum(path: pathlib.Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def genes(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "genes.fa"
    path.write_text("".join(f">g{i} some gene\n" + "ACGT" * (i % 9 + 1) + "\n" for i in range(500)))
    return path


def test_url_as_text_bytes_path_and_file_url(genes: pathlib.Path) -> None:
    wanted = genes.as_uri()
    for given in (str(genes), os.fsencode(genes), genes, wanted, os.path.relpath(genes)):
        assert meseta.open(given).url == wanted


def test_file_name_that_is_no_utf8(tmp_path: pathlib.Path) -> None:
    path = os.path.join(os.fsencode(tmp_path), b"n\xe4me.txt")
    with open(path, "wb") as file:
        file.write(b"a\nb\n")
    with pytest.raises(meseta.UnsupportedError, match="UTF-8"):
        meseta.open(path).index()
    assert os.listdir(os.fsencode(tmp_path)) == [b"n\xe4me.txt"]


@pytest.mark.parametrize(
    "name",
    [
        "with blanks",
        "a+b",
        "100%",
        "%41",
        "what?",
        "a#b",
        "[x]",
        "a*b",
        "früh",
        "日本",
        "e\u0301",
        "-x",
        "a:b",
        "'q\"",
        "x" * 200,
    ],
)
def test_awkward_names(tmp_path: pathlib.Path, name: str) -> None:
    path = tmp_path / name / f"{name[:200]}.txt"
    path.parent.mkdir()
    path.write_bytes(b"a\nb\n")
    source = meseta.open(path)
    assert source.index()["records"] == 2
    assert [meseta.Slice.from_json(s.to_json()).read() for s in source.slices(2)] == [b"a\n", b"b\n"]
    if not set(name) & set("*?["):
        assert [again.url for again in meseta.glob(f"{path.parent}/")] == [source.url]


def test_formats_are_found_by_name_and_by_content(tmp_path: pathlib.Path) -> None:
    texts = {
        "fasta": b">a\nACGT\n",
        "fastq": b"@a\nAC\n+\nII\n",
        "vcf": b"##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n1\t1\t.\tA\tC\t.\t.\t.\n",
        "csv": b"a,b\n1,2\n3,4\n",
        "text": b"some words\n",
    }
    names = {"fasta": "x.fa", "fastq": "x.fq", "vcf": "x.vcf", "csv": "x.csv", "text": "x.txt"}
    for format, data in texts.items():
        for name in (names[format], names[format] + ".gz"):
            path = tmp_path / name
            path.write_bytes(gzip.compress(data) if name.endswith("gz") else data)
            assert meseta.open(path).format == format, name
    for format in ("fasta", "fastq", "vcf"):
        path = tmp_path / f"{format}-by-content"
        path.write_bytes(texts[format])
        assert meseta.open(path).format == format
    assert meseta.open(tmp_path / "x.fa", format="text").format == "text"


def test_index_once(genes: pathlib.Path) -> None:
    source = meseta.open(genes)
    assert source.show()["index"]["state"] == "none"
    report = source.index()
    assert (report["done"], report["records"], report["plain_bytes"]) == ("indexed", 500, genes.stat().st_size)
    assert pathlib.Path(f"{genes}.meseta").exists()
    assert source.index()["done"] == "fresh"
    assert meseta.open(genes).index()["done"] == "fresh"
    assert source.index(force=True)["done"] == "indexed"
    assert source.show()["index"]["state"] == "fresh"


def test_slices_before_index_name_the_command(genes: pathlib.Path) -> None:
    with pytest.raises(meseta.NotFoundError, match=r"meseta index") as caught:
        meseta.open(genes).slices(3)
    assert str(genes) in str(caught.value)
    assert isinstance(caught.value, FileNotFoundError)
    assert isinstance(caught.value, KeyError)


def test_dry_run_writes_nothing(genes: pathlib.Path) -> None:
    report = meseta.open(genes).index(dry_run=True)
    assert report["done"] == "dry-run"
    assert report["reads"] == genes.stat().st_size
    assert sorted(os.listdir(genes.parent)) == ["genes.fa"]


def test_index_elsewhere(genes: pathlib.Path, tmp_path: pathlib.Path) -> None:
    place = tmp_path / "indexes"
    source = meseta.open(genes, index_at=place)
    source.index()
    assert not pathlib.Path(f"{genes}.meseta").exists()
    assert source.index_url.startswith(place.as_uri())
    assert b"".join(s.read() for s in source.slices(4)) == genes.read_bytes()
    with pytest.raises(meseta.NotFoundError):
        meseta.open(genes).slices(2)


@pytest.mark.parametrize("n", [1, 2, 3, 7, 50, 600])
def test_slices_by_number(genes: pathlib.Path, n: int) -> None:
    source = meseta.open(genes)
    source.index()
    slices = source.slices(n)
    assert 0 < len(slices) <= n
    assert b"".join(s.read() for s in slices) == genes.read_bytes()
    assert sum(s.records or 0 for s in slices) == 500
    assert all(s.bytes in (None, len(s.read())) for s in slices)  # borders between checkpoints have no known place
    assert all(s.read().startswith(b">") for s in slices)


def test_slices_by_records_and_size(genes: pathlib.Path) -> None:
    source = meseta.open(genes)
    source.index()
    assert [s.records for s in source.slices(records=150)] == [150, 150, 150, 50]
    by_size = source.slices(size="4k")
    assert b"".join(s.read() for s in by_size) == genes.read_bytes()
    assert len(by_size) == pytest.approx(genes.stat().st_size / 4000, rel=0.5)
    assert len(source.slices()) == 1


def test_spacing_changes_the_index_but_not_the_slices(fastq: pathlib.Path) -> None:
    source = meseta.open(fastq)
    coarse = source.index()["checkpoints"]
    fine = source.index(force=True, spacing="64Ki")["checkpoints"]
    assert fine > coarse
    assert sum(support.count_reads(s) for s in source.slices(9)) == 10_000


def test_changed_source_is_refused(genes: pathlib.Path) -> None:
    source = meseta.open(genes)
    source.index()
    piece = source.slices(2)[1]
    genes.write_bytes(genes.read_bytes() + b">new\nA\n")
    with pytest.raises(meseta.ChangedError, match=r"genes\.fa"):
        piece.read()
    with pytest.raises(meseta.ChangedError, match=r"genes\.fa"):
        meseta.open(genes).slices(2)
    assert meseta.open(genes).show()["index"]["state"] == "stale"
    assert meseta.open(genes).index()["records"] == 501


def test_region(genes: pathlib.Path) -> None:
    source = meseta.open(genes)
    source.index()
    (piece,) = source.slices(region="g7:3-10")
    lines = list(piece.lines())
    assert lines[0].startswith(">g7")
    assert "".join(lines[1:]) == ("ACGT" * 8)[2:10]


def test_several_regions(genes: pathlib.Path, tmp_path: pathlib.Path) -> None:
    source = meseta.open(genes)
    source.index()
    asked = ["g3", "g5:2-7", "g499:1-4"]
    slices = source.slices(region=asked)
    assert [s.read() for s in slices] == [source.slices(region=one)[0].read() for one in asked]
    assert [s.read() for s in source.slices(region=" ".join(asked))] == [s.read() for s in slices]
    with pytest.raises(meseta.ArgumentError, match="without blanks"):
        source.slices(region=["g1 g2"])
    with pytest.raises(meseta.ArgumentError, match="empty"):
        source.slices(region=[])
    with pytest.raises(meseta.ArgumentError, match="must be text"):
        source.slices(region=[3])  # type: ignore[list-item]
    variants = tmp_path / "v.vcf"
    lines = [f"1\t{i * 10}\t.\t{'A' * 30}\tT\t.\t.\t.\n" for i in range(1, 200)]
    variants.write_text("##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n" + "".join(lines))
    source = meseta.open(variants)
    source.index(spacing=256)
    both = source.slices(region=["1:100-150", "1:1000-1001"])
    assert [s.read().decode() for s in both] == ["".join(lines[7:15]), "".join(lines[97:100])]
    alone = source.slices(4, region="1:100-1100")
    shared = source.slices(4, region="1:100-1100", overlap=True)
    assert "".join(s.read().decode() for s in alone) == "".join(lines[7:110])
    assert len(shared) == len(alone) == 4
    assert sum(len(list(s.lines())) for s in shared) > 103
    with pytest.raises(meseta.ArgumentError, match="overlap"):
        source.slices(region="1", overlapping=True)


def test_residues(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "one.fa"
    path.write_text(">chr1 long\n" + "\n".join("ACGTTGCAAC" * 6 for _ in range(2000)) + "\n>chr2\nAC\n")
    source = meseta.open(path)
    source.index(spacing="4Ki")
    slices = source.slices(10, strategy="residues")
    assert len(slices) > 5
    assert b"".join(s.read() for s in slices) == path.read_bytes()
    at = 0
    for piece in slices:
        if piece.record == "chr1" and not piece.read().startswith(b">"):
            assert piece.offset == at
        at += sum(len(line) for line in piece.lines() if not line.startswith(">"))
    assert slices[0].offset in (None, 0)
    assert slices[0].record == "chr1"


def test_progress_is_told_in_the_calling_thread(fastq: pathlib.Path) -> None:
    seen: list[tuple[int, int]] = []
    threads: set[int] = set()

    def progress(done: int, total: int) -> None:
        seen.append((done, total))
        threads.add(threading.get_ident())

    meseta.open(fastq).index(progress=progress)
    size = fastq.stat().st_size
    assert seen[-1] == (size, size)
    assert seen == sorted(seen)
    assert threads == {threading.get_ident()}


def test_progress_bar_like_tqdm(fastq: pathlib.Path) -> None:
    class Bar:
        total = None
        n = 0

        def update(self, more: int) -> None:
            self.n += more

    bar = Bar()
    meseta.open(fastq).index(progress=bar)
    assert bar.n == bar.total == fastq.stat().st_size
    bar = Bar()
    meseta.open(fastq).index(
        force=True, progress=bar, parallel={"backend": "threading", "n_jobs": 2}, chunk_size="64Ki"
    )
    assert bar.n == bar.total == fastq.stat().st_size


def test_progress_true_draws_on_the_error_stream(fastq: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tqdm")
    meseta.open(fastq).index(progress=True)
    said = capsys.readouterr()
    assert "100%" in said.err
    assert said.out == ""


def test_what_progress_raises_stops_the_work(fastq: pathlib.Path) -> None:
    def progress(done: int, total: int) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        meseta.open(fastq).index(progress=progress)
    with pytest.raises(meseta.ArgumentError, match="progress"):
        meseta.open(fastq).index(progress=7)


@pytest.mark.parametrize("backend", ["threading", "loky", "multiprocessing"])
def test_joblib_index_is_the_same_bytes(fastq: pathlib.Path, backend: str) -> None:
    pytest.importorskip("joblib")
    plain = fastq.with_suffix("")  # plain text can be cut into pieces, a .gz of two members cannot
    plain.write_bytes(gzip.decompress(fastq.read_bytes()))
    index = pathlib.Path(f"{plain}.meseta")
    source = meseta.open(plain)
    source.index(parallel=1, spacing="64Ki")
    serial = checksum(index)
    index.unlink()
    source.index(parallel=2, spacing="64Ki")
    assert checksum(index) == serial
    for chunk in ("100k", "1M"):
        index.unlink()
        report = source.index(parallel={"backend": backend, "n_jobs": 2}, chunk_size=chunk, spacing="64Ki")
        assert report["records"] == 10_000
        assert checksum(index) == serial
    assert source.index(parallel={"backend": backend, "n_jobs": 2})["done"] == "fresh"


@pytest.mark.slow
def test_dask_index_is_the_same_bytes(fastq: pathlib.Path) -> None:
    distributed = pytest.importorskip("distributed")
    pytest.importorskip("joblib")
    plain = fastq.with_suffix("")
    plain.write_bytes(gzip.decompress(fastq.read_bytes()))
    index = pathlib.Path(f"{plain}.meseta")
    source = meseta.open(plain)
    source.index(spacing="64Ki")
    serial = checksum(index)
    with distributed.Client(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None):
        source.index(force=True, parallel={"backend": "dask"}, chunk_size="200k", spacing="64Ki")
    assert checksum(index) == serial


def test_parallel_settings_are_checked(genes: pathlib.Path) -> None:
    pytest.importorskip("joblib")
    text = genes.with_name("big.txt")
    text.write_bytes(b"word\n" * 1_000_000)
    source = meseta.open(text)
    with pytest.raises(meseta.ArgumentError, match="bakend"):
        source.index(parallel={"bakend": "loky"}, chunk_size="1M")
    with pytest.raises(meseta.ArgumentError, match="parallel"):
        source.index(parallel="loky")  # type: ignore[arg-type]


def test_verify(genes: pathlib.Path) -> None:
    source = meseta.open(genes)
    source.index()
    assert source.verify()
    damaged = genes.with_name("damaged.fastq.gz")
    data = bytearray(gzip.compress(support.fastq_text(2000)))
    data[len(data) // 2] ^= 0x10
    damaged.write_bytes(data)
    with pytest.raises(meseta.CorruptError, match=r"damaged\.fastq\.gz") as caught:
        meseta.open(damaged).verify()
    assert isinstance(caught.value, ValueError)


def test_damage_is_no_index(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "cut.fastq.gz"
    path.write_bytes(gzip.compress(support.fastq_text(2000))[:-9])
    with pytest.raises(meseta.CorruptError, match=r"cut\.fastq\.gz"):
        meseta.open(path).index()
    assert os.listdir(tmp_path) == ["cut.fastq.gz"]


def test_export_fai(genes: pathlib.Path) -> None:
    source = meseta.open(genes)
    source.index()
    source.export("fai")
    rows = [line.split("\t") for line in pathlib.Path(f"{genes}.fai").read_text().splitlines()]
    assert [row[0] for row in rows] == [f"g{i}" for i in range(500)]
    assert [int(row[1]) for row in rows] == [4 * (i % 9 + 1) for i in range(500)]
    with pytest.raises(meseta.Error):
        source.export("xyz")


def test_closed_source(genes: pathlib.Path) -> None:
    with meseta.open(genes) as source:
        source.index()
        piece = source.slices(1)[0]
    assert piece.read() == genes.read_bytes()
    for use in (source.index, source.slices, source.show, source.verify, lambda: source.size, source.__enter__):
        with pytest.raises(meseta.ArgumentError, match="closed"):
            use()
    assert "closed" in repr(source)
    source.close()


def test_glob(tmp_path: pathlib.Path) -> None:
    for name in ("b.fa", "a.fa", "sub/c.fa", "sub/deep/d.fa", "x.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(">x\nA\n" if name.endswith("fa") else "text\n")
    meseta.open(tmp_path / "a.fa").index()

    def names(pattern: str) -> list[str]:
        return [source.url.removeprefix(tmp_path.as_uri() + "/") for source in meseta.glob(tmp_path / pattern)]

    assert names("*.fa") == ["a.fa", "b.fa"]
    assert names("**/*.fa") == ["a.fa", "b.fa", "sub/c.fa", "sub/deep/d.fa"]
    assert names("nothing*") == []
    assert [s.url.rsplit("/", 1)[1] for s in meseta.glob(f"{tmp_path}/")] == ["a.fa", "b.fa", "c.fa", "d.fa", "x.txt"]
    with pytest.raises(meseta.NotFoundError):
        meseta.glob(tmp_path / "absent.fa")


@pytest.mark.parametrize("name", ["a[1].txt", "a*.txt", "a?.txt", "[x]/a.txt"])
def test_a_file_whose_name_looks_like_a_glob(tmp_path: pathlib.Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("one\ntwo\n")
    (tmp_path / "a1.txt").write_text("other\n")
    (source,) = meseta.glob(path)
    assert source.index()["records"] == 2
    assert source.slices(1)[0].read() == b"one\ntwo\n"
    assert len(meseta.glob(tmp_path / "a[1-9].txt")) == 1


def test_csv_dialect(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("1;'a;b'\n2;'c\nd'\n3;e\n")
    source = meseta.open(path, delimiter=";", quote="'", header=False)
    assert source.index()["records"] == 3
    assert [s.read() for s in source.slices(records=1)] == [b"1;'a;b'\n", b"2;'c\nd'\n", b"3;e\n"]
    with pytest.raises(meseta.ArgumentError, match="delimiter"):
        meseta.open(path, delimitr=";").index()
    with pytest.raises(meseta.ArgumentError):
        meseta.open(path, delimiter=";;").index()


def test_wrong_arguments(genes: pathlib.Path) -> None:
    for url in (None, 7, "", object()):
        with pytest.raises(meseta.ArgumentError, match="url"):
            meseta.open(url)  # type: ignore[arg-type]
    with pytest.raises(meseta.ArgumentError, match="NUL"):
        meseta.open("a\0b")
    with pytest.raises(meseta.ArgumentError, match="encoded"):
        meseta.open("a\ud800b")
    with pytest.raises(meseta.ArgumentError, match="fasta"):
        meseta.open(genes, format="fastaa")
    with pytest.raises(meseta.ArgumentError, match="format"):
        meseta.open(genes, format=3)  # type: ignore[arg-type]
    with pytest.raises(meseta.NotFoundError, match=r"absent\.fa"):
        meseta.open(genes.with_name("absent.fa"))
    with pytest.raises(meseta.Error, match="gopher"):
        meseta.open("gopher://host/x.fa")
    with pytest.raises(meseta.Error, match="folder"):
        meseta.open(genes.parent)
    source = meseta.open(genes)
    source.index()
    for n in (0, -1, 1.5, "3", True, 2**64):
        with pytest.raises(meseta.ArgumentError, match="n must be"):
            source.slices(n)  # type: ignore[arg-type]
    for size in (0, -5, "12 parsecs", "inf", "nan", "", 1.5, True, "1e400", 2**70):
        with pytest.raises(meseta.ArgumentError, match="size must be"):
            source.slices(size=size)  # type: ignore[arg-type]
    for more in (
        {"n": 2, "records": 3},
        {"strategy": "residue"},
        {"strategy": 1},
        {"region": "g1:9-2"},
        {"where": 3},
        {"x": object()},
    ):
        with pytest.raises(meseta.ArgumentError):
            source.slices(**more)  # type: ignore[arg-type]
    with pytest.raises(meseta.NotFoundError, match="nowhere"):
        source.slices(region="nowhere:1-2")
    for bad in ({"force": 1}, {"parallel": 0}, {"spacing": "x"}, {"recover": "yes"}):
        with pytest.raises(meseta.ArgumentError):
            source.index(**bad)  # type: ignore[arg-type]


def test_numbers_of_numpy(genes: pathlib.Path) -> None:
    numpy = pytest.importorskip("numpy")
    source = meseta.open(genes)
    source.index(force=numpy.bool_(True))
    assert len(source.slices(numpy.int64(3))) == 3


def test_storage_options_are_checked(genes: pathlib.Path) -> None:
    with pytest.raises(meseta.ArgumentError, match="endpoint_url"):
        meseta.open("s3://bucket/x.fa", storage_options={"endpont_url": "http://localhost"})
    with pytest.raises(meseta.ArgumentError, match="endpoint_url"):
        meseta.open("s3://bucket/x.fa", storage_options={"client_kwargs": {"endpont_url": "http://localhost"}})
    with pytest.raises(meseta.ArgumentError, match="twice"):
        meseta.open("s3://bucket/x.fa", storage_options={"key": "a", "aws_access_key_id": "b", "secret": "c"})
    for wrong in ("text", [("a", "b")], {1: "x"}, {"region": ["x"]}):
        with pytest.raises(meseta.ArgumentError):
            meseta.open(genes, storage_options=wrong)  # type: ignore[arg-type]
    assert meseta.open(genes, storage_options={"region": None}).format == "fasta"


def test_configure(genes: pathlib.Path) -> None:
    try:
        meseta.configure(threads=1, memory="32MiB")
        source = meseta.open(genes)
        source.index()
        meseta.configure(threads=2)
        assert b"".join(s.read() for s in source.slices(3)) == genes.read_bytes()
        for wrong in ({"threads": 0}, {"memory": "lots"}, {"threads": "two"}):
            with pytest.raises(meseta.ArgumentError):
                meseta.configure(**wrong)  # type: ignore[arg-type]
    finally:
        meseta.configure()


def test_formats() -> None:
    formats = meseta.formats()
    assert {"text", "csv", "fasta", "fastq", "vcf"} <= set(formats)
    assert "residues" in formats["fasta"]["strategies"]
    assert meseta.__version__.count(".") == 2


def test_many_threads_share_a_source(genes: pathlib.Path) -> None:
    source = meseta.open(genes)
    source.index()
    wanted = genes.read_bytes()
    failures: list[object] = []

    def work(n: int) -> None:
        try:
            for _ in range(10):
                assert b"".join(s.read() for s in source.slices(n)) == wanted
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_memory_store_holds_the_index(tmp_path: pathlib.Path, genes: pathlib.Path) -> None:
    source = meseta.open(genes, index_at="memory://indexes/")
    source.index()
    assert b"".join(s.read() for s in source.slices(3)) == genes.read_bytes()
    assert os.listdir(tmp_path) == ["genes.fa"]


def test_repr_tells_no_secret(genes: pathlib.Path) -> None:
    source = meseta.open(genes, storage_options={"secret": "hush", "key": "me"})
    assert "hush" not in repr(source) + str(source.show())


@pytest.mark.parametrize("front", [500, 900_000])
@pytest.mark.parametrize("behind", [0, 300_000])
def test_gzip_behind_bgzf_is_gzip(tmp_path: pathlib.Path, front: int, behind: int) -> None:
    """Concatenated by cat: valid gzip, whatever the first member looks like."""
    text = random.Random(1).randbytes(800_000).hex().encode()
    text = b"".join(text[i : i + i % 97] + b"\n" for i in range(0, len(text), 50))
    middle = len(text) - behind
    path = tmp_path / "mixed.txt.gz"
    path.write_bytes(
        support.bgzf(text[:front])
        + gzip.compress(text[front:middle])
        + (support.bgzf(text[middle:]) if behind else b"")
    )
    for parallel in (None, {"backend": "threading", "n_jobs": 2}):
        source = meseta.open(path)
        report = (
            source.index(force=True, parallel=parallel, chunk_size="64KiB") if parallel else source.index(force=True)
        )
        assert report["container"] == "gzip"
        assert report["records"] == text.count(b"\n")
        assert b"".join(s.read() for s in source.slices(7)) == text
        assert meseta.open(path).verify()["records"] == report["records"]
    path.write_bytes(support.bgzf(text[:front]) + gzip.compress(text[front:])[:-5])
    with pytest.raises(meseta.CorruptError):
        meseta.open(path).index()
