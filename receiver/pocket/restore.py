"""From the received HCI to the restorer's input."""

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
    """Return ``hci`` at quarter size of a picture of ``width`` × ``height``: ``[3, ceil(H / 4), ceil(W / 4)]``."""
    return to_tensor(upsample(hci, *quarter_size(width, height)))
