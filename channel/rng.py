"""The random numbers of the channel: drawn on the CPU, with a key for every (run, picture, packet).

Philox is a counter-based generator (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC'11). Its 128-bit
key holds the run's seed and the picture's index, its 256-bit counter the packet's index and the purpose of the draw;
the lowest word of the counter counts the numbers of one stream. Streams therefore never overlap, and the noise of a
packet does not depend on other packets, on their order or on the device.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class Purpose(IntEnum):
    """The use of a stream of random numbers."""

    NOISE = 0
    ERASURE = 1
    BURST = 2
    JITTER = 3
    FADING = 4


def packet_generator(run_seed: int, picture_index: int, packet_index: int, purpose: Purpose) -> np.random.Generator:
    """Return the generator of one packet for one purpose; all three numbers are unsigned 64-bit integers."""
    key = np.array([run_seed, picture_index], dtype=np.uint64)
    counter = np.array([0, 0, packet_index, purpose], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))


def is_erased(run_seed: int, picture_index: int, packet_index: int, erasure_rate: float) -> bool:
    """Return whether this packet is erased, which happens with probability ``erasure_rate``."""
    return packet_generator(run_seed, picture_index, packet_index, Purpose.ERASURE).random() < erasure_rate


def draw_noise(
    run_seed: int, picture_index: int, packet_indices: Sequence[int], channel_uses: int, variance: float
) -> NDArray[np.complex64]:
    """Return white Gaussian noise ``[packets, channel_uses]``, complex64.

    ``variance`` is per complex symbol, half of it per real dimension, as in Sionna's ``AWGN`` block.
    """
    noise = np.empty((len(packet_indices), 2 * channel_uses), dtype=np.float32)
    for row, index in zip(noise, packet_indices, strict=True):
        packet_generator(run_seed, picture_index, index, Purpose.NOISE).standard_normal(dtype=np.float32, out=row)
    noise *= np.float32(np.sqrt(variance / 2))
    return noise.view(np.complex64)
