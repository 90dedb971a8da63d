"""`import meseta` is cheap and brings nothing along."""

from __future__ import annotations

import subprocess
import sys

HEAVY = (
    "numpy",
    "pandas",
    "pyarrow",
    "polars",
    "dask",
    "distributed",
    "joblib",
    "tqdm",
    "cloudpickle",
    "fsspec",
    "boto3",
    "asyncio",
    "ssl",
)

MEASURE = """
import resource, sys, time
before = resource.getrusage(resource.RUSAGE_SELF)
memory = int(open('/proc/self/statm').read().split()[1])
{what}
after = resource.getrusage(resource.RUSAGE_SELF)
pages = int(open('/proc/self/statm').read().split()[1]) - memory
print(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, pages * resource.getpagesize())
"""


def run(program: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    ).stdout


def test_time_and_memory() -> None:
    found = [tuple(map(float, run(MEASURE.format(what="import meseta")).split())) for _ in range(7)]
    seconds, memory = min(f[0] for f in found), min(f[1] for f in found)
    assert seconds <= 0.030, f"{seconds * 1000:.1f} ms of processor time"
    assert memory <= 20e6, f"{memory / 1e6:.1f} MB"


def test_no_heavy_modules() -> None:
    brought = run("import sys, meseta; print(*sys.modules)").split()
    assert [name for name in HEAVY if name in brought] == []


def test_no_threads_and_no_libcurl() -> None:
    said = run(
        "import meseta, os, threading; print(len(os.listdir('/proc/self/task')), threading.active_count(), "
        "'libcurl' in open('/proc/self/maps').read())"
    )
    assert said.split() == ["1", "1", "False"]


def test_reading_a_local_slice_brings_nothing_heavy(tmp_path_factory: object) -> None:
    program = """
import os, sys, tempfile, meseta
path = os.path.join(tempfile.mkdtemp(), "x.csv")
open(path, "w").write("a,b\\n1,2\\n3,4\\n")
source = meseta.open(path)
source.index()
piece = meseta.Slice.from_json(source.slices(2)[1].to_json())
assert piece.read() and list(piece.lines()) and piece.open().read() and list(piece.arrow())
print(*sys.modules)
"""
    brought = run(program).split()
    assert [name for name in HEAVY if name in brought] == []
