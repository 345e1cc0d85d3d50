"""Real networks, small, with random weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from receiver.decoders.base import DecodeOptions
from receiver.guidance import Guidance
from receiver.pocket.decoder import PocketDecoder
from receiver.pocket.weights import save_networks
from shared.bitstream import PictureHeader
from shared.hci.stream import HciImage, downsample
from tests.tiny_pocket import make_tiny_networks

if TYPE_CHECKING:
    import numpy as np


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pocket")
    save_networks(make_tiny_networks(1, random=True), folder, steps=2, fidelity=0.5)
    return folder


@pytest.fixture(scope="session")
def decoder(weights):
    return PocketDecoder("cpu", weights)


@pytest.fixture(scope="session")
def guidance_for(synthetic_pixels):
    """A function of (width, height, *, grey=False, scale=4, seed=0) that returns a picture's guidance."""

    def made(width: int, height: int, *, grey: bool = False, scale: int = 4, seed: int = 0) -> Guidance:
        pixels = downsample(synthetic_pixels(width, height, grey=grey, seed=seed), scale)
        return Guidance(PictureHeader(width, height, grey), HciImage(pixels, "av1", scale))

    return made


@pytest.fixture(scope="session")
def pixels_from(decoder):
    """A function of (guidance, **options) that decodes with ``decoder`` and returns the pixels."""

    def made(guidance: Guidance, **options: object) -> np.ndarray:
        return decoder.reconstruct(guidance, DecodeOptions(**options)).pixels

    return made
