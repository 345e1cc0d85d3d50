"""Channel dropout: which channels of the latent a training picture keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sender.extractors.latent_selection import luminance, ssim_scores

if TYPE_CHECKING:
    from torch import Tensor


def draw_channel_mask(channels: Tensor, picture: Tensor, batch: dict[str, Tensor]) -> Tensor:
    """Return ``[B, 32]``, 1 for the ``count`` ``[B]`` channels kept: those of the sender's choice, or random ones.

    ``dice`` ``[B, 32]``, uniform random numbers, orders the channels of pictures that are not ``by_rule`` ``[B]``.
    """
    order, ruled = batch["dice"].to(channels, copy=True), batch["by_rule"]
    order[ruled] = ssim_scores(channels[ruled], luminance(picture[ruled]))
    rank = order.argsort(1, descending=True).argsort(1)
    return (rank < batch["count"][:, None]).float()
