"""The command as users and scripts meet it: what each command gives, exit codes, conventions."""

from __future__ import annotations

import gzip
import json
import os
import pathlib
import random
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Command


def reads(n: int, seed: int = 1) -> bytes:
    rng = random.Random(seed)
    out = []
    for i in range(n):
        bases = "".join(rng.choices("ACGTN", k=rng.randrange(1, 120)))
        quality = "".join(chr(rng.randrange(33, 74)) for _ in bases)
        out.append(f"@read{i} x\n{bases}\n+\n{quality}\n")
    return "".join(out).encode()


@pytest.fixture
def fastq(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "reads.fastq.gz"
    path.write_bytes(gzip.compress(reads(3000), 6))
    return path


def plan(meseta: Command, *args: object) -> list[str]:
    return meseta("slices", *args).stdout.decode().splitlines()


def get(meseta: Command, line: str, *args: object) -> bytes:
    return meseta("get", "-", *args, data=line.encode()).stdout


def test_slices_join_to_the_plain_object(meseta: Command, fastq: pathlib.Path) -> None:
    meseta("index", fastq, "--spacing", "16Ki")
    plain = gzip.decompress(fastq.read_bytes())
    for n in (1, 2, 3, 7, 50, 4000):
        lines = plan(meseta, fastq, "-n", n)
        assert 0 < len(lines) <= n
        parts = [get(meseta, line) for line in (lines if n <= 50 else lines[:20] + lines[-20:])]
        assert all(part.startswith(b"@read") for part in parts)
        if n <= 50:
            assert b"".join(parts) == plain


def test_records_and_size(meseta: Command, fastq: pathlib.Path) -> None:
    meseta("index", fastq)
    lines = plan(meseta, fastq, "--records", 700)
    assert [json.loads(line)["records"] for line in lines] == [700, 700, 700, 700, 200]
    assert [get(meseta, line).count(b"\n") // 4 for line in lines] == [700, 700, 700, 700, 200]
    assert len(plan(meseta, fastq, "--size", "100k")) > 2


def test_no_index_names_the_command(meseta: Command, fastq: pathlib.Path) -> None:
    done = meseta("slices", fastq, "-n", 2, code=3)
    assert b"meseta index" in done.stderr and not done.stdout
    assert len(plan(meseta, fastq, "-n", 2, "--index")) == 2


def test_indexing_again_is_no_work(meseta: Command, fastq: pathlib.Path) -> None:
    first = json.loads(meseta("index", "--json", fastq).stdout)
    assert first["done"] == "indexed" and first["records"] == 3000
    index = pathlib.Path(f"{fastq}.meseta")
    before = index.stat()
    assert json.loads(meseta("index", "--json", fastq).stdout)["done"] == "fresh"
    assert index.stat().st_mtime_ns == before.st_mtime_ns
    content = index.read_bytes()
    assert json.loads(meseta("index", "--json", "--force", fastq).stdout)["done"] == "indexed"
    assert index.read_bytes() == content


def test_dry_run_writes_nothing(meseta: Command, fastq: pathlib.Path) -> None:
    report = json.loads(meseta("index", "--dry-run", "--json", fastq).stdout)
    assert report["done"] == "dry-run" and report["reads"] == fastq.stat().st_size
    assert sorted(p.name for p in fastq.parent.iterdir()) == [fastq.name]


def test_index_elsewhere(meseta: Command, fastq: pathlib.Path, tmp_path: pathlib.Path) -> None:
    there = tmp_path / "indexes"
    meseta("index", fastq, "--index-at", there)
    assert not pathlib.Path(f"{fastq}.meseta").exists()
    lines = plan(meseta, fastq, "-n", 3, "--index-at", there)
    assert b"".join(get(meseta, line) for line in lines) == gzip.decompress(fastq.read_bytes())


def test_changed_source_is_refused_everywhere(meseta: Command, fastq: pathlib.Path) -> None:
    meseta("index", fastq)
    line = plan(meseta, fastq, "-n", 2)[1]
    fastq.write_bytes(gzip.compress(reads(3000, seed=2), 6))
    for done in (meseta("slices", fastq, "-n", 2, code=4), meseta("get", "-", data=line.encode(), code=4)):
        assert not done.stdout and b"changed" in done.stderr.lower()
    assert json.loads(meseta("index", "--json", fastq).stdout)["done"] == "indexed"


@pytest.mark.parametrize("cut", [0.3, 0.9, 0.9999])
def test_truncated_gzip_is_corrupt_and_leaves_no_index(meseta: Command, fastq: pathlib.Path, cut: float) -> None:
    data = fastq.read_bytes()
    fastq.write_bytes(data[: int(len(data) * cut)])
    done = meseta("index", fastq, code=6)
    assert str(fastq).encode() in done.stderr
    assert not pathlib.Path(f"{fastq}.meseta").exists()
    meseta("verify", fastq, code=6)


def test_verify(meseta: Command, fastq: pathlib.Path) -> None:
    meseta("verify", fastq)
    meseta("index", fastq)
    assert json.loads(meseta("verify", "--json", fastq).stdout)["index"] == "fresh"
    data = bytearray(fastq.read_bytes())
    data[-6] ^= 1  # in the member's CRC
    before = fastq.stat()
    with fastq.open("r+b") as file:
        file.write(data)
    os.utime(fastq, ns=(before.st_atime_ns, before.st_mtime_ns))
    meseta("verify", fastq, code=6)


def test_map_keeps_order(meseta: Command, fastq: pathlib.Path) -> None:
    meseta("index", fastq)
    done = meseta("map", fastq, "-n", 9, "-j", 4, "--", "sh", "-c", "sleep 0.$((RANDOM % 3)) 2>/dev/null; cat")
    assert done.stdout == gzip.decompress(fastq.read_bytes())
    done = meseta("map", fastq, "-n", 3, "--", "sh", "-c", 'cat >/dev/null; echo "$MESETA_SLICE of $MESETA_SLICES"')
    assert done.stdout == b"1 of 3\n2 of 3\n3 of 3\n"


def test_map_failures(meseta: Command, fastq: pathlib.Path) -> None:
    meseta("index", fastq)
    script = 'cat >/dev/null; [ "$MESETA_SLICE" != 2 ] || exit 7; echo "$MESETA_SLICE"'
    done = meseta("map", fastq, "-n", 4, "-j", 1, "--", "sh", "-c", script, code=1)
    assert done.stdout == b"1\n" and b"slice 2 of 4" in done.stderr and b"7" in done.stderr
    done = meseta("map", fastq, "-n", 4, "-j", 2, "--keep-going", "--", "sh", "-c", script, code=1)
    assert done.stdout == b"1\n3\n4\n" and b"1 of 4 slices failed" in done.stderr
    meseta("map", fastq, "-n", 4, "--", "no-such-command-anywhere", code=1)
    assert meseta("map", fastq, "-n", 4, "--", "head", "-n", "1").stdout.count(b"\n") == 4


def test_map_dies_cleanly_on_interrupt(meseta: Command, fastq: pathlib.Path) -> None:
    meseta("index", fastq)
    child = meseta.start("map", fastq, "-n", 4, "-j", 2, "--", "sleep", "60", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(0.5)
    child.send_signal(signal.SIGINT)
    began = time.monotonic()
    assert child.wait(timeout=10) == 130
    assert time.monotonic() - began < 5
    left = subprocess.run(["pgrep", "-f", "^sleep 60$"], capture_output=True, check=False).stdout
    assert not left


def test_output_file_appears_whole(meseta: Command, fastq: pathlib.Path, tmp_path: pathlib.Path) -> None:
    meseta("index", fastq)
    line = plan(meseta, fastq, "-n", 1)[0]
    out = tmp_path / "out.fastq"
    get(meseta, line, "-o", out)
    assert out.read_bytes() == gzip.decompress(fastq.read_bytes())
    meseta("get", "-", "-o", tmp_path / "no" / "such" / "folder", data=line.encode(), code=3)
    assert meseta("get", "-", data=line.encode()).stdout == out.read_bytes()


def test_full_disk_is_told(meseta: Command, fastq: pathlib.Path) -> None:
    meseta("index", fastq)
    line = plan(meseta, fastq, "-n", 1)[0]
    with open("/dev/full", "wb") as full:
        done = subprocess.run([meseta.path, "get", line], stdout=full, stderr=subprocess.PIPE, env=meseta.env, check=False)
    assert done.returncode == 1 and b"standard output" in done.stderr


def test_records_as_columns(meseta: Command, fastq: pathlib.Path, tmp_path: pathlib.Path) -> None:
    pa = pytest.importorskip("pyarrow")
    meseta("index", fastq)
    line = plan(meseta, fastq, "-n", 1)[0]
    rows = [json.loads(row) for row in get(meseta, line, "--as", "jsonl").splitlines()]
    assert len(rows) == 3000 and rows[5]["name"] == "read5"
    table = pa.ipc.open_stream(get(meseta, line, "--as", "arrow")).read_all()
    assert table.to_pylist() == rows
    get(meseta, line, "--as", "parquet", "-o", tmp_path / "x.parquet")
    assert pa.parquet.read_table(tmp_path / "x.parquet").to_pylist() == rows if hasattr(pa, "parquet") else True
    assert get(meseta, line, "--as", "csv").splitlines()[0].startswith(b"name,")


def test_store_commands(meseta: Command, tmp_path: pathlib.Path) -> None:
    here, there = tmp_path / "a", tmp_path / "b"
    (here / "sub dir").mkdir(parents=True)
    (here / "x+y%20.txt").write_bytes(b"one\n")
    (here / "sub dir" / "ü.txt").write_bytes(b"two\n")
    assert meseta("ls", "-r", f"{here}/").stdout.decode() == "sub dir/ü.txt\nx+y%20.txt\n"
    meseta("cp", "-r", f"{here}/", f"{there}/")
    assert meseta("ls", "-r", f"{there}/").stdout.decode() == "sub dir/ü.txt\nx+y%20.txt\n"
    assert meseta("cat", there / "x+y%20.txt", there / "sub dir" / "ü.txt").stdout == b"one\ntwo\n"
    meseta("cp", here / "x+y%20.txt", there / "x+y%20.txt", "--no-clobber", code=5)
    assert b"would remove" in meseta("rm", "-r", "--dry-run", f"{there}/").stdout
    meseta("rm", f"{there}/", code=2)
    meseta("rm", "-r", f"{there}/")
    assert meseta("ls", "-r", f"{there}/", code=None).stdout == b""


@pytest.mark.parametrize(
    ("args", "code"),
    [
        ((), 2),
        (("no-such-command",), 2),
        (("slices",), 2),
        (("slices", "x", "--no-such-option"), 2),
        (("slices", "x", "-n", "0"), 2),
        (("slices", "x", "-n", "-3"), 2),
        (("slices", "x", "-n"), 2),
        (("slices", "x", "--size", "12parsec"), 2),
        (("index", "/no/such/file.fastq"), 3),
        (("get", "/no/such/slice.json"), 3),
        (("get", "{}"), 6),
        (("get", "not json"), 3),
        (("cat", "/no/such/file"), 3),
        (("slices", "x.fa", "--storage", "nonsense_option=1"), 2),
        (("map", "x.fa", "-n", "2"), 2),
    ],
)
def test_exit_codes(meseta: Command, args: tuple[str, ...], code: int) -> None:
    done = meseta(*args, code=code)
    assert done.stderr.startswith(b"meseta: ") or not args
    assert not done.stdout


def test_help_and_version(meseta: Command) -> None:
    assert b"index" in meseta("--help").stdout
    assert meseta("--version").stdout.startswith(b"meseta ")
    formats = {f["name"]: f for f in json.loads(meseta("formats", "--json").stdout)}
    assert {"text", "csv", "fasta", "fastq", "vcf"} <= set(formats)
    for command in ("index", "slices", "get", "map", "verify", "show", "ls", "cat", "cp", "rm", "formats", "version", "help"):
        text = meseta(command, "--help").stdout
        assert command.encode() in text and b"Usage:" in text
        assert b".SH NAME" in meseta("help", "--man", command).stdout
    for shell in ("bash", "zsh", "fish"):
        script = meseta("help", "--completion", shell).stdout
        assert b"index-at" in script


def test_completion_is_valid_bash(meseta: Command, tmp_path: pathlib.Path) -> None:
    script = tmp_path / "c.bash"
    script.write_bytes(meseta("help", "--completion", "bash").stdout)
    done = subprocess.run(["bash", "-c", f'. {script}; COMP_WORDS=(meseta sl); COMP_CWORD=1; _meseta; echo "${{COMPREPLY[*]}}"'], capture_output=True, check=True)
    assert done.stdout == b"slices\n"


def test_closed_pipe_is_quiet(meseta: Command, fastq: pathlib.Path) -> None:
    meseta("index", fastq)
    done = subprocess.run(f"'{meseta.path}' slices '{fastq}' -n 1 | '{meseta.path}' get - | head -c 10 >/dev/null", shell=True, capture_output=True, check=False, env=meseta.env)
    assert done.stderr == b""


def test_globs_and_prefixes(meseta: Command, tmp_path: pathlib.Path) -> None:
    for i in range(3):
        (tmp_path / f"r{i}.fastq").write_bytes(reads(10, seed=i))
    meseta("index", tmp_path / "*.fastq")
    assert len(list(tmp_path.glob("*.meseta"))) == 3
    assert len(plan(meseta, tmp_path / "*.fastq", "-n", 2)) == 6
    assert len(plan(meseta, f"{tmp_path}/", "-n", 1)) == 3
    meseta("verify", f"{tmp_path}/")
    meseta("index", tmp_path / "*.nothing", code=3)


def test_a_name_that_looks_like_a_glob(meseta: Command, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "r[1].fastq"
    path.write_bytes(reads(10))
    meseta("index", path)
    assert len(plan(meseta, path, "-n", 2)) == 2
    meseta("verify", path)
    meseta("cp", path, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == reads(10)


def test_get_recovers_what_lies_in_front_of_damage(meseta: Command, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "r.fastq.gz"
    path.write_bytes(gzip.compress(reads(5000)))
    meseta("index", path, "--spacing", "64Ki")
    first, second = plan(meseta, path, "-n", 2)
    at = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) * 3 // 4] ^= 0x55
    path.write_bytes(data)
    os.utime(path, ns=(at.st_atime_ns, at.st_mtime_ns))
    meseta("get", second, code=6)
    done = meseta("get", second, "--recover")
    assert b"damaged" in done.stderr and b"r.fastq.gz" in done.stderr
    front = meseta("get", first).stdout
    assert reads(5000).startswith(front + done.stdout[: len(done.stdout) // 4])


def test_a_magic_that_was_hit_is_damage(meseta: Command, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "r.fastq.gz"
    path.write_bytes(b"\x1f\x8a" + gzip.compress(reads(10))[2:])
    assert b"promises gzip" in meseta("index", path, code=6).stderr
    path = tmp_path / "plain.txt"
    path.write_bytes(b"x\n")
    assert b"meseta slices" in meseta("get", path, code=6).stderr


def test_several_regions(meseta: Command, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "g.fa"
    path.write_text("".join(f">g{i}\n" + "ACGT" * 5 + "\n" for i in range(20)))
    meseta("index", path)
    slices = [json.loads(line) for line in plan(meseta, path, "--region", "g3:1-4", "-r", "g5", "--region=g7:2-3 g9:1-1")]
    assert [s["part"]["name"] for s in slices] == ["g3", "g5", "g7", "g9"]


def test_folders_need_no_slash(meseta: Command, tmp_path: pathlib.Path) -> None:
    (tmp_path / "r.fastq").write_bytes(reads(10))
    assert meseta("ls", tmp_path).stdout == b"r.fastq\n"
    meseta("index", tmp_path)
    assert len(plan(meseta, tmp_path, "-n", 1)) == 1


def test_a_place_that_may_not_be_written_to(meseta: Command, tmp_path: pathlib.Path) -> None:
    (tmp_path / "r.fastq").write_bytes(reads(10))
    pathlib.Path(f"{tmp_path}/r.fastq.meseta").mkdir()
    done = meseta("index", tmp_path / "r.fastq", code=None)
    assert done.returncode in (1, 2) and b"r.fastq.meseta" in done.stderr


def test_slices_hold_no_secrets_and_stay_small(meseta: Command, fastq: pathlib.Path) -> None:
    meseta("index", fastq, "--spacing", "4Ki")
    for line in plan(meseta, fastq, "-n", 50):
        value = json.loads(line)
        urls = len(value["url"]) + len(value.get("index", {}).get("url", ""))
        assert len(line) <= 1024 + urls


@pytest.mark.parametrize("edit", [{"meseta": 2}, {"format": "nope"}, {"version": 99}, {"part": {}}, {"pin": {}}, {"url": "s3://u:p@x/y"}, {"part": {"kind": "records", "first": -1}}])
def test_hostile_slices_are_refused(meseta: Command, fastq: pathlib.Path, edit: dict[str, object]) -> None:
    meseta("index", fastq)
    value = json.loads(plan(meseta, fastq, "-n", 2)[0])
    value.update(edit)
    done = meseta("get", "-", data=json.dumps(value).encode(), code=None)
    assert done.returncode in (1, 2, 3, 4, 6) and not done.stdout and done.stderr
