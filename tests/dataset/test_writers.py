"""Many processes change one dataset at once: nothing is lost and nothing is doubled.

test_writers.py WORKER [--processes N] [--commits N] [URL]: in a fresh folder, or at a URL (whose store the environment gives access to).
"""

import argparse
import collections
import os
import subprocess
import tempfile

SPACING = 10_000_000


def run(worker, url, *command):
    done = subprocess.run([worker, url, *map(str, command)], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, (command, done.returncode, done.stderr)
    return done.stdout


def start(worker, url, number, commits):
    command = [worker, url, "churn", str((number + 1) * SPACING), str(commits)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "MESETA_THREADS": "1"})


def check(worker, url, processes, commits):
    run(worker, url, "create", "v")
    expected = [line for line in run(worker, url, "rows").splitlines()]
    writers = [start(worker, url, i, commits) for i in range(processes)]
    rounds = 0
    while any(w.poll() is None for w in writers):  # beside them, a collector and a reader
        run(worker, url, "gc", "86400")
        seen = collections.Counter(run(worker, url, "rows").splitlines())
        assert max(seen.values()) == 1 and set(expected) <= set(seen)
        rounds += 1
    for w in writers:
        out, err = w.communicate(timeout=600)
        assert w.returncode == 0, (w.returncode, err)
        expected += out.splitlines()
    found = run(worker, url, "dump").splitlines()
    version = int(found.pop(0).split()[1])
    lost = collections.Counter(expected) - collections.Counter(found)
    doubled = collections.Counter(found) - collections.Counter(expected)
    assert not lost and not doubled, f"lost {sum(lost.values())}, doubled {sum(doubled.values())}"
    deletions = processes * (commits // 4)
    assert version == 1 + processes * commits + deletions, version
    print(f"{processes} processes, {version} versions, {len(found)} rows, collected and read {rounds} times: 0 lost, 0 doubled")
    run(worker, url, "expire", "1")
    run(worker, url, "gc", "0")
    assert run(worker, url, "rows").splitlines() == found
    run(worker, url, "drop")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("worker")
    parser.add_argument("url", nargs="?")
    parser.add_argument("--processes", type=int, default=16)
    parser.add_argument("--commits", type=int, default=8)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="meseta-writers-") as folder:
        check(os.path.abspath(args.worker), args.url or os.path.join(folder, "sales"), args.processes, args.commits)


if __name__ == "__main__":
    main()
