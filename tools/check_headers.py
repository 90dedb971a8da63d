#!/usr/bin/env python3
"""Compiles every installed header alone, as strict C and as C++, so that each includes what it needs and a C++ program can
use it. Run it in the tree's root."""

import os
import pathlib
import shlex
import shutil
import subprocess
import sys

STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror", "-fsyntax-only", "-Iinclude"]


def compilers():
    yield shlex.split(os.environ.get("CC", "cc")) + ["-std=c11", "-x", "c"]
    cxx = shlex.split(os.environ.get("CXX", "c++"))
    if shutil.which(cxx[0]):
        yield cxx + ["-std=c++11", "-x", "c++"]
    else:
        print(f"skipped: C++, because there is no {cxx[0]}")


def main():
    headers = sorted(pathlib.Path("include/meseta").glob("*.h"))
    if not headers:
        sys.exit("include/meseta holds no header: run this in the tree's root")
    failed = False
    for compiler in compilers():
        for header in headers:
            # Twice, so that the guard is tried as well.
            text = f"#include <meseta/{header.name}>\n" * 2
            result = subprocess.run([*compiler, *STRICT, "-"], input=text, text=True, capture_output=True)
            if result.returncode != 0:
                failed = True
                print(f"{header} with {' '.join(compiler)}:\n{result.stderr}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
