"""Random weights for networks that give nothing before they are trained."""

from __future__ import annotations

import torch


@torch.no_grad()
def fill_zeros(network: torch.nn.Module) -> None:
    """Draw the parameters that are all zero, so that every part of the network changes its result."""
    for parameter in network.parameters():
        if not parameter.any():
            parameter.normal_(0, 0.05)
