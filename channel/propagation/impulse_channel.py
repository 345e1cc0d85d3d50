"""The channel model of an impulse response. Importing this module imports torch, which takes seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import torch

if TYPE_CHECKING:
    from channel.propagation.base import PacketKeys
    from channel.propagation.impulse import ImpulseSettings

_SMALLEST_POWER: Final = 1e-30  # of a carrier; a carrier of exactly 0 would make the LLRs NaN


class ImpulseChannel:
    """y = H x + n, data first along the used carriers, then along time; coherent demapping with the exact H."""

    def __init__(self, settings: ImpulseSettings, variance: float, symbol_rate_hz: float) -> None:
        self._settings = settings
        self._variance = variance
        self._carriers = settings.carriers(symbol_rate_hz)

    def apply(self, symbols: torch.Tensor, keys: PacketKeys) -> tuple[torch.Tensor, torch.Tensor]:
        """See ``channel.propagation.base.ChannelModel``; the variance is N0 / |H|² of each symbol's carrier."""
        count = symbols.shape[1]
        rows = [self._carriers[self._settings.find_response(time_s)] for time_s in keys.departures_s]
        per_symbol = np.stack([np.resize(row, count) for row in rows]).astype(np.complex64)
        response = torch.from_numpy(per_symbol).to(symbols.device)
        observed = response * symbols + keys.noise(count, self._variance).to(symbols.device)
        power = response.abs().square().clamp(min=_SMALLEST_POWER)
        return observed * response.conj() / power, self._variance / power
