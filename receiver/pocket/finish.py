"""What every decoder does with the picture of its networks: data consistency with the HCI, pixels, trust map."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from receiver.decoders.base import Reconstruction
from receiver.pocket.data_consistency import default_fidelity, project_to_hci
from receiver.pocket.trust import trust_map
from shared.pixels import to_pixels, to_tensor

if TYPE_CHECKING:
    from torch import Tensor

    from receiver.decoders.base import DecodeOptions
    from receiver.guidance import Guidance


def finish(picture: Tensor, request: tuple[Guidance, DecodeOptions], coarse_fidelity: float) -> Reconstruction:
    """Return the reconstruction for ``picture`` ``[3, H, W]``, 0 to 1.

    ``coarse_fidelity`` is the decoder's default for an HCI (highly compressed image) of a quarter of the size and less.
    """
    guidance, options = request
    hci, fidelity, received = None, None, None
    if guidance.hci is not None:
        hci = to_tensor(guidance.hci.pixels).to(picture.device)
        given = options.fidelity
        fidelity = default_fidelity(guidance.hci.scale, coarse_fidelity) if given is None else given
        if guidance.received is not None:
            received = torch.from_numpy(guidance.received[0]).to(picture.device, picture.dtype)
        picture = project_to_hci(picture, hci, fidelity, received)
    pixels = to_pixels(picture, grey=guidance.header.grey)
    if not options.trust:
        return Reconstruction(pixels, fidelity=fidelity)
    trust = trust_map(to_tensor(pixels).to(picture.device), hci, received).cpu().numpy()
    return Reconstruction(pixels, trust, float(trust.mean()) / 255, fidelity)
