"""The restorer's input, from the received HCI (highly compressed image)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from receiver.pocket.sizes import quarter_size
from shared.hci.stream import upsample
from shared.pixels import to_tensor

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor


def restorer_input(hci: NDArray[np.uint8], width: int, height: int) -> Tensor:
    """Return ``hci`` resized to a quarter of ``width`` × ``height``: ``[3, ceil(H / 4), ceil(W / 4)]``, 0 to 1."""
    return to_tensor(upsample(hci, *quarter_size(width, height)))
