"""Tiny models of every family, and pictures and guidance to decode with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from receiver.decoders.base import DecodeOptions
from receiver.guidance import Guidance
from receiver.hub.decoder import HubDecoder
from shared.bitstream import PictureHeader
from shared.hci.stream import HciImage
from shared.hub.profile import ModelProfile
from shared.regions.region import Region
from shared.validation import validate
from tests.hub.tiny import profile_values

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Decoders:
    """Decoders of tiny models by profile, each loaded once."""

    folders: dict[str, Path]
    loaded: dict[str, HubDecoder] = field(default_factory=dict)

    def make(self, family: str = "stable-diffusion", **changes: Any) -> HubDecoder:
        """Return the decoder of a tiny profile of ``family`` with ``changes``."""
        values = profile_values("tiny", family, self.folders[family], **changes)
        key = repr(values)
        if key not in self.loaded:
            self.loaded[key] = HubDecoder(validate(ModelProfile, values), "cpu")
        return self.loaded[key]

    def controlnet(self, feed: str = "hci", **changes: Any) -> dict[str, Any]:
        """Return the setting ``controlnet`` with the tiny ControlNet."""
        return {"source": {"at": str(self.folders["controlnet"])}, "input": feed, **changes}


@pytest.fixture(scope="session")
def decoders(tiny_hub) -> Decoders:
    return Decoders(tiny_hub)


WIDTH, HEIGHT = 96, 64


def make_guidance(caption="a red boat", width=WIDTH, height=HEIGHT, *, seed=0, with_hci=True, **streams) -> Guidance:
    """Return guidance with a random HCI of a quarter of the size."""
    pixels = np.random.default_rng(seed).integers(0, 256, (-(-height // 4), -(-width // 4), 3)).astype(np.uint8)
    hci = HciImage(pixels, "av1", 4) if with_hci else None
    return Guidance(PictureHeader(width, height), hci, caption=caption, hci_bytes=len(pixels), **streams)


def make_region(name: str, *, left: bool) -> Region:
    mask = np.zeros((8, 8), bool)
    mask[:, :4] = left
    mask[:, 4:] = not left
    return Region(name, "", mask)


def decode(decoder: HubDecoder, guidance: Guidance | None = None, **options: Any) -> np.ndarray:
    """Return the decoder's pixels, without data consistency unless ``fidelity`` is given."""
    chosen = DecodeOptions(**{"steps": 2, "fidelity": 0.0, **options})
    return decoder.reconstruct(make_guidance() if guidance is None else guidance, chosen).pixels


def difference(one: np.ndarray, other: np.ndarray) -> int:
    """Return the largest difference of two pictures in levels."""
    return int(np.abs(one.astype(int) - other.astype(int)).max())
