"""What carries symbols to the demapper: each medium returns equalised symbols and the noise variance that is left.

A packet's noise and fading follow from its key alone, and are drawn and applied packet by packet on the CPU where
rounding could depend on the company, so that neither batch size nor thread count changes what arrives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from channel.config import noise_variance
from channel.propagation.fading import block_coefficients
from channel.rng import awgn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from channel.config import ChannelConfig

_SMALLEST_POWER = 1e-30  # of a coefficient; keeps a coefficient of exactly 0 from making NaN of the LLRs


@dataclass(frozen=True, slots=True)
class PacketKeys:
    """Which packets a batch holds: all that their random draws may depend on."""

    run_seed: int
    picture_index: int
    packet_indices: Sequence[int]

    def noise(self, samples: int, variance: float) -> torch.Tensor:
        """Return white Gaussian noise ``[packets, samples]``, complex64, of ``variance`` per complex sample."""
        return torch.from_numpy(awgn(self.run_seed, self.picture_index, self.packet_indices, samples, variance))


class Medium(Protocol):
    """One way to reach the receiver."""

    def received(self, symbols: torch.Tensor, keys: PacketKeys) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what the demapper gets of ``symbols`` ``[packets, symbols]`` of unit mean energy.

        Equalised symbols of the same shape, and the variance of their noise: one for all, or one each.
        """


class AwgnMedium:
    """y = x + n with n from CN(0, N0)."""

    def __init__(self, variance: float) -> None:
        self._variance = variance

    def received(self, symbols: torch.Tensor, keys: PacketKeys) -> tuple[torch.Tensor, torch.Tensor]:
        """See ``Medium``; one variance, N0."""
        noise = keys.noise(symbols.shape[1], self._variance).to(symbols.device)
        return symbols + noise, torch.tensor(self._variance, device=symbols.device)


class BlockFadingMedium:
    """y = h x + n with one h per coherence block, which the receiver knows exactly (perfect CSI).

    Coherent demapping: y / h is x plus noise of variance N0 / |h|², block by block.
    """

    def __init__(self, variance: float, coherence_symbols: int | None, k_factor: float) -> None:
        self._variance = variance
        self._coherence_symbols = coherence_symbols
        self._k_factor = k_factor

    def received(self, symbols: torch.Tensor, keys: PacketKeys) -> tuple[torch.Tensor, torch.Tensor]:
        """See ``Medium``; the variance is N0 / |h|² of each symbol."""
        count = symbols.shape[1]
        coherence = self._coherence_symbols or count
        per_block = block_coefficients(
            keys.run_seed, keys.picture_index, keys.packet_indices, -(-count // coherence), k_factor=self._k_factor
        )
        h = torch.from_numpy(np.repeat(per_block, coherence, axis=1)[:, :count]).to(symbols.device)
        observed = h * symbols + keys.noise(count, self._variance).to(symbols.device)
        power = h.abs().square().clamp(min=_SMALLEST_POWER)
        return observed * h.conj() / power, self._variance / power


def medium(config: ChannelConfig) -> Medium:
    """Return the medium that ``config.propagation`` describes."""
    return config.propagation.medium(noise_variance(config.es_n0_db), config.symbol_rate_hz)
