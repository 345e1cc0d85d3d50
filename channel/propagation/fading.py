"""Rayleigh and Rician block fading: its coefficients, and the channel model that applies them.

Coefficients are drawn on the CPU, packet by packet, and depend on (run seed, picture index, packet index) alone. So
neither batch size nor thread count changes what arrives. Importing this module imports torch, which takes seconds.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from channel.rng import Purpose, packet_generator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from channel.propagation.base import PacketKeys

_SMALLEST_POWER = 1e-30  # of a coefficient; a coefficient of exactly 0 would make the LLRs NaN


def draw_fading(
    run_seed: int, picture_index: int, packet_indices: Sequence[int], blocks: int, *, k_ratio: float = 0.0
) -> NDArray[np.complex64]:
    """Return Rician coefficients ``[packets, blocks]``, complex64, of unit mean power.

    h = sqrt(K / (K + 1)) + sqrt(1 / (K + 1)) g with g from CN(0, 1) (Proakis, "Digital Communications", the Rice
    model). ``k_ratio`` is K as a ratio, not in dB; K = 0 is Rayleigh fading. The line of sight has phase 0: the
    receiver knows h, and the noise is circular, so the phase makes no difference.
    """
    scattered = np.empty((len(packet_indices), 2 * blocks), dtype=np.float32)
    for row, index in zip(scattered, packet_indices, strict=True):
        packet_generator(run_seed, picture_index, index, Purpose.FADING).standard_normal(dtype=np.float32, out=row)
    scattered *= np.float32(math.sqrt(0.5 / (k_ratio + 1)))
    coefficients: NDArray[np.complex64] = scattered.view(np.complex64)
    coefficients += np.float32(math.sqrt(k_ratio / (k_ratio + 1)))
    return coefficients


class BlockFadingChannel:
    """y = h x + n with one h per coherence block, which the receiver knows exactly (perfect channel knowledge).

    Coherent demapping: y / h is x plus noise of variance N0 / |h|², block by block.
    """

    def __init__(self, variance: float, coherence_symbols: int | None, k_ratio: float) -> None:
        self._variance = variance
        self._coherence_symbols = coherence_symbols
        self._k_ratio = k_ratio

    def apply(self, symbols: torch.Tensor, keys: PacketKeys) -> tuple[torch.Tensor, torch.Tensor]:
        """See ``channel.propagation.base.ChannelModel``; the variance is N0 / |h|² of each symbol."""
        count = symbols.shape[1]
        coherence = self._coherence_symbols or count
        per_block = draw_fading(
            keys.run_seed, keys.picture_index, keys.packet_indices, -(-count // coherence), k_ratio=self._k_ratio
        )
        h = torch.from_numpy(np.repeat(per_block, coherence, axis=1)[:, :count]).to(symbols.device)
        observed = h * symbols + keys.noise(count, self._variance).to(symbols.device)
        power = h.abs().square().clamp(min=_SMALLEST_POWER)
        return observed * h.conj() / power, self._variance / power
