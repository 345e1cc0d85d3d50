"""The signal-to-noise ratio that symbols really had, measured with the symbols known."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from channel.propagation.base import ChannelModel, PacketKeys


class SnrMeter:
    """Adds up signal and noise of symbols at the demapper.

    With x sent, y equalised and σ² the variance that the demapper is told, Es/N0 is the mean of |x|²/σ² over the mean
    of |y - x|²/σ². Under AWGN that is the energy of the symbols over that of the noise drawn; under fading, where σ² is
    N0/|h|², the mean |h|² of the blocks met counts as well. It is data-aided: no real receiver knows x.
    """

    def __init__(self) -> None:
        self._signal = 0.0
        self._noise = 0.0

    @property
    def es_n0_db(self) -> float:
        """Es/N0 in dB of all symbols so far; NaN before the first."""
        if not (self._signal > 0 and self._noise > 0):
            return math.nan
        return 10 * math.log10(self._signal / self._noise)

    def add(self, sent: torch.Tensor, equalised: torch.Tensor, variance: torch.Tensor) -> None:
        """Take in symbols ``[packets, symbols]`` and the variance of their noise, one for all or one each."""
        self._signal += float((sent.abs().square() / variance).double().sum())
        self._noise += float(((equalised - sent).abs().square() / variance).double().sum())


class ObservedChannel:
    """A channel model that also shows its symbols to an SNR estimator."""

    def __init__(self, model: ChannelModel, meter: SnrMeter) -> None:
        self._model = model
        self._meter = meter

    def apply(self, symbols: torch.Tensor, keys: PacketKeys) -> tuple[torch.Tensor, torch.Tensor]:
        """See ``channel.propagation.base.ChannelModel``."""
        equalised, variance = self._model.apply(symbols, keys)
        self._meter.add(symbols, equalised, variance)
        return equalised, variance
