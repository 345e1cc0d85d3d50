"""The notebook of the documentation runs from top to bottom, and prints what it shows."""

from __future__ import annotations

import os
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "docs" / "examples" / "first-link.ipynb"


def printed(notebook: nbformat.NotebookNode) -> list[str]:
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    return [output.text for output in outputs if output.get("name") == "stdout"]


def test_the_first_link_runs_and_repeats_its_committed_output(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    committed = printed(notebook)
    assert any("packets arrived" in text for text in committed)
    NotebookClient(notebook, timeout=240, kernel_name="python3").execute()
    packets_and_bytes = committed[:2]
    assert printed(notebook)[:2] == packets_and_bytes
    assert len(printed(notebook)) == len(committed)
