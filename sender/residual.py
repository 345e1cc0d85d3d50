"""Residual tokens (RSRTs) beside a highly compressed image (HCI): plans their bytes and codes them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from sender.budget import HCI_SHARE, Budget
from shared.bitstream import Bitstream
from shared.errors import BudgetError
from shared.residual.stream import encode_residual, estimate_bytes
from shared.streams import Stream, StreamKind

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

TRIES: Final = 2
"""The bytes of the tokens are estimated first; the second try knows those of the first."""
SPARE_BYTES: Final = 6
"""Room for other tokens beside another HCI."""


class ResidualCodes(Protocol):
    """Finds the residual tokens of a picture. The program passes one to the sender, because it runs the restorer."""

    def __call__(self, pixels: NDArray[np.uint8], hci: bytes) -> NDArray[np.uint8]:
        """Return codes ``[ceil(H / 32), ceil(W / 32)]`` of what the restorer loses of ``pixels`` behind ``hci``.

        ``pixels`` are ``[H, W, 3]`` or ``[H, W]``.

        Raises:
            SetupError: the decoder or the codebook is not installed, or weights are missing or damaged.
        """
        ...


@dataclass(frozen=True, slots=True)
class ResidualEncoder:
    """Encodes a picture with residual tokens within ``budget``.

    ``encode`` returns the bitstream of the other streams within a budget.
    """

    pixels: NDArray[np.uint8]
    budget: Budget
    find_codes: ResidualCodes
    encode: Callable[[Budget], Bitstream]

    def run(self) -> Bitstream:
        """Return the bitstream with residual tokens; without them where they leave the HCI less than its share.

        Raises:
            BudgetError: not even the other streams fit.
        """
        header = self.budget.header
        reserve_bytes = estimate_bytes(header.width, header.height)
        for _ in range(TRIES):
            if reserve_bytes > (1 - HCI_SHARE) * self.budget.total_bytes:
                break
            with suppress(BudgetError):
                whole = self._add_tokens(self.encode(Budget(header, self.budget.total_bytes - reserve_bytes)))
                size = len(whole.pack())
                if size <= self.budget.total_bytes and whole.stream(StreamKind.TOKENS) is not None:
                    return whole
                reserve_bytes += size - self.budget.total_bytes + SPARE_BYTES
        return self.encode(self.budget)

    def _add_tokens(self, others: Bitstream) -> Bitstream:
        """Return ``others`` with the tokens beside their HCI."""
        hci = others.stream(StreamKind.HCI)
        if hci is None:
            return others
        tokens = Stream.of_units(StreamKind.TOKENS, encode_residual(self.find_codes(self.pixels, hci.payload)))
        return Bitstream(others.header, tuple(sorted([*others.streams, tokens], key=lambda one: one.kind)))
