#!/usr/bin/env python3
"""Holds the rules of the source tree that a compiler does not: who may include whom, what a file opens with, and the
calls that a library must not make. Run it in the tree's root: 0 when all is well, 1 with a list of what is not."""

import pathlib
import re
import sys

# A module may include its own files, and <module>/<module>.h of the modules named here.
LAYERS = {
    "base": [],
    "codec": ["base"],
    "column": ["base"],
    "expr": ["base", "column"],
    "store": ["base"],
    "fetch": ["base", "store"],
    "parquet": ["base", "codec", "column", "expr"],
    "format": ["base", "codec", "column", "expr", "parquet"],
    "source": ["base", "codec", "column", "expr", "store", "fetch", "parquet", "format"],
    "dataset": ["base", "codec", "column", "expr", "store", "fetch", "parquet", "source"],
}
LAYERS["api"] = list(LAYERS)

# Machines: bytes in, answers out. These headers would let them do I/O by themselves.
WITHOUT_IO = ["codec", "column", "expr", "parquet", "format"]
IO_HEADERS = re.compile(r"(curl/.*|openssl/.*|fcntl\.h|unistd\.h|dirent\.h|netdb\.h|sys/(socket|stat|mman|file|uio)\.h)$")

C_HEADERS = set(
    "assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdalign stdarg stdatomic "
    "stdbool stddef stdint stdio stdlib stdnoreturn string tgmath threads time uchar wchar wctype".split()
)
SYSTEM_HEADERS = set(
    "dirent dlfcn fcntl fnmatch ftw getopt glob grp langinfo libgen locale poll pthread pwd sched semaphore spawn "
    "strings sysexits syslog termios unistd wordexp malloc".split()
)

# Calls that print, end the process, read the locale or share hidden state, and memory from past the allocator.
FORBIDDEN_CALLS = {
    "abort": "the library never aborts",
    "exit": "the library never exits",
    "_exit": "the library never exits",
    "quick_exit": "the library never exits",
    "printf": "the library never prints",
    "vprintf": "the library never prints",
    "puts": "the library never prints",
    "putchar": "the library never prints",
    "perror": "the library never prints",
    "setlocale": "the library leaves the locale alone",
    "strerror": "not thread-safe: use mst_fail_errno",
    "strtok": "not thread-safe",
    "gmtime": "not thread-safe: use base/time.h",
    "localtime": "reads the time zone: use base/time.h",
    "rand": "hidden state: use the context's randomness",
    "srand": "hidden state: use the context's randomness",
    "random": "hidden state: use the context's randomness",
    "strtod": "reads the locale",
    "atof": "reads the locale",
    "sprintf": "unbounded: use snprintf",
    "strcpy": "unbounded",
    "strcat": "unbounded",
    "malloc": "use base/alloc.h",
    "calloc": "use base/alloc.h",
    "realloc": "use base/alloc.h",
    "strdup": "use mst_text_copy",
    "strndup": "use mst_text_copy_n",
    "free": "use mst_free",
    "getenv": "use mst_context_getenv",
}
# (file, call): why it is right there.
EXCEPTIONS = {
    ("src/base/alloc.c", "calloc"): "this is the allocator",
    ("src/base/alloc.c", "realloc"): "this is the allocator",
    ("src/base/alloc.c", "free"): "this is the allocator",
    ("src/base/context.c", "getenv"): "this is the environment",
    ("src/base/scan.c", "getenv"): "the processor's kernels are chosen without a context",
    ("src/base/error.c", "abort"): "a broken promise of ours, in checked builds only",
}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)
CYTHON_EXTERN = re.compile(r'^\s*cdef\s+extern\s+from\s+["\']<?([^"\'>]+)>?["\']', re.M)
COMMENT_OR_TEXT = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', re.S)
CALL = re.compile(r"(?<![\w.>])(%s)\s*\(" % "|".join(map(re.escape, FORBIDDEN_CALLS)))
STREAMS = re.compile(r"\b(stdout|stderr)\b")


class Checker:
    def __init__(self, root):
        self.root = root
        self.violations = []

    def report(self, path, line, what):
        self.violations.append(f"{path}:{line}: {what}")

    def files(self, folder, *endings):
        base = self.root / folder
        for path in sorted(base.rglob("*")) if base.is_dir() else []:
            if path.suffix in endings and path.is_file() and "build" not in path.relative_to(base).parts:
                yield path.relative_to(self.root), path.read_text(encoding="utf-8")

    def includes(self, text, pattern=INCLUDE):
        for match in pattern.finditer(text):
            line = text.count("\n", 0, match.start(match.lastindex)) + 1
            yield line, match.group(1) == '"', match.group(match.lastindex)

    def check_opening(self, path, text):
        first = text.split("\n", 1)[0]
        if not first.startswith("/* ") or path.name not in first:
            self.report(path, 1, f'the first line must be a comment that says what the file is: "/* …{path.name} - …"')

    def check_public_name(self, path, line, name):
        if not (self.root / "include" / name).is_file():
            self.report(path, line, f"<{name}> does not exist")

    def check_module_include(self, module, path, line, quoted, name):
        if not quoted:
            if name.startswith("meseta/"):
                self.check_public_name(path, line, name)
            elif module in WITHOUT_IO and IO_HEADERS.match(name):
                self.report(path, line, f"{module} does no I/O, so that it has no use for <{name}>")
            return
        folder, _, rest = name.partition("/")
        if folder == module and rest and (self.root / "src" / name).is_file():
            return
        if folder not in LAYERS:
            self.report(path, line, f'"{name}": write it as "<module>/<file>.h"')
        elif folder == module:
            self.report(path, line, f'"{name}" does not exist')
        elif folder not in LAYERS[module]:
            self.report(path, line, f"{module} must not know {folder} (allowed: {' '.join(LAYERS[module]) or 'none'})")
        elif rest != f"{folder}.h":
            self.report(path, line, f'"{name}" is private to {folder}; others include "{folder}/{folder}.h"')

    def check_calls(self, path, text):
        bare = COMMENT_OR_TEXT.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)
        for match in CALL.finditer(bare):
            call = match.group(1)
            if (str(path), call) not in EXCEPTIONS:
                self.report(path, bare.count("\n", 0, match.start()) + 1, f"{call}(): {FORBIDDEN_CALLS[call]}")
        for match in STREAMS.finditer(bare):
            if str(path) != "src/base/error.c":
                self.report(path, bare.count("\n", 0, match.start()) + 1, f"{match.group()}: the library never prints")

    def check_modules(self):
        for path, text in self.files("src", ".c", ".h"):
            if len(path.parts) < 3 or path.parts[1] not in LAYERS:
                self.report(path, 1, "every file under src/ belongs to one of the modules " + " ".join(LAYERS))
                continue
            module = path.parts[1]
            self.check_opening(path, text)
            self.check_calls(path, text)
            for line, quoted, name in self.includes(text):
                self.check_module_include(module, path, line, quoted, name)

    def check_public(self):
        for path, text in self.files("include", ".h"):
            self.check_opening(path, text)
            for line, quoted, name in self.includes(text):
                if quoted:
                    self.report(path, line, f'"{name}": an installed header includes <meseta/...> only')
                elif name.startswith("meseta/"):
                    self.check_public_name(path, line, name)
                elif name.removesuffix(".h") not in C_HEADERS:
                    self.report(path, line, f"<{name}>: an installed header needs the C library only")

    def is_system(self, name):
        stem = name.removesuffix(".h")
        return stem in C_HEADERS or stem in SYSTEM_HEADERS or stem.split("/")[0] in ("sys", "linux", "netinet", "arpa")

    def check_outside(self, folder, extra):
        """The command and the language bindings: the public headers, the system, and what is theirs."""
        for path, text in self.files(folder, ".c", ".h"):
            self.check_opening(path, text)
            for line, quoted, name in self.includes(text):
                own = [self.root / path.parent / name, self.root / folder / name, self.root / name]
                if name.startswith("meseta/"):
                    self.check_public_name(path, line, name)
                elif quoted and not any(self.is_below(p, folder) for p in own):
                    self.report(path, line, f'"{name}": {folder}/ includes <meseta/...> and its own files only')
                elif not quoted and not self.is_system(name) and not extra.match(name):
                    self.report(path, line, f"<{name}>: {folder}/ includes <meseta/...>, the system and its own files only")

    def is_below(self, path, folder):
        return path.is_file() and (self.root / folder).resolve() in path.resolve().parents

    def check_python(self):
        python_headers = re.compile(r"Python\.h$|structmember\.h$|datetime\.h$")
        self.check_outside("python", python_headers)
        for path, text in self.files("python", ".pyx", ".pxd", ".pxi"):
            for line, _, name in self.includes(text, CYTHON_EXTERN):
                if name == "*" or self.is_system(name) or python_headers.match(name):
                    continue
                if any(self.is_below(self.root / folder / name, "python") for folder in (path.parent, "python")):
                    continue
                if not name.startswith("meseta/"):
                    self.report(path, line, f"{name}: the package sees the public headers only")
                else:
                    self.check_public_name(path, line, name)

    def check_tests(self):
        for folder in ("tests", "fuzz", "examples", "bench"):
            for path, text in self.files(folder, ".c", ".h"):
                self.check_opening(path, text)

    def run(self):
        self.check_modules()
        self.check_public()
        self.check_outside("cli", re.compile(r"jansson\.h$"))  # it prints JSON; the library takes and gives text
        self.check_python()
        self.check_tests()
        return self.violations


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    if not (root / "src" / "base").is_dir():
        sys.exit(f"{root} is not the root of the source tree: there is no src/base in it")
    violations = Checker(root).run()
    for violation in violations:
        print(violation)
    if violations:
        print(f"{len(violations)} violation(s) of the rules in tools/check_layers.py", file=sys.stderr)
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
