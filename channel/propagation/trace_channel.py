"""The channel model of a trace. Importing this module imports torch, which takes seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from channel.propagation.base import PacketKeys
    from channel.propagation.trace import TraceSettings


class TraceChannel:
    """y = x + n with n from CN(0, N0 / g), g the gain of the trace when the packet leaves."""

    def __init__(self, settings: TraceSettings, variance: float) -> None:
        self._settings = settings
        self._variance = variance

    def apply(self, symbols: torch.Tensor, keys: PacketKeys) -> tuple[torch.Tensor, torch.Tensor]:
        """See ``channel.propagation.base.ChannelModel``; the variance is N0 / g of each symbol's packet."""
        gains_db = torch.from_numpy(self._settings.gains_db(keys.departures_s))
        variance = (self._variance * 10 ** (-gains_db / 10)).to(symbols.device, torch.float32)[:, None]
        noise = keys.noise(symbols.shape[1], 1.0).to(symbols.device) * variance.sqrt()
        return symbols + noise, variance.expand(symbols.shape)
