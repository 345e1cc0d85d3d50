"""The Polar code of TS 38.212, by Sionna, for the shortest packets.

Importing this module imports Sionna, which takes seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from channel.phy.sionna_import import Polar5GDecoder, Polar5GEncoder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from channel.phy.mcs import TransportBlock
    from channel.phy.sionna_import import CRCDecoder

_LIST_SIZE = 8


class PolarCode:
    """Polar code (TS 38.212, 5.3.1) with uplink rate matching (5.4.1) and CRC-aided list decoding with 8 paths.

    The Polar code's own CRC of 11 bits selects from the list; the CRC-24A still decides whether a packet is right.
    """

    batch_limit = 256  # packets of at most 1,088 coded bits

    def __init__(self, block: TransportBlock, where: dict[str, Any]) -> None:
        self._encoder = Polar5GEncoder(block.information_bits, block.coded_bits, check_input=False, **where)
        self._decoder = Polar5GDecoder(self._encoder, dec_type="SCL", list_size=_LIST_SIZE, **where)

    def encode(self, information_bits: torch.Tensor) -> torch.Tensor:
        """Return coded bits ``[packets, n]`` for ``information_bits`` ``[packets, k]``, CRC included; float32."""
        coded: torch.Tensor = self._encoder(information_bits)
        return coded

    def decode(self, llrs: torch.Tensor, crc_check: CRCDecoder) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Return payload bits ``[packets, payload_bits]`` for ``llrs`` ``[packets, n]``, and whether each CRC holds."""
        bits, crc_holds = crc_check(self._decoder(llrs))
        return bits.to("cpu", torch.uint8).numpy(), crc_holds[:, 0].cpu().numpy()
