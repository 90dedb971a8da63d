"""Every example of the docstrings and of the guide is run, and every public thing has a docstring."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pathlib
import pkgutil
import re
from typing import Any

import package_support as support
import pytest

import meseta

MODULES = ["meseta", *(f"meseta.{m.name}" for m in pkgutil.iter_modules(meseta.__path__) if not m.name.startswith("_"))]
GUIDES = [support.ROOT / "docs" / "guide" / name for name in ("python.md", "parquet.md", "datasets.md")]


@pytest.fixture
def names(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the examples of the docstrings stand on: a folder with two small indexed files."""
    (tmp_path / "genes.fa").write_text(">one\nACGTACGT\n>two\nGGG\n")
    (tmp_path / "people.csv").write_text("name,age\nAda,36\nAlan,41\nKurt,41\n")
    for name in ("genes.fa", "people.csv"):
        meseta.open(tmp_path / name).index()
    monkeypatch.chdir(tmp_path)
    return {"meseta": meseta, "folder": tmp_path, "pyarrow": pytest.importorskip("pyarrow")}


@pytest.mark.parametrize("module", MODULES)
def test_docstring_examples(module: str, names: dict[str, Any]) -> None:
    found = importlib.import_module(module)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    for test in doctest.DocTestFinder(exclude_empty=True).find(found, module, extraglobs=names):
        runner.run(test)
    assert runner.failures == 0


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.stem)
def test_guide(guide: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of ```python in one session, in order; lines `# → …` behind an expression say what it gives."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "guide"}
    blocks = re.findall(r"```python\n(.*?)```", guide.read_text(), re.DOTALL)
    assert len(blocks) > 5
    checked = 0
    for block in blocks:
        exec(compile(block, str(guide), "exec"), names)
        for expression, wanted in re.findall(r"^([^#\n]+?)\s+# → (.*)$", block, re.MULTILINE):
            checked += 1
            value = expression.split(" = ", 1)[0] if re.match(r"\w+ = ", expression) else expression
            assert repr(eval(value, names)) == wanted, expression
    assert checked > 5


def test_everything_public_is_documented() -> None:
    for name in meseta.__all__:
        thing = getattr(meseta, name)
        if name == "__version__":
            continue
        assert inspect.getdoc(thing), name
        if inspect.isclass(thing):
            for inner, member in vars(thing).items():
                if not inner.startswith("_") and (callable(member) or isinstance(member, property | classmethod)):
                    assert inspect.getdoc(member), f"{name}.{inner}"
