"""Slices and sources travel: pickle, cloudpickle, copies, processes started in every way; secrets do not."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pathlib
import pickle
import subprocess
import sys

import package_support as support
import pytest

import meseta


@pytest.fixture
def reads(fastq: pathlib.Path) -> meseta.Source:
    source = meseta.open(fastq)
    source.index(spacing="64Ki")
    return source


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_plain_pickle(reads: meseta.Source, protocol: int) -> None:
    for piece in reads.slices(3):
        text = pickle.dumps(piece, protocol)
        assert len(text) < 2048
        again = pickle.loads(text)
        assert again == piece
        assert again.read() == piece.read()


def test_cloudpickle(reads: meseta.Source) -> None:
    cloudpickle = pytest.importorskip("cloudpickle")
    piece = reads.slices(3)[1]
    assert pickle.loads(cloudpickle.dumps(piece)) == piece
    job = pickle.loads(cloudpickle.dumps(lambda: len(piece.read())))
    assert job() == len(piece.read())


def test_source_pickles_and_stays_pinned(reads: meseta.Source, fastq: pathlib.Path) -> None:
    text = pickle.dumps(reads)
    again = pickle.loads(text)
    assert (again.url, again.format, again.size) == (reads.url, reads.format, reads.size)
    assert [s.to_json() for s in again.slices(3)] == [s.to_json() for s in reads.slices(3)]
    assert copy.copy(reads) is reads
    support.write_fastq(fastq, 100)
    with pytest.raises(meseta.ChangedError):
        pickle.loads(text)


def test_source_options_travel(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("1;2\n3;4\n")
    source = meseta.open(path, delimiter=";", header=False, index_at=tmp_path / "indexes")
    source.index()
    again = pickle.loads(pickle.dumps(source))
    assert again.index_url == source.index_url
    assert [s.to_json() for s in again.slices(records=1)] == [s.to_json() for s in source.slices(records=1)]
    assert again.index()["done"] == "fresh"


def test_no_pickle_holds_a_secret(fastq: pathlib.Path) -> None:
    options = {
        "key": "AKIAEXAMPLE",
        "secret": "hush-hush",
        "token": "tok-tok",
        "client_kwargs": {"region_name": "eu-north-7"},
    }
    source = meseta.open(fastq, storage_options=options)
    source.index()
    texts = [
        pickle.dumps(source),
        source.slices(1)[0].to_json().encode(),
        repr(source).encode(),
        repr(source.show()).encode(),
    ]
    texts.append(repr(source.__dask_tokenize__()).encode())
    texts.append(pathlib.Path(f"{fastq}.meseta").read_bytes())
    for text in texts:
        for secret in (b"AKIAEXAMPLE", b"hush-hush", b"tok-tok"):
            assert secret not in text
    assert b"eu-north-7" in pickle.dumps(source)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_other_processes(reads: meseta.Source, method: str) -> None:
    pieces = reads.slices(6)
    wanted = [support.digest(p)[1] for p in pieces]
    with multiprocessing.get_context(method).Pool(2) as pool:
        found = pool.map(support.digest, pieces, chunksize=1)
    assert [text for _, text in found] == wanted
    assert os.getpid() not in {pid for pid, _ in found}


def test_fork_after_use(reads: meseta.Source) -> None:
    """A child goes on with what it inherited: source, slices, readers that stand in the middle."""
    piece = reads.slices(2)[1]
    wanted = piece.read()
    file = piece.open()
    head = file.read(1000)
    stream = piece.arrow()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            assert piece.read() == wanted
            assert reads.slices(4)[0].read()
            assert reads.index(force=False)["done"] == "fresh"
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert head + file.read() == wanted
    assert sum(len(batch) for batch in stream) == piece.records or piece.records is None


def test_a_program_with_nothing_but_the_json(reads: meseta.Source) -> None:
    piece = reads.slices(3)[2]
    program = "import sys, meseta; sys.stdout.buffer.write(meseta.Slice.from_json(sys.stdin.read()).read())"
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=piece.to_json().encode(),
        capture_output=True,
        check=True,
        timeout=60,
        cwd="/",
    )
    assert done.stdout == piece.read()


def test_relative_paths_hold_elsewhere(fastq: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(fastq.parent)
    source = meseta.open(fastq.name)
    source.index()
    text = pickle.dumps(source)
    piece = source.slices(2)[0]
    wanted = piece.read()
    monkeypatch.chdir("/")
    assert piece.read() == wanted
    assert pickle.loads(text).slices(2)[0].read() == wanted


def test_errors_travel_from_workers(reads: meseta.Source, fastq: pathlib.Path) -> None:
    pieces = reads.slices(2)
    support.write_fastq(fastq, 50)
    with (
        multiprocessing.get_context("spawn").Pool(1) as pool,
        pytest.raises(meseta.ChangedError, match="reads") as caught,
    ):
        pool.map(support.read, pieces)
    assert caught.value.key is not None
