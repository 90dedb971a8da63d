"""Commands on a folder are killed right before each call that changes it, and each such call is made to fail once: whatever happens, the
dataset then reads as before or as after, the next change goes through, and collecting and dropping clean up what is left.

test_kill.py WORKER SHIM [--thorough]: by default every command is stopped at a sample of its calls.
"""

import os
import shutil
import subprocess
import sys
import tempfile

ENV = {**os.environ, "MESETA_THREADS": "1"}


class Folder:
    def __init__(self, worker, root):
        self.worker, self.root = worker, root
        self.url = os.path.join(root, "sales")

    def run(self, *command, env=None):
        return subprocess.run([self.worker, self.url, *command], env={**ENV, **(env or {})}, capture_output=True, text=True, timeout=60)

    def must(self, *command):
        done = self.run(*command)
        assert done.returncode == 0, (command, done.returncode, done.stderr)
        return done.stdout

    def rows(self):
        """The rows, or None for a dataset that is not there."""
        done = self.run("rows")
        if done.returncode == 4:
            return None
        assert done.returncode == 0, done.stderr
        return done.stdout

    def files(self):
        return sorted(os.path.join(where, name) for where, _, names in os.walk(self.root) for name in names)


# What is done before, and the command that is killed.
CASES = {
    "create": ([], ["create", "v"]),
    "append": ([["create", "v"]], ["append", "100", "5"]),
    "replace": ([["create", "v"], ["append", "100", "5"]], ["replace", '[{"p": 1}]', "200", "4"]),
    "remove by index": ([["create", "v"], ["append", "100", "5"]], ["remove", '[{"v": "appended"}]']),
    "delete": ([["create", "v"]], ["delete", "k in (1, 5)"]),
    "update": ([["create", "v"]], ["update", "k > 6", '{"v": "updated"}']),
    "upsert": ([["create", "v"]], ["upsert", "7", "5"]),
    "compact": ([["create"], ["append", "100", "3"], ["append", "200", "3"]], ["compact"]),
    "index": ([["create"], ["append", "100", "3"]], ["index", "v"]),
    "unindex": ([["create", "v"]], ["unindex", "v"]),
    "restore": ([["create", "v"], ["append", "100", "5"]], ["restore", "1"]),
    "metadata": ([["create", "v"]], ["metadata", '{"owner": "ada"}']),
    "gc": ([["create", "v"], ["delete", "k = 1"], ["expire", "1"]], ["gc", "0"]),
    "expire": ([["create", "v"], ["append", "100", "5"]], ["expire", "1"]),
    "drop": ([["create", "v"], ["append", "100", "5"]], ["drop"]),
}


def prepare(worker, root, before):
    folder = Folder(worker, root)
    os.makedirs(root)
    for command in before:
        folder.must(*command)
    return folder


def check_after(folder, name, command, before, after, what):
    rows = folder.rows()
    if name == "drop":
        assert rows in (before, None), what
        if any("by-dataset-metadata" in f for f in folder.files()):
            folder.must("drop")
        assert folder.files() == [], (what, folder.files())
        return
    assert rows in (before, after), (what, rows)
    if rows is None:
        folder.must("create", "v")
        rows = folder.rows()
    folder.must("append", "900", "1")
    grown = folder.rows()
    assert sorted(grown.splitlines()) == sorted((rows + "00000900 appended\n").splitlines()), what
    folder.must("expire", "1")
    folder.must("gc", "0")
    assert folder.rows() == grown, what
    assert not [f for f in folder.files() if f.endswith(".tmp")], (what, folder.files())
    folder.must("drop")
    assert folder.files() == [], (what, folder.files())


def stop_at(worker, shim, base, name, command, before, after, variable, n):
    """Runs the command on a copy, stopped at its n-th call. False: it has fewer."""
    root = base + "-copy"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(base, root, symlinks=True)
    folder = Folder(worker, root)
    done = folder.run(*command, env={"LD_PRELOAD": shim, variable: str(n)})
    what = f"{name}, {variable}={n}, exit {done.returncode}: {done.stderr.strip()}"
    killed = done.returncode == -9
    assert killed or done.returncode >= 0, what
    if variable == "MESETA_FAIL_AT" and done.returncode == 0:
        assert folder.rows() == after, what
    check_after(folder, name, command, before, after, what)
    return killed or done.returncode != 0


def count_calls(worker, shim, base, command):
    """How many calls the command makes: the first n at which it is no longer killed, by doubling and halving."""
    low, high = 0, 1
    def killed(n):
        root = base + "-count"
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(base, root, symlinks=True)
        done = Folder(worker, root).run(*command, env={"LD_PRELOAD": shim, "MESETA_KILL_AT": str(n)})
        assert done.returncode in (-9, 0), done.stderr
        return done.returncode == -9
    while killed(high):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if killed(middle) else (low, middle)
    return low


def main():
    worker, shim = (os.path.abspath(a) for a in sys.argv[1:3])
    thorough = "--thorough" in sys.argv
    only = [a for a in sys.argv[3:] if not a.startswith("--")]
    with tempfile.TemporaryDirectory(prefix="meseta-kill-") as top:
        for i, (name, (before_commands, command)) in enumerate(CASES.items()):
            if only and name not in only:
                continue
            base = os.path.join(top, str(i))
            folder = prepare(worker, base, before_commands)
            before = folder.rows()
            whole = Folder(worker, base + "-whole")
            shutil.copytree(base, whole.root)
            whole.must(*command)
            after = whole.rows()
            calls = count_calls(worker, shim, base, command)
            step = 1 if thorough else max(1, calls // 6)
            stopped = 0
            for n in sorted({*range(1, calls + 1, step), calls}):
                stop_at(worker, shim, base, name, command, before, after, "MESETA_KILL_AT", n)
                if thorough or n % 2:
                    stop_at(worker, shim, base, name, command, before, after, "MESETA_FAIL_AT", n)
                stopped += 1
            print(f"{name}: {calls} calls, stopped at {stopped} of them", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
