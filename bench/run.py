"""Runs the benchmarks and prints one table: what meseta takes beside the best peer in the same run, in CPU time.

    python bench/run.py [--build build] [--data bench/data] [--scale 1] [--runs 3] [CASE…]

Every run is a process of its own; the figure is the least user + system time of its runs (children included), the peers in turn with
meseta. Peers that are not installed are left out and named. The table goes to standard output and, with the raw figures, to
bench/results/.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import pathlib
import platform
import resource
import shutil
import subprocess
import sys
from dataclasses import dataclass, field

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "bench"))

import make_data  # noqa: E402
import dataset_cases  # noqa: E402
import parquet_cases  # noqa: E402
import stores  # noqa: E402

PY = sys.executable


@dataclass
class Case:
    """One line of the table. `unit` is MB/s of plain text (`basis` bytes a run), or ms a run divided by `times`."""

    name: str
    ours: list[str]
    peers: dict[str, list[str]]
    basis: int = 0
    times: int = 1
    aim: float | None = None
    bound: dict[str, list[str]] = field(default_factory=dict)
    startup: list[str] | None = None  # a run that does nothing, taken off the figure


def shell(text: str) -> list[str]:
    return ["sh", "-c", text]


def python(code: str, *args: object) -> list[str]:
    return [PY, "-c", code, *map(str, args)]


def cpu_seconds(command: list[str], env: dict[str, str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=env, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise RuntimeError(f"{command[:4]}: exit {done.returncode}: {done.stderr.decode(errors='replace')[-300:]}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def has(program: str) -> bool:
    return shutil.which(program) is not None


def importable(module: str) -> bool:
    return subprocess.run([PY, "-c", f"import {module}"], capture_output=True, check=False).returncode == 0


READ_MIDDLE = """
import meseta, sys
source = meseta.open(sys.argv[1]); parts = source.slices(size="64KiB"); part = parts[len(parts) // 2]
for _ in range(int(sys.argv[2])): part.read()
"""
INDEXED_MIDDLE = """
import indexed_gzip, sys
f = indexed_gzip.IndexedGzipFile(sys.argv[1], index_file=sys.argv[3]); n = int(sys.argv[4])
for _ in range(int(sys.argv[2])): f.seek(n // 2 + _); f.read(65536)
"""
ARROW = """
import meseta, sys, json
source = meseta.open(sys.argv[1])
for part in source.slices(size="32MiB"):
    for batch in part.arrow(**json.loads(sys.argv[2])): pass
"""
REGIONS = """
import meseta, sys, random
source = meseta.open(sys.argv[1]); rng = random.Random(3)
for _ in range(181):
    at = rng.randrange(1, 3000000)
    for part in source.slices(region=f"chr{1 + rng.randrange(5)}:{at}-{at + 50000}"): part.read()
"""
TABIX_REGIONS = """
import sys, random
rng = random.Random(3)
for _ in range(181):
    at = rng.randrange(1, 3000000); c = 1 + rng.randrange(5)
    print(f"chr{c}\\t{at - 1}\\t{at + 50000}")
"""


def cases(meseta: str, data: pathlib.Path, plain: dict[str, int]) -> list[Case]:
    gz, fq, fa, csv, vcf = (data / n for n in ("reads.fastq.gz", "reads.fastq", "genome.fa", "table.csv", "calls.vcf.gz"))
    regions = data / "regions.bed"
    regions.write_text(subprocess.run([PY, "-c", TABIX_REGIONS], capture_output=True, check=True, text=True).stdout)

    def index(path: pathlib.Path, *more: str) -> list[str]:
        return [meseta, "index", "--force", "-q", "-j", "1", *more, str(path)]

    found = [
        Case("gzip + record index, FASTQ.gz", index(gz), {
            "rapidgzip": shell(f"rapidgzip -P 1 -f --export-index {data}/r.idx -c -d {gz}"),
            "gztool": shell(f"gztool -f -i -s 1 -I {data}/g.gzi {gz}"),
        }, plain["reads.fastq.gz"], aim=700, bound={"igzip -dc": shell(f"igzip -dc {gz}"), "gzip -dc": shell(f"gzip -dc {gz}")}),
        Case("64 KiB from the middle of a .gz, ms", python(READ_MIDDLE, gz, 300), {
            "indexed_gzip": python(INDEXED_MIDDLE, gz, 300, data / "ig.idx", plain["reads.fastq.gz"]),
        }, times=300, aim=0.8, startup=python(READ_MIDDLE, gz, 0)),
        Case("FASTA index, plain", index(fa), {
            "pyfastx": python("import pyfastx,sys,os; os.path.exists(sys.argv[1]+'.fxi') and os.remove(sys.argv[1]+'.fxi'); pyfastx.Fasta(sys.argv[1])", fa),
            "samtools faidx": ["samtools", "faidx", str(fa), "-o", str(data / "s.fai")],
        }, plain["genome.fa"], aim=2500, bound={"wc -l": ["wc", "-l", str(fa)]}),
        Case("FASTQ scan, plain", index(fq), {"seqtk seq": ["seqtk", "seq", str(fq)]}, plain["reads.fastq"], aim=3000, bound={"wc -l": ["wc", "-l", str(fq)]}),
        Case("CSV boundaries, quoted newlines", index(csv), {
            "python csv": python("import csv,sys; sum(1 for _ in csv.reader(open(sys.argv[1], newline='')))", csv),
            "duckdb count(*)": python("import duckdb,sys; duckdb.sql('set threads=1'); duckdb.sql(f\"select count(*) from read_csv('{sys.argv[1]}')\").fetchall()", csv),
        }, plain["table.csv"], aim=4300, bound={"wc -l": ["wc", "-l", str(csv)]}),
        Case("VCF BGZF index", index(vcf), {
            "bcftools index": ["bcftools", "index", "-f", "-o", str(data / "b.csi"), str(vcf)],
            "tabix": shell(f"tabix -f -p vcf {vcf}"),
        }, plain["calls.vcf.gz"], aim=700, bound={"bgzip -dc": ["bgzip", "-dc", str(vcf)]}),
        Case("181 regions of a VCF, ms in all", python(REGIONS, vcf), {"tabix": ["tabix", "-R", str(regions), str(vcf)]}, times=1, aim=27,
             startup=python("import meseta,sys; meseta.open(sys.argv[1])", vcf)),
        Case("FASTQ.gz to Arrow", python(ARROW, gz, "{}"), {
            "pysam": python("import pysam,sys; [0 for r in pysam.FastxFile(sys.argv[1])]", gz),
        }, plain["reads.fastq.gz"], aim=600),
        Case("CSV to typed Arrow", python(ARROW, csv, "{}"), {
            "pyarrow": python("import pyarrow as pa,pyarrow.csv as c,sys; pa.set_cpu_count(1); c.read_csv(sys.argv[1], parse_options=c.ParseOptions(newlines_in_values=True), read_options=c.ReadOptions(use_threads=False))", csv),
            "polars": ["env", "POLARS_MAX_THREADS=1", *python("import polars,sys; polars.read_csv(sys.argv[1], try_parse_dates=True)", csv)],
        }, plain["table.csv"], aim=550),
        Case("VCF to columns with genotypes", python(ARROW, vcf, '{"genotypes": true}'), {
            "bcftools query": ["bcftools", "query", "-f", "%CHROM\\t%POS\\t%REF\\t%ALT\\t%DP\\t%AF[\\t%GT:%DP]\\n", str(vcf)],
        }, plain["calls.vcf.gz"], aim=280),
        Case("start of the command, ms", shell(f"for i in 1 2 3 4 5 6 7 8 9 10; do {meseta} ls {ROOT}/bench/ >/dev/null; done"),
             {"curl --version": shell("for i in 1 2 3 4 5 6 7 8 9 10; do curl --version >/dev/null; done")}, times=10, aim=4),
        Case("import meseta, ms over Python", python("import meseta"), {"import numpy": python("import numpy"), "import pyarrow": python("import pyarrow")}, aim=30,
             startup=python("pass")),
    ]
    return found


def threads_table(meseta: str, data: pathlib.Path, runs: int, env: dict[str, str]) -> list[str]:
    """Wall and CPU time of one and two threads, where work splits."""
    import time

    lines = ["", "Two threads (wall of one / wall of two; CPU of two / CPU of one):", ""]
    for name in ("genome.fa", "reads.fastq", "table.csv", "calls.vcf.gz"):
        best: dict[int, tuple[float, float]] = {}
        for threads in (1, 2):
            for _ in range(runs):
                began = time.monotonic()
                cpu = cpu_seconds([meseta, "index", "--force", "-q", "-j", str(threads), str(data / name)], env)
                wall = time.monotonic() - began
                old = best.get(threads, (1e9, 1e9))
                best[threads] = (min(old[0], wall), min(old[1], cpu))
        lines.append(f"  index {name:<16} {best[1][0] / best[2][0]:5.2f} x wall at {best[2][1] / best[1][1]:5.2f} x CPU")
    return lines


def measure(case: Case, runs: int, env: dict[str, str], missing: set[str]) -> dict[str, object]:
    everyone = {"meseta": case.ours, **case.peers, **case.bound}
    times: dict[str, float] = {}
    if case.startup is not None:
        times["startup"] = min(cpu_seconds(case.startup, env) for _ in range(runs))
    for _ in range(runs):
        for who, command in everyone.items():
            if who in missing:
                continue
            try:
                times[who] = min(times.get(who, 1e9), cpu_seconds(command, env))
            except (RuntimeError, OSError) as error:
                print(f"{case.name}: left out: {who}: {str(error)[-200:]}", file=sys.stderr)
                if who == "meseta":
                    return {}
                missing.add(who)
    return {"case": case.name, "cpu_s": times, "basis": case.basis, "times": case.times, "aim": case.aim, "peers": list(case.peers), "bounds": list(case.bound)}


def figure(result: dict[str, object], who: str) -> float | None:
    times = result["cpu_s"]
    assert isinstance(times, dict)
    if who not in times:
        return None
    seconds = times[who]
    basis, n = int(str(result["basis"])), float(str(result["times"]))
    if basis:
        return basis / seconds / 1e6
    if "startup" in times and who in ("meseta",) or "startup" in times and who.startswith("import "):
        seconds = max(seconds - times["startup"], 0)
    return seconds * 1000 / n


def table(results: list[dict[str, object]]) -> list[str]:
    lines = [f"{'case':<40} {'meseta':>8} {'best peer':>26} {'ratio':>6} {'aim':>6}  {'bound':<22}"]
    for r in results:
        ours, rate = figure(r, "meseta"), bool(r["basis"])
        assert ours is not None
        peers = {p: f for p in list(r["peers"]) if (f := figure(r, p)) is not None}  # type: ignore[call-overload]
        bounds = {p: f for p in list(r["bounds"]) if (f := figure(r, p)) is not None}  # type: ignore[call-overload]
        best = (max if rate else min)(peers, key=lambda p: peers[p]) if peers else None
        ratio = (ours / peers[best] if rate else peers[best] / max(ours, 1e-9)) if best else None
        bound = max(bounds, key=lambda p: bounds[p]) if bounds else None
        digits = 0 if rate or ours >= 100 else 2
        lines.append(f"{str(r['case']):<40} {ours:>8.{digits}f} {f'{best} {peers[best]:.{digits}f}' if best else '-':>26} {f'{ratio:.2f}' if ratio else '-':>6} "
                     f"{r['aim'] if r['aim'] is not None else '-':>6}  {f'{bound} {bounds[bound]:.{digits}f}' if bound else '':<22}")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("--data", default=str(ROOT / "bench" / "data"))
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("only", nargs="*", help="cases whose names contain one of these")
    args = parser.parse_args()
    meseta = str(pathlib.Path(args.build).resolve() / "meseta")
    data = pathlib.Path(args.data).resolve()
    plain = make_data.make(data, args.scale)
    env = {**os.environ, "MESETA_THREADS": "1", "PATH": f"{pathlib.Path(PY).parent}:{os.environ['PATH']}"}
    for name in plain:
        subprocess.run([meseta, "index", "-q", str(data / name)], check=True, stdout=subprocess.DEVNULL)
    if has("tabix"):
        subprocess.run(["tabix", "-f", "-p", "vcf", str(data / "calls.vcf.gz")], check=False)
    if importable("indexed_gzip"):
        subprocess.run(python("import indexed_gzip,sys; f=indexed_gzip.IndexedGzipFile(sys.argv[1]); f.build_full_index(); f.export_index(sys.argv[2])",
                              data / "reads.fastq.gz", data / "ig.idx"), check=False)
    missing: set[str] = set()
    results = [measure(c, args.runs, env, missing) for c in cases(meseta, data, plain) if not args.only or any(o in c.name for o in args.only)]
    if not args.only or any(o in "S3, signed" for o in args.only):
        results += stores.results(args.build, args.runs)
    remarks: list[str] = []
    if not args.only or any("Parquet" in o for o in args.only):
        found, remarks = parquet_cases.results(data, int(5_000_000 * args.scale), args.runs, args.only)
        results += found
    tables: list[str] = []
    if not args.only or any("dataset" in o for o in args.only):
        found, tables = dataset_cases.results(data, args.scale, args.runs, args.only)
        results += found
    failed = sum(not r for r in results)
    results = [r for r in results if r]
    lines = [f"meseta {subprocess.run([meseta, 'version'], capture_output=True, text=True, check=True).stdout.split()[1]}, {platform.machine()}, "
             f"{os.cpu_count()} cores; MB of plain text per CPU second, one thread, unless the case says ms (CPU); least of {args.runs} runs", ""]
    lines += table(results)
    if not args.only:
        lines += threads_table(meseta, data, args.runs, {**os.environ})
    if remarks:
        lines += ["", "Parquet:", "", *remarks]
    if tables:
        lines += ["", "datasets:", "", *tables]
    if missing:
        lines += ["", "not here: " + ", ".join(sorted(missing))]
    print("\n".join(lines))
    stamp = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H%M%SZ")
    out = ROOT / "bench" / "results"
    out.mkdir(exist_ok=True)
    (out / f"{stamp}.json").write_text(json.dumps(results, indent=1) + "\n")
    (out / "latest.txt").write_text("\n".join(lines) + "\n")
    if failed:
        sys.exit(f"{failed} cases failed")


if __name__ == "__main__":
    main()
