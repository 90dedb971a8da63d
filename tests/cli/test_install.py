"""make install into an empty place: headers, libraries, command, man pages, completion; the examples build against it and run."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Command

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, meseta: Command) -> pathlib.Path:
    place = tmp_path_factory.mktemp("install")
    build = meseta.path.parent
    if not (build / "build.ninja").exists():
        pytest.skip("no build folder to install from")
    tags = "runtime,devel,man,completion,doc"
    env = {**os.environ, "DESTDIR": str(place)}
    subprocess.run(["meson", "install", "-C", build, "--no-rebuild", "--quiet", "--tags", tags], env=env, check=True, capture_output=True)
    found = list(place.glob("**/bin/meseta"))
    assert len(found) == 1
    return found[0].parents[1]


def test_what_is_installed(installed: pathlib.Path) -> None:
    for pattern in (
        "include/meseta/meseta.h", "lib/**/libmeseta.so", "lib/**/libmeseta.so.0", "lib/**/libmeseta.a", "lib/**/meseta.pc",
        "share/man/man1/meseta.1*", "share/man/man1/meseta-slices.1*", "share/**/meseta.bash", "share/**/_meseta", "share/**/meseta.fish",
    ):
        assert list(installed.glob(pattern)), pattern
    library = next(installed.glob("lib/**/libmeseta.so.0"))
    dynamic = subprocess.run(["readelf", "-d", library], capture_output=True, text=True, check=True).stdout
    assert "libmeseta.so.0" in dynamic
    heavy = ("curl", "crypto", "ssl")
    assert not [line for line in dynamic.splitlines() if "NEEDED" in line and any(h in line for h in heavy)]


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("**/*.c")), ids=lambda p: p.stem)
def test_examples_build_and_run(installed: pathlib.Path, example: pathlib.Path, tmp_path: pathlib.Path) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    library = next(installed.glob("lib/**/libmeseta.so")).parent
    program = tmp_path / example.stem
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-D_POSIX_C_SOURCE=200809L", f"-I{installed}/include", f"-L{library}"]
    subprocess.run([compiler, example, "-o", program, *flags, "-lmeseta"], check=True)
    env = {**os.environ, "LD_LIBRARY_PATH": str(library)}
    reads = tmp_path / "reads.fastq"
    reads.write_text("".join(f"@r{i}\nACGT\n+\nIIII\n" for i in range(100)))
    command = next(installed.glob("bin/meseta"))
    if example.stem == "count_records":
        done = subprocess.run([program, reads, "3"], capture_output=True, text=True, env=env, check=True)
        assert sum(int(line.split()[2]) for line in done.stdout.splitlines()) == 400
        assert subprocess.run([program, tmp_path / "none"], capture_output=True, env=env, check=False).returncode == 1
    elif example.stem == "slice_to_parquet":
        subprocess.run([command, "index", "-q", reads], env=env, check=True)
        line = subprocess.run([command, "slices", reads, "-n", "1"], capture_output=True, env=env, check=True).stdout
        done = subprocess.run([program], input=line, capture_output=True, env=env, check=True)
        assert done.stdout[:4] == b"PAR1" == done.stdout[-4:]
    elif example.stem == "list_store":
        done = subprocess.run([program, f"{tmp_path}/"], capture_output=True, text=True, env=env, check=True)
        assert "reads.fastq" in done.stdout and "in all" in done.stdout
    elif example.stem == "parquet":
        made = tmp_path / "squares.parquet"
        subprocess.run([program, "write", made, "1000"], env=env, check=True)
        done = subprocess.run([program, "read", made], capture_output=True, text=True, env=env, check=True)
        assert done.stdout.splitlines()[-1].split() == ["1000", "rows,", "sum", str(sum(i * i for i in range(1000)))]
        assert subprocess.run([program, "read", tmp_path / "none"], capture_output=True, env=env, check=False).returncode == 1
