"""The Parquet rows of the benchmarks: a table of 5 million rows of mixed columns (464 MB) is read and written in each
codec, column by column, selectively, and with two threads, beside pyarrow, Polars and DuckDB.

    python bench/parquet_cases.py [--data bench/data] [--rows 5000000] [--runs 3] [CASE…]

Every run is a process of its own that times the operation alone, after a small first one that loads what is loaded
lazily; the figure is the least CPU time (user + system, all threads). All read the same files, which pyarrow wrote; all
write the same table.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[1]
GROUP = 262_144
CODECS = ("none", "snappy", "zstd", "lz4")
PEERS = ("pyarrow", "polars", "duckdb")
# CPU seconds; ns a row; ms: what we mean to reach.
READ_AIMS = {"none": 0.36, "snappy": 0.50, "zstd": 0.60, "lz4": 0.48}
WRITE_AIMS = {"none": 0.50, "snappy": 0.85, "zstd": 1.5, "lz4": 0.80}
COLUMN_AIMS = {"f64": 3.5, "i32": 2.3, "price": 4.0, "cat": 5.0, "hexs": 12.0, "flag": 1.2, "tags": 22.0}
WIDE_COLUMNS, WIDE_GROUPS = 10_000, 100
SELECTED, QUERIES = 500, 20


# ---- the table ----


def batch(rng: Any, start: int, n: int) -> Any:
    """Columns as they are met: sorted numbers, noise, few and many values, nulls, short texts, lists."""
    import numpy as np
    import pyarrow as pa

    index = np.arange(start, start + n, dtype=np.int64)
    names = [f"category_{k:02d}" + "x" * (k % 5) for k in range(20)]
    category = np.minimum(rng.zipf(1.5, n) - 1, 19).astype(np.int32)
    raw = rng.integers(0, 256, size=(n, 8), dtype=np.uint8)
    digits = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
    chars = np.empty((n, 16), dtype=np.uint8)
    chars[:, 0::2], chars[:, 1::2] = digits[raw >> 4], digits[raw & 15]
    ends = np.arange(0, 16 * n + 1, 16, dtype=np.int32)
    lengths = rng.integers(0, 7, n)
    null_lists = rng.random(n) < 0.02
    lengths[null_lists] = 0
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    items = pa.array(rng.integers(0, 50_000, int(offsets[-1]), dtype=np.int32))
    valid = pa.py_buffer(np.packbits(~null_lists, bitorder="little").tobytes())
    return pa.record_batch(
        {
            "id": index,
            "i32": rng.integers(-(2**31), 2**31 - 1, n, dtype=np.int32),
            "small": np.minimum(rng.zipf(1.3, n), 1000).astype(np.int32) - 1,
            "f64": rng.standard_normal(n),
            "price": pa.array(np.round(rng.gamma(2.0, 30.0, n), 2), mask=rng.random(n) < 0.10),
            "cat": pa.DictionaryArray.from_arrays(pa.array(category), pa.array(names)).cast(pa.string()),
            "hexs": pa.StringArray.from_buffers(n, pa.py_buffer(ends), pa.py_buffer(chars.tobytes())),
            "ts": pa.array(1_700_000_000_000_000 + index * 250_000 + rng.integers(0, 200_000, n), pa.timestamp("us")),
            "flag": pa.array(rng.random(n) < 0.3, mask=rng.random(n) < 0.01),
            "tags": pa.Array.from_buffers(
                pa.list_(pa.int32()), n, [valid, pa.py_buffer(offsets.tobytes())], children=[items]
            ),
        }
    )


def make(folder: pathlib.Path, rows: int) -> None:
    """The table as an Arrow file, and as Parquet files of each codec that pyarrow writes."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    stamp = folder / "made.json"
    if stamp.exists() and json.loads(stamp.read_text()) == {"rows": rows, "version": 1}:
        return
    rng = np.random.default_rng(7)
    step = 500_000
    with pa.OSFile(str(folder / "table.arrow"), "wb") as file:
        writer = None
        for start in range(0, rows, step):
            made = batch(rng, start, min(step, rows - start))
            writer = writer or pa.ipc.new_file(file, made.schema)
            writer.write_batch(made)
        assert writer is not None
        writer.close()
    table = source(folder)
    for codec in CODECS:
        pq.write_table(table, folder / f"{codec}.parquet", compression=codec, row_group_size=GROUP)
    pq.write_table(
        table,
        folder / "indexed.parquet",
        compression="zstd",
        row_group_size=1 << 20,
        write_page_index=True,
        data_page_size=1 << 16,
    )
    wide(folder / "wide.parquet", rows)
    stamp.write_text(json.dumps({"rows": rows, "version": 1}))


def wide(path: pathlib.Path, rows: int) -> None:
    """Many columns in many row groups: a footer of tens of megabytes. Small tables get a small one."""
    import pyarrow as pa

    import meseta.parquet

    columns = WIDE_COLUMNS if rows >= 1_000_000 else WIDE_COLUMNS // 100
    one = pa.array(range(WIDE_GROUPS), pa.int64())
    table = pa.table([one] * columns, names=[f"column {i}" for i in range(columns)])
    meseta.parquet.write(table, path, codec="none", row_group_rows=1)


def source(folder: pathlib.Path) -> Any:
    import pyarrow as pa

    with pa.memory_map(str(folder / "table.arrow")) as file:
        return pa.ipc.open_file(file).read_all()


# ---- what is timed ----


def reader(who: str, columns: list[str] | None, threads: int) -> Callable[[str], Any]:
    """A call that reads a file into Arrow memory."""
    if who == "meseta":
        import pyarrow as pa

        import meseta.parquet

        return lambda path: pa.table(meseta.parquet.read(path, columns=columns))
    if who == "pyarrow":
        import pyarrow.parquet as pq

        return lambda path: pq.read_table(path, columns=columns, use_threads=threads > 1)
    if who == "polars":
        import polars

        return lambda path: polars.read_parquet(path, columns=columns)
    import duckdb

    connection = duckdb.connect(config={"threads": threads})
    names = ", ".join(columns) if columns else "*"
    return lambda path: connection.execute(f"select {names} from '{path}'").to_arrow_table()


def writer(who: str, table: Any, codec: str, threads: int) -> Callable[[str], Any]:
    if who == "meseta":
        import meseta.parquet

        return lambda path: meseta.parquet.write(table, path, codec=codec)
    if who == "pyarrow":
        import pyarrow.parquet as pq

        return lambda path: pq.write_table(table, path, compression=codec, row_group_size=GROUP)
    if who == "polars":
        import polars

        frame = polars.from_arrow(table)
        assert isinstance(frame, polars.DataFrame)
        name: Any = {"none": "uncompressed"}.get(codec, codec)
        return lambda path: frame.write_parquet(path, compression=name, row_group_size=GROUP)
    import duckdb

    connection = duckdb.connect(config={"threads": threads})
    connection.register("t", table)
    named = {"none": "uncompressed", "lz4": "lz4_raw"}.get(codec, codec)
    return lambda path: connection.execute(
        f"copy (select * from t) to '{path}' (format parquet, compression '{named}', row_group_size {GROUP})"
    )


def selector(who: str, threads: int) -> Callable[[str, int], Any]:
    """A call that reads the rows whose id lies in [from, from + SELECTED)."""
    if who == "meseta":
        import pyarrow as pa

        import meseta.parquet

        return lambda path, at: pa.table(meseta.parquet.read(path, where=f"id >= {at} and id < {at + SELECTED}"))
    if who == "pyarrow":
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        field = pc.field("id")
        return lambda path, at: pq.read_table(
            path, filters=(field >= at) & (field < at + SELECTED), use_threads=threads > 1
        )
    if who == "polars":
        import polars

        column = polars.col("id")
        return lambda path, at: polars.scan_parquet(path).filter((column >= at) & (column < at + SELECTED)).collect()
    import duckdb

    connection = duckdb.connect(config={"threads": threads})
    return lambda path, at: connection.execute(
        f"select * from '{path}' where id >= {at} and id < {at + SELECTED}"
    ).to_arrow_table()


def footer(who: str) -> Callable[[str], Any]:
    if who == "meseta":
        import meseta.parquet

        return lambda path: meseta.parquet.File(path).rows
    import pyarrow.parquet as pq

    return lambda path: pq.read_metadata(path).num_rows


def limit(codec: str, folder: pathlib.Path, columns: list[str] | None) -> Callable[[str], Any]:
    """What the machine takes for the least that must be done: unpack the bytes, write the values into fresh memory."""
    import numpy as np
    import pyarrow as pa

    table = source(folder).select(columns) if columns else source(folder)
    total, step = table.nbytes, 1 << 20
    unpacker = pa.Codec({"lz4": "lz4_raw"}.get(codec, codec)) if codec != "none" else None
    plain = (folder / "none.parquet").read_bytes() if unpacker else b""
    parts = [plain[i : i + step] for i in range(0, len(plain), step)]
    packed = [(len(p), unpacker.compress(p)) for p in parts] if unpacker else []
    values = np.ones(total, dtype=np.uint8)

    def run(_: str) -> Any:
        for n, p in packed:
            assert unpacker is not None
            unpacker.decompress(p, n)
        return values.copy()

    return run


def child(kind: str, who: str, what: str, folder: pathlib.Path, threads: int) -> dict[str, float]:
    """One timed run."""
    if who in ("meseta", "pyarrow"):
        import pyarrow as pa

        pa.set_cpu_count(threads)
        pa.set_io_thread_count(threads)
        pa.table({"a": [1]}).to_pandas()  # pandas is loaded now, not within what is timed
    path, times = str(folder / f"{what}.parquet"), 1
    run: Callable[[int], Any]
    if kind == "read":
        call = limit(what, folder, None) if who == "limit" else reader(who, None, threads)
        if who != "limit":
            reader(who, ["flag"], threads)(str(folder / "none.parquet"))
        run = lambda _: call(path)  # noqa: E731
    elif kind == "column":
        path = str(folder / "none.parquet")
        call = limit("none", folder, [what]) if who == "limit" else reader(who, [what], threads)
        if who != "limit":
            reader(who, ["flag"], threads)(path)
        run = lambda _: call(path)  # noqa: E731
    elif kind == "write":
        table = source(folder)
        writer(who, table.slice(0, 1000), what, threads)(str(folder / f"out-{who}.parquet"))
        put = writer(who, table, what, threads)
        run = lambda _: put(str(folder / f"out-{who}.parquet"))  # noqa: E731
    elif kind == "select":
        path, times = str(folder / "indexed.parquet"), QUERIES
        rows = json.loads((folder / "made.json").read_text())["rows"]
        select = selector(who, threads)
        found = select(path, rows // 3)
        assert len(found) == SELECTED, f"{who} finds {len(found)} rows"
        run = lambda k: select(path, (k * 7_368_787 + 12_345) % (rows - SELECTED))  # noqa: E731
    else:
        path, call = str(folder / "wide.parquet"), footer(who)
        run = lambda _: call(path)  # noqa: E731
    before = resource.getrusage(resource.RUSAGE_SELF)
    began = time.monotonic()
    kept = [run(k) for k in range(times)]
    wall = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_SELF)
    del kept
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    size = (folder / f"out-{who}.parquet").stat().st_size if kind == "write" else 0
    return {
        "cpu": cpu / times,
        "wall": wall / times,
        "grown": (after.ru_maxrss - before.ru_maxrss) * 1024.0,
        "size": size,
    }


# ---- the rows ----


def timed(kind: str, who: str, what: str, folder: pathlib.Path, threads: int) -> dict[str, float] | None:
    env = {**os.environ, "MESETA_THREADS": str(threads), "POLARS_MAX_THREADS": str(threads)}
    line = [sys.executable, __file__, "--child", kind, who, what, str(threads), "--data", str(folder.parent)]
    done = subprocess.run(line, capture_output=True, text=True, env=env, check=False)
    if done.returncode != 0:
        print(f"Parquet {kind} {what}: left out: {who}: {done.stderr[-300:]}", file=sys.stderr)
        return None
    found: dict[str, float] = json.loads(done.stdout)
    return found


def least(
    kind: str, what: str, everyone: tuple[str, ...], folder: pathlib.Path, runs: int, threads: int = 1
) -> dict[str, dict[str, float]]:
    """The least of each figure, everyone in turn."""
    best: dict[str, dict[str, float]] = {}
    for _ in range(runs):
        for who in everyone:
            found = timed(kind, who, what, folder, threads)
            if found is not None:
                old = best.get(who, found)
                best[who] = {k: max(v, old[k]) if k == "grown" else min(v, old[k]) for k, v in found.items()}
    return best


def row(name: str, best: dict[str, dict[str, float]], aim: float, scale: float) -> dict[str, object]:
    """A line for run.py's table, which shows seconds * 1000 / times; `scale` turns seconds into what the aim is in."""
    return {
        "case": name,
        "cpu_s": {who: b["cpu"] for who, b in best.items()},
        "basis": 0,
        "times": 1000 / scale,
        "aim": aim or None,
        "peers": [p for p in PEERS if p in best],
        "bounds": ["limit"] if "limit" in best else [],
        "raw": best,
    }


def results(data: pathlib.Path, rows: int, runs: int, only: list[str]) -> tuple[list[dict[str, object]], list[str]]:
    """Lines for run.py's table, and remarks below it."""
    folder = data / "parquet"
    make(folder, rows)
    table_bytes = source(folder).nbytes
    found: list[dict[str, object]] = []
    remarks: list[str] = []

    def wanted(name: str) -> bool:
        return not only or any(o in name for o in only)

    def add(
        name: str, kind: str, what: str, everyone: tuple[str, ...], aim: float, scale: float
    ) -> dict[str, dict[str, float]]:
        if not wanted(name):
            return {}
        print(f"{name} …", file=sys.stderr, flush=True)
        best = least(kind, what, everyone, folder, runs)
        if "meseta" in best:
            found.append(row(name, best, aim, scale))
        return best

    for codec in CODECS:
        best = add(
            f"Parquet read, {codec}, ms", "read", codec, ("meseta", *PEERS, "limit"), READ_AIMS[codec] * 1000, 1000
        )
        if codec == "none" and "meseta" in best:
            shares = ", ".join(f"{w} {best[w]['grown'] / table_bytes:.2f}" for w in ("meseta", *PEERS) if w in best)
            remarks.append(f"  memory of a full read, times the table of {table_bytes / 1e6:.0f} MB: {shares}")
    for codec in CODECS:
        best = add(f"Parquet write, {codec}, ms", "write", codec, ("meseta", *PEERS), WRITE_AIMS[codec] * 1000, 1000)
        if "meseta" in best:
            sizes = ", ".join(f"{w} {best[w]['size'] / 1e6:.1f}" for w in ("meseta", *PEERS) if w in best)
            remarks.append(f"  file size with {codec}, MB: {sizes}")
    for column, aim in COLUMN_AIMS.items():
        add(f"Parquet column {column}, ns a row", "column", column, ("meseta", *PEERS, "limit"), aim, 1e9 / rows)
    add(f"Parquet, {SELECTED} rows by a sorted column, ms", "select", "indexed", ("meseta", *PEERS), 2.0, 1000)
    add("Parquet footer, wide, ms", "footer", "wide", ("meseta", "pyarrow"), 0.0, 1000)
    for kind in ("read", "write"):
        name = f"Parquet {kind}, zstd, two threads"
        if not wanted(name):
            continue
        one, two = (least(kind, "zstd", ("meseta",), folder, runs, n).get("meseta") for n in (1, 2))
        if one and two:
            ratios = f"{one['wall'] / two['wall']:5.2f} x wall at {two['cpu'] / one['cpu']:5.2f} x CPU"
            remarks.append(f"  Parquet {kind}, zstd, two threads: {ratios}")
    return found, remarks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=str(ROOT / "bench" / "data"))
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("only", nargs="*", help="cases whose names contain one of these")
    args = parser.parse_args()
    data = pathlib.Path(args.data).resolve()
    if args.child:
        kind, who, what, threads = args.child
        print(json.dumps(child(kind, who, what, data / "parquet", int(threads))))
        return
    sys.path.insert(0, str(ROOT / "bench"))
    import run

    found, remarks = results(data, args.rows, args.runs, args.only)
    print("\n".join([*run.table(found), "", *remarks]))


if __name__ == "__main__":
    main()
