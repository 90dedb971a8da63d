#!/usr/bin/env python3
"""Compares what the built libmeseta.so exports with src/api/symbols.txt, so that no function appears or goes by accident,
and looks for global names without the prefix in the static library.

    tools/check_symbols.py --library build/src/libmeseta.so [--static build/src/libmeseta_internal.a] [--update]
"""

import argparse
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
LIST = ROOT / "src" / "api" / "symbols.txt"


def defined(path, *options):
    lines = subprocess.run(
        ["nm", "--defined-only", "--format=posix", *options, str(path)], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    # "name type value size"; a line "archive[member]:" has no type, and 'A' is the version node itself.
    fields = [line.split() for line in lines]
    return sorted({f[0].split("@")[0] for f in fields if len(f) >= 2 and f[1] != "A"})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", required=True, type=pathlib.Path)
    parser.add_argument("--static", type=pathlib.Path)
    parser.add_argument("--update", action="store_true", help="write the list anew")
    options = parser.parse_args()

    found = defined(options.library, "--dynamic")
    if options.update:
        LIST.write_text("".join(name + "\n" for name in found))
        print(f"{LIST.relative_to(ROOT)}: {len(found)} symbols")
    wanted = LIST.read_text().split()
    failed = False
    for name in sorted(set(found) - set(wanted)):
        failed = True
        print(f"exported, but not in {LIST.relative_to(ROOT)}: {name}")
    for name in sorted(set(wanted) - set(found)):
        failed = True
        print(f"in {LIST.relative_to(ROOT)}, but not exported: {name}")
    if failed:
        print(f"If this is meant: tools/check_symbols.py --library {options.library} --update")
    for name in defined(options.static, "--extern-only") if options.static else []:
        if not name.startswith("mst_"):
            failed = True
            print(f"global in {options.static.name} without the prefix mst_: {name}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
