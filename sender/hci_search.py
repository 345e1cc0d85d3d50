"""Chooses the highly compressed image (HCI) to send, with the receiver's decoder in the loop if there is one."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from shared.hci.stream import HCI_SCALES, encode_hci, hci_candidates

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from shared.codecs.recipe import Codec

STEPS_TRIED: Final = range(3)
"""The scale that measured best up-sampled and the next two coarser ones. Which of them the pocket decoder restores best
depends on the picture (docs/results/adaptive.md)."""


class DecoderInTheLoop(Protocol):
    """Measures how far a decoded HCI is from the original. The program passes one to the sender."""

    def __call__(self, pixels: NDArray[np.uint8]) -> Callable[[bytes], float]:
        """Return a function from an HCI's payload to the distance of its decoded picture to ``pixels``.

        ``pixels`` are uint8 ``[H, W, 3]`` or ``[H, W]``.

        Raises:
            SetupError: the decoder is not installed, or its weights are missing or damaged.
        """
        ...


def choose_hci(
    codec: Codec,
    pixels: NDArray[np.uint8],
    decoder_in_the_loop: DecoderInTheLoop | None,
    max_bytes: int,
    fills: Callable[[bytes], bool] | None = None,
) -> bytes:
    """Return the HCI payload that ``codec`` chooses within ``max_bytes``; if possible one that ``fills`` accepts.

    Without a decoder in the loop, the choice is the one that measured best up-sampled.

    Raises:
        BudgetError: nothing fits.
        SetupError: the decoder or the coder is not installed, or weights are missing or damaged.
    """
    loop = decoder_in_the_loop if codec.hci_choice == "decoder" else None
    if fills is not None:
        return _choose_filling_hci(codec, pixels, loop, max_bytes, fills)
    if loop is not None:
        candidates = hci_candidates(pixels, max_bytes, coder=codec.hci_coder, steps=STEPS_TRIED)
        if candidates:
            return _choose(candidates, partial(loop, pixels))
    return encode_hci(pixels, max_bytes, coder=codec.hci_coder)


def _choose_filling_hci(
    codec: Codec,
    pixels: NDArray[np.uint8],
    loop: DecoderInTheLoop | None,
    max_bytes: int,
    fills: Callable[[bytes], bool],
) -> bytes:
    """Return the best payload that ``fills`` accepts; if it accepts none, the best of all.

    If none of the usual scales for this rate is accepted, finer scales are tried one by one. A picture that takes fewer
    bytes at full quality is accepted at no scale.
    """
    distance = None if loop is None else partial(loop, pixels)
    if distance is None and fills(up_sampled := encode_hci(pixels, max_bytes, coder=codec.hci_coder)):
        return up_sampled
    candidates: list[bytes] = []
    for steps in (STEPS_TRIED, *([-finer] for finer in range(1, len(HCI_SCALES)))):
        here = hci_candidates(pixels, max_bytes, coder=codec.hci_coder, steps=steps)
        filling = [payload for payload in here if fills(payload)]
        if filling:
            return _choose(filling, distance)
        candidates += here
    if not candidates:
        return encode_hci(pixels, max_bytes, coder=codec.hci_coder)
    return _choose(candidates, distance)


def _choose(payloads: Sequence[bytes], make_distance: Callable[[], Callable[[bytes], float]] | None) -> bytes:
    """Return the payload of the least distance, or without one the longest. A single payload needs no decoding."""
    if len(payloads) == 1:
        return payloads[0]
    return max(payloads, key=len) if make_distance is None else min(payloads, key=make_distance())
