"""Finds the residual tokens of a picture with the receiver's restorer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from semlink.encoder_search.decoder import pocket_decoder
from shared.hci.stream import decode_hci
from shared.lazy import Lazy
from shared.pixels import to_tensor
from shared.residual.stream import STRIDE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from receiver.pocket.decoder import PocketDecoder
    from receiver.pocket.texture_codes import Codebook, TextureEnergy

SEED = 0
"""Of the restorer's noise. The receiver's seed is not known yet; it changes few codes."""


class PocketResidualCodes:
    """``ResidualCodes`` with the pocket decoder. All load at the first use; several threads may call it."""

    def __init__(self, decoder: Lazy[PocketDecoder] | None = None) -> None:
        """Restore with ``decoder``; None loads one on the default device."""
        self._decoder = decoder or pocket_decoder()
        self._energy: Lazy[TextureEnergy] = Lazy(_load_energy)
        self._codebook: Lazy[Codebook] = Lazy(_load_codebook)

    def __call__(self, pixels: NDArray[np.uint8], hci: bytes) -> NDArray[np.uint8]:
        """Return codes ``[ceil(H / 32), ceil(W / 32)]`` of what the restorer loses of ``pixels`` behind ``hci``.

        Raises:
            SetupError: the decoder or the codebook is not installed, or weights are missing or damaged.
        """
        height, width = pixels.shape[:2]
        small = decode_hci(hci, width, height, grey=pixels.ndim == 2).pixels
        restored = self._decoder().load().decode_batch([small], [SEED], width, height, 0)
        original = to_tensor(pixels)[None]
        energy = self._energy()
        lost = energy(_pad(original.expand(-1, 3, -1, -1))) - energy(_pad(restored.cpu()))
        return self._codebook().assign(lost[0].permute(1, 2, 0).numpy())


def _pad(picture: Tensor) -> Tensor:
    """Return ``picture`` ``[1, 3, H, W]`` with its last row and column repeated up to multiples of 32."""
    from torch.nn import functional  # noqa: PLC0415 - the decoder has imported torch by now

    height, width = picture.shape[2:]
    return functional.pad(picture, (0, -width % STRIDE, 0, -height % STRIDE), mode="replicate")


def _load_energy() -> TextureEnergy:
    from receiver.pocket.texture_codes import TextureEnergy  # noqa: PLC0415 - imports torch

    return TextureEnergy()


def _load_codebook() -> Codebook:
    from receiver.pocket.config import weights_folder  # noqa: PLC0415
    from receiver.pocket.texture_codes import CODEBOOK, Codebook  # noqa: PLC0415 - imports torch

    return Codebook.load(weights_folder() / CODEBOOK)
