"""tests/rules/test_check_layers.py - the layer checker finds each kind of violation in a small tree, and nothing in a clean one."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

CHECKER = pathlib.Path(__file__).resolve().parents[2] / "tools" / "check_layers.py"

CLEAN = {
    "include/meseta/status.h": "/* meseta/status.h - x */\n#include <stdint.h>\n",
    "src/base/base.h": "/* base/base.h - x */\n#include <meseta/status.h>\n",
    "src/store/store.h": '/* store/store.h - x */\n#include "base/base.h"\n',
    "src/store/store.c": '/* store/store.c - x, free(all) */\n#include "store/inner.h"\nconst char *t = "printf(";\n',
    "src/store/inner.h": "/* store/inner.h - x */\n",
    "src/format/format.h": "/* format/format.h - x */\n",
    "src/source/source.c": '/* source/source.c - x */\n#include "format/format.h"\n#include "store/store.h"\n',
    "cli/main.c": '/* cli/main.c - x */\n#include "cli.h"\n#include <meseta/status.h>\n#include <unistd.h>\n',
    "cli/cli.h": "/* cli/cli.h - x */\n",
    "python/meseta/_core.pyx": 'cdef extern from "meseta/status.h":\n    pass\ncdef extern from "own.h":\n    pass\n',
    "python/meseta/own.h": "/* meseta/own.h - x */\n",
}
# file: (text, part of the message)
VIOLATIONS = {
    "src/format/text.c": ('/* format/text.c - x */\n#include "store/store.h"\n', "must not know store"),
    "src/base/low.c": ('/* base/low.c - x */\n#include "store/store.h"\n', "must not know store"),
    "src/source/peek.c": ('/* source/peek.c - x */\n#include "store/inner.h"\n', "is private to store"),
    "src/source/gone.c": ('/* source/gone.c - x */\n#include "source/gone.h"\n', "does not exist"),
    "src/source/bare.c": ('/* source/bare.c - x */\n#include "thing.h"\n', 'write it as "<module>/<file>.h"'),
    "src/codec/io.c": ("/* codec/io.c - x */\n#include <unistd.h>\n", "does no I/O"),
    "src/store/name.c": ("/* something else */\n", "first line must be a comment"),
    "src/store/call.c": ("/* store/call.c - x */\nvoid f(void) { exit(1); }\n", "never exits"),
    "src/store/talk.c": ("/* store/talk.c - x */\nvoid f(void) { fputs(\"x\", stderr); }\n", "never prints"),
    "src/lost/x.c": ("/* lost/x.c - x */\n", "belongs to one of the modules"),
    "include/meseta/bad.h": ('/* meseta/bad.h - x */\n#include "base/base.h"\n', "installed header"),
    "include/meseta/worse.h": ("/* meseta/worse.h - x */\n#include <jansson.h>\n", "needs the C library only"),
    "cli/deep.c": ('/* cli/deep.c - x */\n#include "store/store.h"\n', "its own files only"),
    "cli/web.c": ("/* cli/web.c - x */\n#include <curl/curl.h>\n", "its own files only"),
    "python/meseta/deep.pyx": ('cdef extern from "store/store.h":\n    pass\n', "public headers only"),
}


def check(files):
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            path = pathlib.Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return subprocess.run([sys.executable, str(CHECKER)], cwd=folder, capture_output=True, text=True)


class CheckLayers(unittest.TestCase):
    def test_a_clean_tree_passes(self):
        result = check(CLEAN)
        self.assertEqual((result.returncode, result.stdout), (0, ""))

    def test_each_violation_is_found_where_it_stands(self):
        for name, (text, message) in VIOLATIONS.items():
            with self.subTest(name):
                result = check(CLEAN | {name: text})
                self.assertEqual(result.returncode, 1)
                self.assertTrue(result.stdout.startswith(name + ":"), result.stdout)
                self.assertIn(message, result.stdout)


if __name__ == "__main__":
    unittest.main()
