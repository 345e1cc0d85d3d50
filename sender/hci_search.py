"""Which HCI to send: tried at the sender, with the receiver's decoder in the loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from shared.hci.stream import HCI_SCALES, encode_hci, hci_candidates

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from shared.codecs.recipe import Codec

STEPS_TRIED: Final = range(3)
"""The scale that measured best up-sampled and the next two coarser ones; which of them is best behind the pocket
decoder depends on the picture (docs/results/adaptive.md)."""


class Judge(Protocol):
    """Says how far what a decoder makes of an HCI is from the picture; the service is given one by who starts it."""

    def __call__(self, pixels: NDArray[np.uint8]) -> Callable[[bytes], float]:
        """Return what measures the distance of an HCI's payload to ``pixels`` ``[H, W, 3]`` or ``[H, W]``.

        Raises:
            SetupError: the decoder is not installed, or its weights are missing or damaged.
        """
        ...


def hci_for(codec: Codec, pixels: NDArray[np.uint8], budget_bytes: int, judge: Judge | None) -> bytes:
    """Return the HCI payload that ``codec`` chooses within ``budget_bytes``; without a ``judge``, the best up-sampled.

    Raises:
        BudgetError: nothing fits.
        SetupError: the judge's decoder or the coder is not there.
    """
    if codec.hci_choice == "decoder" and judge is not None:
        candidates = hci_candidates(pixels, budget_bytes, coder=codec.hci_coder, steps=STEPS_TRIED)
        if candidates:
            return candidates[0] if len(candidates) == 1 else min(candidates, key=judge(pixels))
    return encode_hci(pixels, budget_bytes, coder=codec.hci_coder)


def filling_hci_for(
    codec: Codec, pixels: NDArray[np.uint8], budget_bytes: int, judge: Judge | None, fills: Callable[[bytes], bool]
) -> bytes:
    """Return as ``hci_for`` the best payload, but of those that ``fills`` accepts, if there are any.

    Where none of the scales that are usual at this rate has one, finer scales are tried, one by one. A picture that is
    said in full in fewer bytes has none at any scale.

    Raises:
        BudgetError, SetupError: as ``hci_for``.
    """
    best = judge(pixels) if codec.hci_choice == "decoder" and judge is not None else None
    if best is None and fills(up_sampled := encode_hci(pixels, budget_bytes, coder=codec.hci_coder)):
        return up_sampled
    candidates: list[bytes] = []
    for steps in (STEPS_TRIED, *([-finer] for finer in range(1, len(HCI_SCALES)))):
        here = hci_candidates(pixels, budget_bytes, coder=codec.hci_coder, steps=steps)
        filling = [payload for payload in here if fills(payload)]
        if filling:
            return min(filling, key=best or _of_most_bytes)
        candidates += here
    if not candidates:
        return encode_hci(pixels, budget_bytes, coder=codec.hci_coder)
    return min(candidates, key=best or _of_most_bytes)


def _of_most_bytes(payload: bytes) -> float:
    return -len(payload)
