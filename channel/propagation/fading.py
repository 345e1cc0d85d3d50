"""Coefficients of block fading, drawn on the CPU and keyed like the noise by (run, picture, packet)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from channel.rng import Purpose, packet_generator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def block_coefficients(
    run_seed: int, picture_index: int, packet_indices: Sequence[int], blocks: int, *, k_factor: float = 0.0
) -> NDArray[np.complex64]:
    """Return Rician coefficients ``[packets, blocks]``, complex64, of unit mean power.

    h = sqrt(K / (K + 1)) + sqrt(1 / (K + 1)) g with g from CN(0, 1) (Proakis, "Digital Communications", the Rice
    model). ``k_factor`` is K as a ratio, not in dB; K = 0 is Rayleigh fading. The line of sight has phase 0: the
    receiver knows h, and circular noise makes its phase immaterial.
    """
    scattered = np.empty((len(packet_indices), 2 * blocks), dtype=np.float32)
    for row, index in zip(scattered, packet_indices, strict=True):
        packet_generator(run_seed, picture_index, index, Purpose.FADING).standard_normal(dtype=np.float32, out=row)
    scattered *= np.float32(math.sqrt(0.5 / (k_factor + 1)))
    coefficients: NDArray[np.complex64] = scattered.view(np.complex64)
    coefficients += np.float32(math.sqrt(k_factor / (k_factor + 1)))
    return coefficients
