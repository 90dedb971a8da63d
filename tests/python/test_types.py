"""The package's types are complete and true: mypy on it and on a program that uses it, stubtest on the build."""

from __future__ import annotations

import pathlib
import re
import subprocess
import sys

import package_support as support
import pytest

pytest.importorskip("mypy")

PROGRAM = """
from __future__ import annotations

import pathlib
from collections.abc import Iterator

import meseta

source: meseta.Source = meseta.open(pathlib.Path("x.csv"), delimiter=";", storage_options={"anon": True})
report: dict[str, object] = source.index(force=True, parallel={"backend": "loky"}, spacing="1MiB", progress=True)
slices: list[meseta.Slice] = source.slices(3) + source.slices(size="1MiB") + source.slices(records=9, strategy="words")
first = slices[0]
data: bytes = first.read(header=True)
size: int | None = first.bytes
text: str = meseta.Slice.from_json(first.to_json()).text()
lines: Iterator[str] = first.lines()
with first.open() as file:
    part: bytes = file.read(10)
stream: meseta.Stream = first.arrow(genotypes=True)
names: list[str] = stream.schema.names
rows = sum(len(batch) for batch in stream)
sources: list[meseta.Source] = meseta.glob("s3://bucket/*.fa")
meseta.configure(threads=2, memory="1GiB")
found: meseta.Stream = meseta.parquet.read("x.parquet", ["a"], [[("a", ">", 3)]], limit=3)
done: dict[str, int] = meseta.parquet.write(found, pathlib.Path("y.parquet"), codec="zstd", sorting=["a"])
file_rows: int = meseta.parquet.File(b"PAR1").rows
try:
    with meseta.open(b"x") as other:
        other.verify()
except meseta.NotFoundError as error:
    key: str | None = error.key
"""

WRONG = {
    "meseta.open(3)": "arg-type",
    'meseta.open("x").slices("3")': "arg-type",
    'meseta.open("x").slices(1)[0].read().nothing': "attr-defined",
    'meseta.open("x").index(forced=True)': "call-arg",
    "meseta.nothing": "attr-defined",
    'meseta.parquet.read("x", colums=["a"])': "call-arg",
}


def run(*args: object, cwd: pathlib.Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *map(str, args)], capture_output=True, text=True, cwd=cwd, timeout=300, check=False
    )
    return done.stdout + done.stderr if done.returncode else ""


@pytest.mark.slow
def test_mypy_of_the_package() -> None:
    assert run("mypy", "--strict", "--config-file", "pyproject.toml", "python/meseta", cwd=support.ROOT) == ""


@pytest.mark.slow
def test_mypy_of_a_program(tmp_path: pathlib.Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    assert run("mypy", "--strict", "--cache-dir", support.ROOT / ".mypy_cache", program, cwd=tmp_path) == ""
    program.write_text("import meseta\n" + "\n".join(WRONG) + "\n")
    said = run("mypy", "--strict", "--cache-dir", support.ROOT / ".mypy_cache", program, cwd=tmp_path)
    for i, (line, code) in enumerate(WRONG.items()):
        assert re.search(rf"program\.py:{i + 2}: error: .*\[{code}\]", said), (line, said)


@pytest.mark.slow
def test_stubtest(tmp_path: pathlib.Path) -> None:
    config = support.ROOT / "pyproject.toml"
    assert run("mypy.stubtest", "meseta", "--ignore-disjoint-bases", "--mypy-config-file", config, cwd=tmp_path) == ""


@pytest.mark.slow
def test_ruff() -> None:
    pytest.importorskip("ruff")
    assert run("ruff", "check", "python", "tests/python", cwd=support.ROOT) == ""
    assert run("ruff", "format", "--check", "python", "tests/python", cwd=support.ROOT) == ""
