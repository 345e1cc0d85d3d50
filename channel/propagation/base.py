"""The two parts of a kind of propagation: its settings, and the channel model that is built from them.

A channel model takes symbols to the demapper. Packages of third parties add kinds with the classes of this file;
``docs/profiles.md`` shows how.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from channel.checks import Settings
from channel.rng import draw_noise

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    import torch
    from numpy.typing import NDArray

_MANY_SYMBOLS: Final = 10_000_000  # unused elements of a last slot then no longer count


class PropagationSettings(Settings):
    """Parameters of one kind of propagation. ``kind`` is the name under which a profile asks for it.

    The defaults here describe a channel on which every symbol takes one channel use and a packet has one Rayleigh
    fade. The propagation must have unit mean power, so that ``snr_db`` of the channel is the mean SNR.
    """

    kind: str

    def channel_uses(self, symbols: int) -> int:
        """Return the channel uses of a packet of ``symbols`` data symbols."""
        return symbols

    def pilot_uses(self, symbols: int) -> int:
        """Return how many of these channel uses are pilots, which the receiver knows."""
        del symbols
        return 0

    @property
    def mean_snr_db(self) -> float | None:
        """The mean Es/N0 in dB of a propagation that sets the SNR itself; None if the channel's ``snr_db`` sets it."""
        return None

    @property
    def occupied_share(self) -> float:
        """The share of the samples' bandwidth that carries energy: used carriers over all carriers of a grid."""
        return 1.0

    @property
    def energy_per_symbol(self) -> float:
        """Energy on air per data symbol of a long packet, in units of Es: 1 without pilots and cyclic prefixes."""
        return self.channel_uses(_MANY_SYMBOLS) * self.occupied_share / _MANY_SYMBOLS

    @property
    def k_ratio(self) -> float:
        """Rician K factor as a ratio: line-of-sight power over scattered power; infinite without fading."""
        return 0.0

    def fades(self, symbols: int) -> float:
        """Return the number of independent fades in ``symbols`` symbols; a shorter last fade counts as a fraction."""
        del symbols
        return 1.0

    def element_snr(
        self, es_n0_db: float, symbols: int, symbol_rate_hz: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Return SNRs as ratios ``[draws, elements]`` over a packet of ``symbols`` symbols, and probabilities.

        ``channel.link.loss_model`` predicts losses from them; from None, as here, it takes ``fades`` independent fades
        of K factor ``k_ratio``.
        """
        del es_n0_db, symbols, symbol_rate_hz
        return None

    @property
    def turn_rad_s(self) -> float:
        """2 π f_D of fading that goes on from packet to packet; infinite: packets fade independently."""
        return math.inf

    def pair_snr(
        self, es_n0_db: float, symbol_rate_hz: float, turn_rad: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Return SNRs as ratios ``[draws, 2, parts]`` at two packets of one picture, and probabilities ``[draws]``.

        ``turn_rad`` is 2 π f_D t, t seconds apart. None: they do not fade together.
        """
        del es_n0_db, symbol_rate_hz, turn_rad
        return None

    def check_against(self, symbol_rate_hz: float) -> None:
        """Check that the model holds at this symbol rate.

        Raises:
            ValueError: it does not; the message names a field and the remedy.
        """


@dataclass(frozen=True, slots=True)
class PacketKeys:
    """The packets of a batch by their indices. The random draws of a packet depend on these keys alone.

    ``departures_s`` are the simulated seconds at which the packets leave, for channels that change with time.
    """

    run_seed: int
    picture_index: int
    packet_indices: Sequence[int]
    departures_s: Sequence[float] = ()

    def noise(self, samples: int, variance: float) -> torch.Tensor:
        """Return white Gaussian noise ``[packets, samples]``, complex64, of ``variance`` per complex sample."""
        import torch  # noqa: PLC0415 - seconds; settings are read without it

        return torch.from_numpy(draw_noise(self.run_seed, self.picture_index, self.packet_indices, samples, variance))


class ChannelModel(Protocol):
    """Takes symbols from the mapper to the demapper."""

    def apply(self, symbols: torch.Tensor, keys: PacketKeys) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what the demapper gets for ``symbols`` ``[packets, symbols]`` of unit mean energy.

        Returns equalised symbols of the same shape and the variance of the noise on them: one value for all symbols,
        or one value per symbol.
        """


@dataclass(frozen=True, slots=True)
class PropagationKind:
    """One kind of propagation: the class of its settings, and how to build its channel model.

    ``build`` takes the settings, the noise variance per complex symbol and the symbol rate in Hz. It imports what is
    slow to import (torch, Sionna) itself.
    """

    settings: type[PropagationSettings]
    build: Callable[[Any, float, float], ChannelModel]
