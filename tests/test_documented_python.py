"""The Python of the documents runs as written, beside the photographs of the repository."""

from __future__ import annotations

import re

import pytest

from tests.documents import PYTHON, ROOT

SLOW = {"docs/sweep.md"}
"""A sweep of six photographs at two SNRs takes a minute."""


@pytest.mark.filterwarnings("ignore")  # those of the libraries that the blocks import
@pytest.mark.parametrize(
    ("page", "code"),
    [
        pytest.param(page, code, id=f"{page}-{number}", marks=[pytest.mark.slow] if page in SLOW else [])
        for number, (page, code) in enumerate(PYTHON)
    ],
)
def test_python_of_a_document_runs_as_written(page, code, tmp_path, monkeypatch):
    (tmp_path / "photos").symlink_to(ROOT / "photos")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": page}
    exec(compile(code, page, "exec"), names)
    if shown := re.search(r'\n\w+\(.*\)  # .*: "([^"]+)"\n', code):  # the last line shows its value
        assert eval(shown[0].strip(), names) == shown[1]
