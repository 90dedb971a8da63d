"""Ctrl-C inside native calls: honoured within 100 ms, and nothing is left behind."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
import time

import package_support as support
import pytest

# Says when it enters the call, and when it came back by a clock that all processes share.
PROGRAM = """
import sys, time, meseta
url, place, what = sys.argv[1:]
if what == "open":
    source = None
else:
    source = meseta.open(url, index_at=place)
if what in ("read", "lines", "arrow", "pyarrow", "batches"):
    piece = meseta.Slice.from_json(open(place + "/slice.json").read())
if what == "pyarrow":
    import pyarrow
print("ready", flush=True)
try:
    if what == "open":
        meseta.open(url)
    elif what == "index":
        source.index()
    elif what == "progress":
        source.index(progress=lambda done, total: None)
    elif what == "verify":
        source.verify()
    elif what == "read":
        piece.read()
    elif what == "lines":
        list(piece.lines())
    elif what == "arrow":
        piece.arrow().polars()
    elif what == "pyarrow":
        pyarrow.table(piece.arrow())
    elif what == "batches":
        list(piece.arrow())
except KeyboardInterrupt:
    print("interrupted", time.monotonic(), flush=True)
else:
    print("went on", flush=True)
"""

DATA = b"a line of text\n" * 100_000
LIMIT = 0.1


def limit() -> float:
    """What 100 ms are on a machine that has more to do than processors."""
    return LIMIT * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def interrupted_after(url: str, place: pathlib.Path, what: str, wait: float = 0.4) -> float:
    child = subprocess.Popen([sys.executable, "-c", PROGRAM, url, place, what], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    try:
        assert child.stdout.readline().strip() == "ready"
        time.sleep(wait)
        sent = time.monotonic()
        child.send_signal(signal.SIGINT)
        said = child.stdout.readline().split()
        assert said[:1] == ["interrupted"], said
        return float(said[1]) - sent
    finally:
        child.kill()
        child.wait(10)
        child.stdout.close()


@pytest.mark.parametrize("what", ["index", "progress", "verify", "read", "lines", "arrow", "pyarrow", "batches"])
def test_interrupt(tmp_path: pathlib.Path, what: str) -> None:
    with support.SlowServer(DATA, "/big.txt", fast=70_000, chunk=2000, pause=0.2) as server:
        if what in ("read", "lines", "arrow", "pyarrow", "batches"):
            server.fast = len(DATA)
            import meseta

            source = meseta.open(server.url, index_at=tmp_path)
            source.index()
            (tmp_path / "slice.json").write_text(source.slices(1)[0].to_json())
            server.fast = 70_000
        waits = [interrupted_after(server.url, tmp_path, what) for _ in range(3)]
    assert sorted(waits)[1] < limit(), waits  # the middle one of three counts
    left = {name for _, _, files in os.walk(tmp_path) for name in files}
    assert not [name for name in left if name.endswith((".tmp", ".part"))]
    if what in ("index", "progress"):
        assert left == set()


def test_interrupt_while_opening(tmp_path: pathlib.Path) -> None:
    with support.SlowServer(DATA, "/big.txt", fast=0, chunk=10, pause=1.0) as server:
        assert interrupted_after(server.url, tmp_path, "open") < 2 * limit()


def test_interrupt_of_a_busy_processor(tmp_path: pathlib.Path) -> None:
    """Not waiting but decoding, when the signal comes: 32 GiB of plain text last longer than that on any machine."""
    import gzip

    path = tmp_path / "big.txt.gz"
    member = gzip.compress(b"0" * (1 << 26) + b"\n", 9)
    with path.open("wb") as file:
        for _ in range(512):
            file.write(member)
    waits = [interrupted_after(str(path), tmp_path, "index", 0.1) for _ in range(3)]
    assert sorted(waits)[1] < limit(), waits


def test_handler_that_does_not_raise(tmp_path: pathlib.Path) -> None:
    """Other signals are handled while the call goes on."""
    import meseta

    seen: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, frame: seen.append(number))
    try:
        with support.SlowServer(DATA[:100_000], "/x.txt", chunk=5000, pause=0.02) as server:
            source = meseta.open(server.url, index_at=tmp_path)
            sender = subprocess.Popen(
                [sys.executable, "-c", f"import os, time; time.sleep(.1); os.kill({os.getpid()}, {signal.SIGUSR1})"]
            )
            report = source.index()
            sender.wait(10)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert report["records"] == 100_000 // 15 + 1
    assert seen == [signal.SIGUSR1]


def test_use_after_interrupt(tmp_path: pathlib.Path) -> None:
    """The process is as good as new: the same call ends well the second time."""
    import meseta

    def alarm(number: int, frame: object) -> None:
        raise InterruptedError("alarm")

    before = signal.signal(signal.SIGALRM, alarm)
    try:
        with support.SlowServer(DATA[:300_000], "/x.txt", chunk=2000, pause=0.02) as server:
            source = meseta.open(server.url, index_at=tmp_path)
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            with pytest.raises(InterruptedError):
                source.index()
            server.fast = len(DATA)
            assert source.index()["records"] == 20_000
            (piece,) = source.slices(1)
            server.fast = 0
            file = piece.open()
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            with pytest.raises(InterruptedError):
                file.read()
            with pytest.raises(meseta.CancelledError):
                file.read()
            server.fast = len(DATA)
            assert piece.read() == DATA[:300_000]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
