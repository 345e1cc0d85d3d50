"""The picture that a ControlNet is fed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from receiver.hub.text import token_numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from receiver.hub.adapters import TokenAdapter
    from receiver.hub.conditions import Conditions
    from shared.hub.profile import ControlNet


def control_picture(
    controlnet: ControlNet, picture: Tensor, batch: Sequence[Conditions], adapter: TokenAdapter | None
) -> Tensor:
    """Return ``[B, 3, H, W]``, 0 to 1: the start ``picture``, with what residual tokens add to it if they are fed."""
    tokens = batch[0].tokens
    if controlnet.input != "tokens" or adapter is None or tokens is None:
        return picture
    place = next(adapter.parameters())
    added = adapter.control_map(token_numbers(batch).to(place.device, place.dtype), tokens.kind, *picture.shape[2:])
    return (picture + added.to(picture.dtype)).clamp(0, 1)
