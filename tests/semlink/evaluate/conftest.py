"""Fixtures of the evaluation's tests."""

from __future__ import annotations

import pytest

from semlink.evaluate.results import Row


@pytest.fixture
def row_of():
    """A function of (codec, picture, *, bytes, **measures) that returns a row at one budget."""

    def row(codec: str, picture: str, *, bytes: int, **measures: float) -> Row:  # noqa: A002 - the row's own word
        return Row("", picture, "", codec, "q50", 0, 64, 64, bytes, 8 * bytes / 4096, "", "", 0.0, 0.0, measures)

    return row
