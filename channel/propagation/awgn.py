"""Additive white Gaussian noise (AWGN). Importing this module imports torch, which takes seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from channel.propagation.base import PacketKeys


class AwgnChannel:
    """y = x + n with n from CN(0, N0)."""

    def __init__(self, variance: float) -> None:
        self._variance = variance

    def apply(self, symbols: torch.Tensor, keys: PacketKeys) -> tuple[torch.Tensor, torch.Tensor]:
        """See ``channel.propagation.base.ChannelModel``; one variance for all symbols, N0."""
        noise = keys.noise(symbols.shape[1], self._variance).to(symbols.device)
        return symbols + noise, torch.tensor(self._variance, device=symbols.device)
