"""Rayleigh and Rician fading: its coefficients, and the channel model that applies them.

Coefficients are drawn on the CPU, packet by packet, and depend on (run seed, picture index) and either the packet's
time or its index. So neither batch size nor thread count changes what arrives. Importing this module imports torch,
which takes seconds.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from channel.propagation.doppler import draw_paths, line_of_sight
from channel.rng import Purpose, packet_generator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from channel.propagation.base import PacketKeys
    from channel.propagation.kinds import BlockFading

_SMALLEST_POWER = 1e-30  # of a coefficient; a coefficient of exactly 0 would make the LLRs NaN


def draw_fading(
    run_seed: int, picture_index: int, packet_indices: Sequence[int], blocks: int, *, k_ratio: float = 0.0
) -> NDArray[np.complex64]:
    """Return independent Rician coefficients ``[packets, blocks]``, complex64, of unit mean power.

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


class FlatFadingChannel:
    """y = h x + n with one h for all frequencies, which the receiver knows exactly (perfect channel knowledge).

    Coherent demapping: y / h is x plus noise of variance N0 / |h|². Continuous fading goes on through the picture: h is
    that of the middle of each block, and blocks are short against its changes. Independent fading has a new h in each
    coherence block.
    """

    def __init__(self, settings: BlockFading, variance: float, symbol_rate_hz: float) -> None:
        self._settings = settings
        self._variance = variance
        self._symbol_rate_hz = symbol_rate_hz

    def apply(self, symbols: torch.Tensor, keys: PacketKeys) -> tuple[torch.Tensor, torch.Tensor]:
        """See ``channel.propagation.base.ChannelModel``; the variance is N0 / |h|² of each symbol."""
        count = symbols.shape[1]
        h = torch.from_numpy(self.coefficients(count, keys)).to(symbols.device)
        observed = h * symbols + keys.noise(count, self._variance).to(symbols.device)
        power = h.abs().square().clamp(min=_SMALLEST_POWER)
        return observed * h.conj() / power, self._variance / power

    def coefficients(self, symbols: int, keys: PacketKeys) -> NDArray[np.complex64]:
        """Return h ``[packets, symbols]`` of packets of ``symbols`` symbols."""
        settings = self._settings
        if settings.fading == "independent":
            coherence = settings.coherence_symbols or symbols
            blocks, k_ratio = -(-symbols // coherence), settings.k_ratio
            h = draw_fading(keys.run_seed, keys.picture_index, keys.packet_indices, blocks, k_ratio=k_ratio)
            return np.asarray(np.repeat(h, coherence, axis=1)[:, :symbols])
        blocks = settings.blocks(symbols, self._symbol_rate_hz)
        middles_s = (np.arange(blocks) + 0.5) * symbols / blocks / self._symbol_rate_hz
        fades = np.stack([self._fade(keys, departure_s + middles_s) for departure_s in keys.departures_s])
        return fades.astype(np.complex64)[:, np.arange(symbols) * blocks // symbols]

    def _fade(self, keys: PacketKeys, seconds: NDArray[np.float64]) -> NDArray[np.complex128]:
        """Return the picture's coefficient ``[times]`` at ``seconds``."""
        doppler_hz, k_ratio = self._settings.max_doppler_hz, self._settings.k_ratio
        paths = draw_paths(keys.run_seed, keys.picture_index, None, doppler_hz, [1 / (k_ratio + 1)])
        return np.asarray(paths.at(seconds)[:, 0] + line_of_sight(k_ratio / (k_ratio + 1), doppler_hz, seconds))
