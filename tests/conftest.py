"""Fixtures that all test folders share."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
from typing import TYPE_CHECKING, Any

import grpc.aio
import numpy as np
import pytest
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

# Before torch is imported: as the command does, so that tests take no longer on a machine that does other work.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Where a test asks for two threads, they wait asleep. Otherwise each spins, and takes the core that the other needs.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def _synthetic_pixels(width: int, height: int, *, grey: bool = False, seed: int = 0) -> np.ndarray:
    """A picture with smooth shading, edges and a little texture, uint8 [H, W, 3] or [H, W]."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    planes = []
    for _ in range(1 if grey else 3):
        phase, slope = rng.uniform(0, 6), rng.uniform(0.005, 0.03)
        plane = 128 + 60 * np.sin(slope * x + phase) + 40 * ((x + 2 * y) % 97 < 30) + rng.normal(0, 4, (height, width))
        planes.append(plane)
    pixels = np.clip(np.stack(planes, axis=-1), 0, 255).astype(np.uint8)
    return pixels[:, :, 0] if grey else pixels


@pytest.fixture(scope="session")
def synthetic_pixels() -> Callable[..., np.ndarray]:
    """A function of (width, height, *, grey=False, seed=0) that returns a synthetic picture."""
    return _synthetic_pixels


def png_of(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="session")
def picture_png() -> bytes:
    """A 384x256 colour picture file."""
    return png_of(_synthetic_pixels(384, 256))


async def _exchanged(call: Any, requests: Iterable[Any]) -> list[Any]:
    """Write ``requests`` to a streaming call, then read all responses; raises AioRpcError if the call failed.

    grpc.aio reports a call with a request iterator as cancelled when it fails early, hence the writing by hand.
    """
    with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
        for request in requests:
            await call.write(request)
        await call.done_writing()
    return [event async for event in call]


@pytest.fixture(scope="session")
def exchanged() -> Callable[..., Any]:
    """An async function of (streaming call, requests) that returns all responses."""
    return _exchanged


@pytest.fixture(scope="session")
def tiny_pocket_folder(tmp_path_factory) -> Path:
    """Weights of a pocket decoder in miniature: real networks, untrained, quick."""
    from receiver.pocket.weights import save_networks
    from tests.tiny_pocket import make_tiny_networks

    folder = tmp_path_factory.mktemp("pocket")
    save_networks(make_tiny_networks(), folder)
    return folder


@pytest.fixture
def tiny_pocket(tiny_pocket_folder, monkeypatch) -> Path:
    """Has the services of this test, and the processes that it starts, use those weights."""
    monkeypatch.setenv("SEMLINK_POCKET", str(tiny_pocket_folder))
    return tiny_pocket_folder


@pytest.fixture(scope="session")
def tiny_hub(tmp_path_factory) -> Mapping[str, Path]:
    """Folders of tiny random models, each made when it is first read: a base by family, ``controlnet`` and
    ``adapters`` for stable-diffusion, and ``flux-control`` for flux.
    """
    from tests.hub.tiny import TinyModels

    return TinyModels(tmp_path_factory.mktemp("hub"))
