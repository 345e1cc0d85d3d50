"""The notebook of the documentation runs from top to bottom and prints the text that it shows."""

from __future__ import annotations

import os
import re
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "docs" / "examples" / "first-link.ipynb"


def printed(notebook: nbformat.NotebookNode) -> list[str]:
    """Return what each code cell prints. A kernel sends it in any number of parts."""
    cells = [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]
    texts = ["".join(one.text for one in outputs if one.get("name") == "stdout") for outputs in cells]
    return [text for text in texts if text]


def without_numbers(texts: list[str]) -> list[str]:
    return [re.sub(r"[+-]?\d+(\.\d+)?", "#", text) for text in texts]


def test_the_first_link_runs_and_repeats_its_committed_output(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    committed = printed(notebook)
    assert any("packets arrived" in text for text in committed)
    NotebookClient(notebook, timeout=240, kernel_name="python3").execute()
    encoded, received = printed(notebook)[:2]
    # The extractors compute in floating point, so another machine may choose a few bytes more or less.
    assert without_numbers([encoded, received]) == without_numbers(committed[:2])
    assert 900 <= int(encoded.split()[0]) <= 1000
    assert [text.count("\n") for text in printed(notebook)] == [text.count("\n") for text in committed]
