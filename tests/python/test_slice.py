"""Slices: what they read, how they print, what happens to files, threads and closed things."""

from __future__ import annotations

import copy
import gzip
import io
import json
import os
import pathlib
import stat
import threading

import package_support as support
import pytest

import meseta


@pytest.fixture
def people(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "people.csv"
    path.write_text("name,age\n" + "".join(f"p{i},{i}\n" for i in range(1000)))
    meseta.open(path).index()
    return path


@pytest.fixture
def reads(fastq: pathlib.Path) -> meseta.Source:
    source = meseta.open(fastq)
    source.index(spacing="64Ki")
    return source


def test_read_text_lines_open_agree(reads: meseta.Source) -> None:
    for piece in reads.slices(5):
        data = piece.read()
        assert piece.text() == data.decode()
        assert list(piece.lines()) == data.decode().split("\n")[:-1]
        with piece.open() as file:
            assert isinstance(file, io.BufferedReader)
            assert file.read() == data
        with piece.open() as file:
            assert b"".join(iter(lambda: file.read(777), b"")) == data
            assert file.read(1) == b""
        with piece.open() as file:
            assert file.readline() == data[: data.index(b"\n") + 1]


def test_lines_keep_what_is_no_line_end(tmp_path: pathlib.Path) -> None:
    data = "a\r\nb\u2028c\x85d\re\x0bf\n\n  g".encode()
    path = tmp_path / "x.txt"
    path.write_bytes(data)
    source = meseta.open(path)
    source.index()
    (piece,) = source.slices(1)
    assert list(piece.lines()) == ["a", "b\u2028c\x85d\re\x0bf", "", "  g"]
    path.write_bytes(b"\xe4\xff broken\n")
    source = meseta.open(path, format="text")
    source.index(force=True)
    (piece,) = source.slices(1)
    with pytest.raises(UnicodeDecodeError):
        piece.text()
    assert piece.text(errors="replace").endswith(" broken\n")
    assert list(piece.lines("latin-1")) == ["äÿ broken"]


def test_header(people: pathlib.Path) -> None:
    first, second = meseta.open(people).slices(2)
    assert first.read().startswith(b"name,age\n")
    assert first.read(header=True) == first.read()
    assert second.read(header=True) == b"name,age\n" + second.read()
    assert first.read() + second.read() == people.read_bytes()
    assert second.text(header=True).splitlines()[0] == "name,age"
    assert next(second.lines(header=True)) == "name,age"
    assert second.open(header=True).readline() == b"name,age\n"


def test_save(people: pathlib.Path, tmp_path: pathlib.Path) -> None:
    piece = meseta.open(people).slices(2)[1]
    target = tmp_path / "out" / "second.csv"
    target.parent.mkdir()
    target.write_text("old")
    piece.save(target)
    assert target.read_bytes() == piece.read()
    piece.save(os.fsencode(target), header=True)  # type: ignore[arg-type]
    assert target.read_bytes() == piece.read(header=True)
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(target.stat().st_mode) == 0o666 & ~mask
    assert os.listdir(target.parent) == ["second.csv"]
    with pytest.raises(meseta.ArgumentError, match="folder"):
        piece.save(target.parent)
    piece.save("/dev/null")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    link = tmp_path / "link"
    link.symlink_to(target)
    piece.save(link)
    assert link.is_symlink()
    assert target.read_bytes() == piece.read()
    with pytest.raises(FileNotFoundError):
        piece.save(tmp_path / "absent" / "x")


def test_failed_save_leaves_the_old_file(people: pathlib.Path, tmp_path: pathlib.Path) -> None:
    piece = meseta.open(people).slices(2)[1]
    target = tmp_path / "kept"
    target.write_text("old")
    people.write_text("changed")
    with pytest.raises(meseta.ChangedError):
        piece.save(target)
    assert target.read_text() == "old"
    assert not [name for name in os.listdir(tmp_path) if "part" in name]


def test_json_is_small_stable_and_sufficient(people: pathlib.Path) -> None:
    first, second = meseta.open(people).slices(2)
    again = meseta.open(people).slices(2)
    text = second.to_json()
    assert text == again[1].to_json()
    assert "\n" not in text
    assert len(text) < 1024 + 2 * len(second.url) + 20
    assert json.loads(text)["url"] == second.url
    for given in (text, text.encode(), f" {text}\n"):
        assert meseta.Slice.from_json(given).read() == second.read()
    assert first != second
    assert second == again[1]
    assert hash(second) == hash(again[1])
    assert len({first, second, *again}) == 2
    assert second != text


def test_copies(people: pathlib.Path) -> None:
    piece = meseta.open(people).slices(2)[0]
    assert copy.copy(piece) == piece == copy.deepcopy([piece])[0]


def test_dask_token_is_the_content(people: pathlib.Path) -> None:
    first, second = meseta.open(people).slices(2)
    assert first.__dask_tokenize__() == meseta.open(people).slices(2)[0].__dask_tokenize__()
    assert first.__dask_tokenize__() != second.__dask_tokenize__()
    tokenize = pytest.importorskip("dask.base").tokenize
    assert tokenize(first) == tokenize(meseta.Slice.from_json(first.to_json()))
    assert tokenize(meseta.open(people)) == tokenize(meseta.open(people))
    assert tokenize(meseta.open(people)) != tokenize(meseta.open(people, format="text"))


def test_facts(people: pathlib.Path) -> None:
    slices = meseta.open(people).slices(records=300)
    assert [s.records for s in slices] == [300, 300, 300, 100]
    assert slices[0].url == people.as_uri()
    assert slices[0].format == "csv"
    assert (slices[0].record, slices[0].offset, slices[0].window) == (None, None, None)
    assert "csv" in repr(slices[0])
    assert "300" in repr(slices[0])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "7",
        '{"meseta": 1}',
        '{"meseta": 2}',
        b"\xff\xfe",
        "\0",
        "[" * 100_000,
        '{"meseta":1,"url":"s3://a/b?X-Amz-Signature=1","pin":{},"format":"csv","version":1,"part":{},"facts":{}}',
    ],
)
def test_hostile_json(text: str | bytes) -> None:
    with pytest.raises(meseta.Error):
        meseta.Slice.from_json(text)


def test_every_change_of_a_slice_is_refused_or_right(people: pathlib.Path) -> None:
    """Fields turned into other things: an error or the same bytes, and never a crash."""
    piece = meseta.open(people).slices(3)[1]
    value, right = json.loads(piece.to_json()), people.read_bytes()

    def changed(node: object) -> list[object]:
        if isinstance(node, dict):
            return [{**node, key: other} for key in node for other in changed(node[key])] + [
                {k: v for k, v in node.items() if k != key} for key in node
            ]
        if isinstance(node, list):
            return [[*node[:i], other, *node[i + 1 :]] for i in range(len(node)) for other in changed(node[i])] + [
                node[:-1],
                [*node, 1],
                [],
            ]
        return [None, -1, 0, 1, 2**63 - 1, 2**64, 1.5, "x", [], {}, True, "x" * 300]

    tried = 0
    for other in changed(value):
        tried += 1
        try:
            data = meseta.Slice.from_json(json.dumps(other)).read()
        except meseta.Error:
            continue
        assert data in right, other
    assert tried > 100


def test_wrong_arguments(people: pathlib.Path) -> None:
    piece = meseta.open(people).slices(2)[0]
    for wrong in (None, 7, object(), ["x"]):
        with pytest.raises(meseta.ArgumentError):
            meseta.Slice.from_json(wrong)  # type: ignore[arg-type]
    with pytest.raises(meseta.ArgumentError):
        meseta.Slice("text")  # type: ignore[arg-type]
    with pytest.raises(meseta.ArgumentError, match="header"):
        piece.read(header="yes")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        piece.read(True)  # type: ignore[misc]
    with pytest.raises(meseta.ArgumentError):
        piece.arrow(raw=1)  # type: ignore[arg-type]
    with pytest.raises(meseta.ArgumentError):
        piece.arrow(schema=object())
    with pytest.raises(TypeError):
        type(piece._native)()


def test_file_after_close(people: pathlib.Path) -> None:
    file = meseta.open(people).slices(1)[0].open()
    file.read(10)
    file.close()
    file.close()
    with pytest.raises(ValueError, match="closed"):
        file.read()
    lines = meseta.open(people).slices(1)[0].lines()
    next(lines)
    lines.close()  # type: ignore[attr-defined]


def test_an_error_is_never_followed_by_an_end(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "x.fastq.gz"
    support.write_fastq(path, 20_000)
    source = meseta.open(path)
    source.index(spacing="64Ki")
    (piece,) = source.slices(1)
    data = bytearray(path.read_bytes())
    data[len(data) * 3 // 4] ^= 0x55
    when = path.stat()
    with open(path, "r+b") as file:  # the same inode, size and time: only checksums can tell
        file.write(data)
    os.utime(path, ns=(when.st_atime_ns, when.st_mtime_ns))
    file2 = piece.open()
    for _ in range(3):
        with pytest.raises(meseta.CorruptError):
            while file2.read(1 << 16):
                pass
    with pytest.raises(meseta.CorruptError):
        piece.read()
    stream = piece.arrow()
    for _ in range(3):
        with pytest.raises(meseta.CorruptError):
            for _batch in stream:
                pass


def test_one_slice_in_many_threads(reads: meseta.Source) -> None:
    pieces = reads.slices(3)
    wanted = [p.read() for p in pieces]
    results: list[bool] = []

    def work() -> None:
        results.extend(pieces[i % 3].read() == wanted[i % 3] for i in range(12))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 96


def test_one_native_reader_in_two_threads(reads: meseta.Source) -> None:
    """Misuse: told or right, and no crash."""
    reader = reads.slices(1)[0]._native.reader(False, False)
    wanted = reads.slices(1)[0].read()
    got: list[bytes] = []
    told: list[BaseException] = []

    def work() -> None:
        try:
            while piece := bytes(reader.next()):
                got.append(piece)
        except meseta.ArgumentError as error:
            told.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(map(len, got)) <= len(wanted)
    reader.close()
    with pytest.raises(meseta.ArgumentError, match="closed"):
        reader.next()


def test_lock_of_the_interpreter_is_released(tmp_path: pathlib.Path) -> None:
    """Another thread goes on while a call waits for the network."""
    with support.SlowServer(b"line\n" * 20_000, "/x.txt", fast=0, chunk=10_000, pause=0.05) as server:
        source = meseta.open(server.url, index_at=tmp_path)
        done = threading.Event()
        thread = threading.Thread(target=lambda: (source.index(), done.set()))
        thread.start()
        ticks = 0
        while not done.wait(0.001):
            ticks += 1
        thread.join()
    assert ticks > 50


def test_pieces_are_read_only_memory(reads: meseta.Source) -> None:
    reader = reads.slices(1)[0]._native.reader(False, False)
    view = reader.next()
    assert view.readonly
    first = bytes(view[:10])
    del reader
    assert view[:10] == first
    with pytest.raises(TypeError):
        view[0] = 0


def test_recover_gives_what_is_whole(tmp_path: pathlib.Path) -> None:
    text = support.fastq_text(20_000)
    path = tmp_path / "cut.fastq.gz"
    path.write_bytes(gzip.compress(text)[:-2000])
    source = meseta.open(path)
    with pytest.raises(meseta.CorruptError):
        source.index()
    report = source.index(recover=True)
    assert report["damage"]
    assert 0 < report["records"] < 20_000
    data = b"".join(s.read(recover=True) for s in source.slices(4))
    assert text.startswith(data)
    assert data.count(b"\n") == 4 * report["records"]


def break_block(path: pathlib.Path, number: int) -> None:
    """Spoils one block of BGZF in its middle."""
    data = bytearray(path.read_bytes())
    at = 0
    for _ in range(number):
        at += int.from_bytes(data[at + 16 : at + 18], "little") + 1
    data[at + 40] ^= 0xFF
    path.write_bytes(data)


def test_regions_and_words_of_a_recovered_index(tmp_path: pathlib.Path) -> None:
    lines = [f"1\t{i}\tid{i}\tA\tT\t.\t.\tX={i * 7919 % 1000}\n" for i in range(1, 20_001)]
    text = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n" + "".join(lines)
    path = tmp_path / "v.vcf.gz"
    path.write_bytes(support.bgzf(text.encode(), 20_000))
    break_block(path, 10)
    source = meseta.open(path)
    source.index(recover=True, spacing="32Ki")
    whole = b"".join(s.read() for s in source.slices(7)).decode()
    assert text.startswith(whole[:180_000])
    kept = [line for line in whole.splitlines(keepends=True) if line[0] != "#"]
    assert 18_000 < len(kept) < 20_000
    for n in (1, 3):
        got = "".join(s.read().decode() for s in source.slices(n, region="1:1-20000"))
        assert got == "".join(kept)
    records = [f">g{i}\n{'ACGT' * (i % 50 + 1)}\n" for i in range(3000)]
    path = tmp_path / "g.fa.gz"
    path.write_bytes(support.bgzf("".join(records).encode(), 20_000))
    break_block(path, 5)
    source = meseta.open(path)
    source.index(recover=True, spacing="16Ki")
    whole = b"".join(s.read() for s in source.slices(5)).decode()
    names = [line[1:] for line in whole.splitlines() if line.startswith(">")]
    assert 2500 < len(names) < 3000
    for name in [*names[:3], *names[-3:], *names[900:1200:10]]:
        sequence = "".join(source.slices(region=name)[0].read().decode().splitlines()[1:])
        assert sequence == "ACGT" * (int(name[1:]) % 50 + 1), name
    lost = sorted({f"g{i}" for i in range(3000)} - set(names))
    with pytest.raises(meseta.NotFoundError):
        source.slices(region=lost[0])
    words = b" ".join(b"w%d" % i + b"\n" * (i % 10 == 0) for i in range(50_000))
    path = tmp_path / "w.txt.gz"
    path.write_bytes(support.bgzf(words, 20_000))
    break_block(path, 4)
    source = meseta.open(path)
    source.index(recover=True, spacing="16Ki")
    whole = b"".join(s.read() for s in source.slices(5))
    for n in (1, 2, 9):
        assert b"".join(s.read() for s in source.slices(n, strategy="words")) == whole


@pytest.mark.parametrize("ending", ["", ".gz", ".bgzf.gz"])
def test_recover_when_the_object_breaks_later(tmp_path: pathlib.Path, ending: str) -> None:
    """The index is sound, the object lost bits unseen: whole records in front of them come out, and it is said."""
    text = support.fastq_text(20_000)
    path = tmp_path / f"r.fastq{ending}"
    packed = {"": text, ".gz": gzip.compress(text), ".bgzf.gz": support.bgzf(text)}[ending]
    path.write_bytes(packed)
    source = meseta.open(path)
    source.index(spacing="64Ki")
    slices = source.slices(3)
    whole = [s.read() for s in slices]
    assert [s.read(recover=True) for s in slices] == whole
    at = os.stat(path)
    with path.open("r+b") as file:
        file.seek(len(packed) // 2)
        file.write(bytes(byte ^ 0x20 for byte in packed[len(packed) // 2 :][:3]))
    os.utime(path, ns=(at.st_atime_ns, at.st_mtime_ns))
    assert slices[0].read(recover=True) == whole[0]
    with pytest.raises(meseta.CorruptError):
        slices[1].read()
    with pytest.warns(RuntimeWarning, match=r"r\.fastq"):
        rescued = slices[1].read(recover=True)
    assert rescued.count(b"\n") % 4 == 0
    if ending:
        assert 0 < len(rescued) < len(whole[1])
        assert whole[1].startswith(rescued)
        batches = iter(slices[1].arrow(recover=True))
        rows = 0
        with pytest.raises(meseta.CorruptError):
            for batch in batches:
                rows += len(batch)
        assert rows * 4 == rescued.count(b"\n")
    assert slices[2].read(recover=True) == whole[2]
