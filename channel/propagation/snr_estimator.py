"""Estimates the signal-to-noise ratio at the demapper, with the transmitted symbols known."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from channel.propagation.base import ChannelModel, PacketKeys


class SnrEstimator:
    """Data-aided Es/N0 estimate over all symbols at the demapper.

    With x sent, y equalised and σ² the noise variance that the demapper uses, Es/N0 is the mean of |x|²/σ² over the
    mean of |y - x|²/σ². Under AWGN that is the energy of the symbols over that of the noise. Under fading σ² is
    N0/|h|², so that the mean |h|² of the fades counts as well. A real receiver does not know x.
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
        """Add symbols ``[packets, symbols]`` with the variance of their noise, one value for all or one per symbol."""
        self._signal += float((sent.abs().square() / variance).double().sum())
        self._noise += float(((equalised - sent).abs().square() / variance).double().sum())


class ObservedChannel:
    """A channel model that also passes its symbols to an SNR estimator."""

    def __init__(self, model: ChannelModel, estimator: SnrEstimator) -> None:
        self._model = model
        self._estimator = estimator

    def apply(self, symbols: torch.Tensor, keys: PacketKeys) -> tuple[torch.Tensor, torch.Tensor]:
        """See ``channel.propagation.base.ChannelModel``."""
        equalised, variance = self._model.apply(symbols, keys)
        self._estimator.add(symbols, equalised, variance)
        return equalised, variance
