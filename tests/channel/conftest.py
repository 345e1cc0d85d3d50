from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from sionna.phy import config

from channel.phy.coding import ChainCache

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="session")
def chains() -> ChainCache:
    """Codes built once for all tests."""
    return ChainCache(max_chains=200)


@pytest.fixture(scope="session")
def space_packet() -> Callable[[int, int], bytes]:
    """Return a function that makes one Space Packet of a given length with random data."""

    def make(length: int, seed: int = 0) -> bytes:
        header = bytes([0x08, 0x01, 0xC0, 0x00]) + (length - 7).to_bytes(2, "big")
        return header + np.random.default_rng([seed, length]).bytes(length - len(header))

    return make


@pytest.fixture
def seeded_sionna() -> None:
    """Seed Sionna's own generators, which the link itself never draws from."""
    config.seed = 20261121
