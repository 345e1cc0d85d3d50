"""The sender's extractors, with the weights that ship."""

from __future__ import annotations

import pytest

from sender.extractors.extractors import Extractors


@pytest.fixture(scope="session")
def extractors() -> Extractors:
    """Extractors that each load once for all tests."""
    return Extractors()
