"""Picture and byte budget in, bitstream out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.bitstream import Bitstream
from shared.errors import BudgetError
from shared.hci.stream import encode_hci
from shared.streams import Stream, StreamKind

if TYPE_CHECKING:
    from shared.codecs import Codec
    from shared.picture import Picture

MIN_DEFAULT_BUDGET_BYTES = 96


def default_budget_bytes(picture: Picture, codec: Codec) -> int:
    """Return the budget of a caller who names none: the codec's default bpp, though never less than a thumbnail."""
    return max(MIN_DEFAULT_BUDGET_BYTES, int(codec.default_bpp * picture.header.pixels / 8))


def encode_picture(picture: Picture, codec: Codec, budget_bytes: int = 0) -> Bitstream:
    """Return the bitstream of ``picture`` whose container has at most ``budget_bytes`` (0: the codec's default).

    Raises:
        BudgetError: not even the smallest encoding fits.
    """
    budget_bytes = budget_bytes or default_budget_bytes(picture, codec)
    overhead = len(Bitstream(picture.header, (Stream(StreamKind.HCI, b""),)).pack())
    if budget_bytes <= overhead:
        raise BudgetError(f"{budget_bytes} bytes: header and checksum alone take {overhead}; raise the budget")
    try:
        payload = encode_hci(picture.pixels, budget_bytes - overhead, coder=codec.hci_coder)
    except BudgetError as error:
        raise BudgetError(f"budget of {budget_bytes} bytes, {overhead} of them header and checksum: {error}") from error
    return Bitstream(picture.header, (Stream(StreamKind.HCI, payload),))
