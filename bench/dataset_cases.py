"""The dataset rows of the benchmarks: 200 partitions of 50,000 rows and 8 columns in a folder are written, read, looked
up, indexed and updated beside plateau; row operations beside delta-rs; one of 10,000 partitions is opened and changed.

    python bench/dataset_cases.py [--data bench/data] [--scale 1.0] [--runs 3] [CASE…]

Every run is a process of its own that times the operation alone, after a small one that loads what is loaded lazily;
the figure is the least CPU time (user + system, all threads). All read the same dataset, which plateau wrote.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[1]
PARTS, ROWS, MANY = 200, 50_000, 10_000
UPSERTED = 10_000


def frame(part: int, rows: int) -> Any:
    import numpy as np
    import pandas as pd

    chance = np.random.default_rng(100_003 + part)
    at = np.arange(part * rows, (part + 1) * rows)
    return pd.DataFrame(
        {
            "part": np.full(rows, part // 10, "int64"),
            "seq": at,
            "sensor": chance.integers(part * 5, part * 5 + 25, rows),
            "value": chance.normal(size=rows),
            "small": chance.integers(0, 100, rows).astype("int16"),
            "flag": chance.integers(0, 2, rows).astype(bool),
            "name": np.array([f"n{i:04d}" for i in range(500)], dtype=object)[chance.integers(0, 500, rows)],
            "at": np.datetime64("2024-01-01", "us") + at.astype("timedelta64[s]"),
        }
    )


# ---- what is there already ----


def make(folder: pathlib.Path, parts: int, rows: int) -> None:
    """Datasets "plain" (indexed by sensor) and "keyed" (partitioned by part), both written by plateau; "many" by us."""
    done = folder / "made.json"
    said = {"parts": parts, "rows": rows, "many": MANY}
    if done.exists() and json.loads(done.read_text()) == said:
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    import pyarrow as pa
    from plateau.io.eager import store_dataframes_as_dataset

    import meseta

    frames = [frame(p, rows) for p in range(parts)]
    url = f"hfs://{folder}"
    store_dataframes_as_dataset(store=url, dataset_uuid="plain", dfs=frames, secondary_indices=["sensor"])
    store_dataframes_as_dataset(store=url, dataset_uuid="keyed", dfs=frames, partition_on=["part"])
    keys = pa.table({"k": range(MANY), "v": range(MANY)})
    meseta.Dataset.create(folder / "many", keys, partition_on=["k"], history=0)
    done.write_text(json.dumps(said))


def fresh(folder: pathlib.Path, name: str) -> pathlib.Path:
    """A copy of a dataset, to be changed."""
    place = folder / "work"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    for path in folder.glob(f"{name}*"):
        if path.is_dir():
            shutil.copytree(path, place / path.name, copy_function=os.link)
        else:
            shutil.copy(path, place / path.name)
    return place


# ---- one run ----

Run = Callable[[], Any]


def ours(case: str, folder: pathlib.Path, parts: int, rows: int) -> Run:
    import meseta

    def table(name: str, **how: Any) -> Run:
        return lambda: meseta.Dataset(folder / name).read(**how).arrow()

    if case == "write":
        shutil.rmtree(folder / "out", ignore_errors=True)
        frames = [frame(p, rows) for p in range(parts)]
        return lambda: meseta.Dataset.create(folder / "out" / "d", frames, codec="snappy")
    if case == "read":
        return table("plain")
    if case == "by partition key":
        return table("keyed", where=f"part = {parts // 20}")
    if case == "by index":
        return table("plain", where=f"sensor = {parts * 5 // 2}")
    if case == "by sorted column":
        return table("plain", where=f"seq between {parts * rows // 2} and {parts * rows // 2 + 999}")
    if case == "build index":
        place = fresh(folder, "plain")
        return lambda: meseta.Dataset(place / "plain").build_index("small")
    if case == "update 10 of 200":
        place = fresh(folder, "keyed")
        new = [frame(p, rows) for p in range(10)]
        return lambda: meseta.Dataset(place / "keyed").update(new, delete=[{"part": 0}])
    if case == "open 10,000 partitions":
        return lambda: len(meseta.Dataset(folder / "many").partitions("k < 5"))
    if case == "commit to 10,000 partitions":
        place = fresh(folder, "many")
        return lambda: meseta.Dataset(place / "many").update(metadata={"n": 1})
    if case == "upsert":
        place = fresh(folder, "plain")
        new = changed(parts, rows)
        return lambda: meseta.Dataset(place / "plain").upsert(new, on=["seq"])
    place = fresh(folder, "plain")
    return lambda: meseta.Dataset(place / "plain").compact(target="64MiB")


def changed(parts: int, rows: int) -> Any:
    """Rows of one in ten partitions with new values."""
    import pandas as pd

    each = max(1, UPSERTED // max(1, parts // 10))
    return pd.concat([frame(p, rows).head(each).assign(value=0.0) for p in range(0, parts, 10)], ignore_index=True)


def plateau(case: str, folder: pathlib.Path, parts: int, rows: int) -> Run:
    from plateau.core.factory import DatasetFactory
    from plateau.io import eager

    url = f"hfs://{folder}"
    half = parts * rows // 2

    def table(name: str, *clauses: Any) -> Run:
        return lambda: eager.read_table(name, url, predicates=[list(clauses)] if clauses else None)

    if case == "write":
        shutil.rmtree(folder / "out", ignore_errors=True)
        frames = [frame(p, rows) for p in range(parts)]
        return lambda: eager.store_dataframes_as_dataset(store=f"hfs://{folder / 'out'}", dataset_uuid="d", dfs=frames)
    if case == "read":
        return table("plain")
    if case == "by partition key":
        return table("keyed", ("part", "==", parts // 20))
    if case == "by index":
        return table("plain", ("sensor", "==", parts * 5 // 2))
    if case == "by sorted column":
        return table("plain", ("seq", ">=", half), ("seq", "<=", half + 999))
    place = f"hfs://{fresh(folder, 'plain' if case == 'build index' else 'many' if '10,000' in case else 'keyed')}"
    if case == "build index":
        return lambda: eager.build_dataset_indices(place, "plain", columns=["small"])
    if case == "update 10 of 200":
        new = [frame(p, rows) for p in range(10)]
        return lambda: eager.update_dataset_from_dataframes(
            new, store=place, dataset_uuid="keyed", delete_scope=[{"part": 0}]
        )
    if case == "open 10,000 partitions":
        return lambda: DatasetFactory("many", url).load_partition_indices()
    if case == "commit to 10,000 partitions":
        return lambda: eager.commit_dataset(store=place, dataset_uuid="many", metadata={"n": 1})
    raise NotImplementedError


def delta(case: str, folder: pathlib.Path, parts: int, rows: int) -> Run:
    import deltalake
    import pyarrow as pa

    place = folder / "delta"
    shutil.rmtree(place, ignore_errors=True)
    tables = [pa.Table.from_pandas(frame(p, rows), preserve_index=False) for p in range(parts)]
    for each in tables:
        deltalake.write_deltalake(str(place), each, mode="append")
    found = deltalake.DeltaTable(str(place))
    if case == "upsert":
        new = pa.Table.from_pandas(changed(parts, rows), preserve_index=False)
        return lambda: (
            found.merge(new, "t.seq = s.seq", source_alias="s", target_alias="t")
            .when_matched_update_all()
            .when_not_matched_insert_all()
            .execute()
        )
    return lambda: found.optimize.compact(target_size=64 << 20)


WHO: dict[str, Callable[[str, pathlib.Path, int, int], Run]] = {"meseta": ours, "plateau": plateau, "delta-rs": delta}
# Name, everyone, aim as a share of plateau's time.
CASES = [
    ("write", ("meseta", "plateau")),
    ("read", ("meseta", "plateau")),
    ("by partition key", ("meseta", "plateau")),
    ("by index", ("meseta", "plateau")),
    ("by sorted column", ("meseta", "plateau")),
    ("build index", ("meseta", "plateau")),
    ("update 10 of 200", ("meseta", "plateau")),
    ("open 10,000 partitions", ("meseta", "plateau")),
    ("commit to 10,000 partitions", ("meseta", "plateau")),
    ("upsert", ("meseta", "delta-rs")),
    ("compact", ("meseta", "delta-rs")),
]


def child(who: str, case: str, folder: pathlib.Path, parts: int, rows: int) -> dict[str, float]:
    warnings.simplefilter("ignore")
    run = WHO[who](case, folder, parts, rows)
    if "read" in case or case.startswith("by "):  # what is loaded lazily is loaded now
        small = WHO[who]("by partition key", folder, parts, rows)
        small()
    before = resource.getrusage(resource.RUSAGE_SELF)
    began = time.monotonic()
    kept = run()
    wall = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_SELF)
    del kept
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"cpu": cpu, "wall": wall, "grown": (after.ru_maxrss - before.ru_maxrss) * 1024.0}


# ---- the rows ----


def timed(who: str, case: str, folder: pathlib.Path, parts: int, rows: int) -> dict[str, float] | None:
    line = [sys.executable, __file__, "--child", who, case, str(parts), str(rows), "--data", str(folder.parent)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print(f"dataset {case}: left out: {who}: {done.stderr[-300:]}", file=sys.stderr)
        return None
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def results(data: pathlib.Path, scale: float, runs: int, only: list[str]) -> tuple[list[dict[str, object]], list[str]]:
    """Lines for run.py's table, and remarks below it."""
    folder, parts, rows = data / "dataset", max(20, int(PARTS * scale)), ROWS
    make(folder, parts, rows)
    found: list[dict[str, object]] = []
    remarks: list[str] = []
    for case, everyone in CASES:
        name = f"dataset, {case}, ms"
        if only and not any(o in name for o in only):
            continue
        best: dict[str, dict[str, float]] = {}
        for _ in range(runs):
            for who in everyone:
                one = timed(who, case, folder, parts, rows)
                if one is not None:
                    old = best.get(who, one)
                    best[who] = {k: max(v, old[k]) if k == "grown" else min(v, old[k]) for k, v in one.items()}
        if "meseta" not in best:
            continue
        peers = [p for p in everyone[1:] if p in best]
        aim = round(min(best[p]["cpu"] for p in peers) * 1000 / (5 if "plateau" in peers else 1)) if peers else None
        found.append(
            {
                "case": name,
                "cpu_s": {w: b["cpu"] for w, b in best.items()},
                "basis": 0,
                "times": 1,
                "aim": aim,
                "peers": peers,
                "bounds": [],
                "raw": best,
            }
        )
        grown = ", ".join(f"{w} {b['wall'] * 1000:.0f} ms, {b['grown'] / 1048576:.0f} MiB" for w, b in best.items())
        remarks.append(f"  {case}, wall and memory: {grown}")
    return found, remarks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=str(ROOT / "bench" / "data"))
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("only", nargs="*", help="cases whose names contain one of these")
    args = parser.parse_args()
    data = pathlib.Path(args.data).resolve()
    if args.child:
        who, case, parts, rows = args.child
        print(json.dumps(child(who, case, data / "dataset", int(parts), int(rows))))
        return
    sys.path.insert(0, str(ROOT / "bench"))
    import run

    found, remarks = results(data, args.scale, args.runs, args.only)
    print("\n".join([*run.table(found), "", *remarks]))


if __name__ == "__main__":
    main()
