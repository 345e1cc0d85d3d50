"""Real networks, small, with random weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from receiver.decoders.base import DecodeOptions
from receiver.guidance import Guidance
from receiver.pocket.decoder import PocketDecoder
from receiver.pocket.fallback import FallbackSynthesis
from receiver.pocket.networks import PocketNetworks, new_autoencoder, new_controlnet, new_unet
from receiver.pocket.prompt import PromptEmbedding
from receiver.pocket.rrdbnet import RRDBNet
from receiver.pocket.synthesis import LatentSynthesis
from receiver.pocket.weights import save_networks
from shared.bitstream import PictureHeader
from shared.hci.stream import HciImage, downsample
from tests.random_weights import fill_zeros

if TYPE_CHECKING:
    import numpy as np


def tiny_networks(seed: int = 1) -> PocketNetworks:
    """Networks in which every part changes the result; a new ControlNet would only give zeros."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        restorer = RRDBNet(width=16, growth=8, depth=1)
        autoencoder = new_autoencoder()
        # Signals fade in random layers; this brings outputs to the range and the contrast of pictures.
        output = restorer(torch.rand(1, 3, 32, 32))
        gain = 0.2 / output.std((0, 2, 3))
        restorer.last.weight.mul_(gain[:, None, None, None])
        restorer.last.bias.sub_(output.mean((0, 2, 3))).mul_(gain).add_(0.5)
        unet = new_unet((32, 32, 32))
        controlnet = new_controlnet(unet)
        fill_zeros(controlnet)
        return PocketNetworks(
            restorer,
            autoencoder,
            unet,
            controlnet,
            PromptEmbedding(),
            FallbackSynthesis(),
            LatentSynthesis(),
            sigma=0.2,
        )


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pocket")
    save_networks(tiny_networks(), folder, steps=2, fidelity=0.5)
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
