"""Documents name things that exist: files, modules, links and options."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in (".", "docs", "docs/results", "training", "benchmarks", *(f"models/{one}" for one in ("pocket",)))
    for path in (ROOT / folder).glob("*.md")
)
OWN = (
    "sender",
    "channel",
    "receiver",
    "shared",
    "semlink",
    "training",
    "benchmarks",
    "deploy",
    "models",
    "tests",
    "docs",
)
PATH = re.compile(rf"`((?:{'|'.join(OWN)})/[\w./-]+)`")
MODULE = re.compile(rf"python -m ((?:{'|'.join(OWN)})[\w.]*)")
OUTSIDE = re.compile(r"NAME|prometheus/targets/")
"""Placeholders, and files that a command writes."""
LINK = re.compile(r"\]\(([^)#\s]+)(#[^)]*)?\)")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_files_modules_and_links_of_a_document_exist(document):
    path = ROOT / document
    text = path.read_text("utf-8")
    missing = [name for name in PATH.findall(text) if not (ROOT / name).exists() and not OUTSIDE.search(name)]
    for name in MODULE.findall(text):
        file = ROOT / name.replace(".", "/")
        if not file.with_suffix(".py").exists() and not (file / "__main__.py").exists():
            missing.append(f"python -m {name}")
    for target, _ in LINK.findall(text):
        if "://" not in target and not (path.parent / target).exists():
            missing.append(target)
    assert not missing


def test_the_readme_lists_every_page_of_the_documentation():
    readme = (ROOT / "README.md").read_text("utf-8")
    pages = {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")}
    assert not [page for page in sorted(pages) if f"({page})" not in readme]
