"""The parts of Sionna that code and map packets, imported without the rest, which takes several times as long.

``import sionna.phy`` imports all of Sionna: channels, MIMO and torch's compiler among them.
"""

from __future__ import annotations

from shared.deferred_imports import defer, replace, stand_in_compiler
from shared.torch_imports import TORCH_IMPORTS

NOT_RUN = tuple(f"sionna.phy.{part}" for part in ("channel", "isac", "mimo", "nr", "ofdm"))

with TORCH_IMPORTS, defer(*NOT_RUN), replace({"torch._dynamo": stand_in_compiler()}):
    from sionna.phy.fec.crc import CRCDecoder, CRCEncoder
    from sionna.phy.fec.ldpc import LDPC5GDecoder, LDPC5GEncoder
    from sionna.phy.fec.polar import Polar5GDecoder, Polar5GEncoder
    from sionna.phy.mapping import Constellation, Mapper

__all__ = [
    "CRCDecoder",
    "CRCEncoder",
    "Constellation",
    "LDPC5GDecoder",
    "LDPC5GEncoder",
    "Mapper",
    "Polar5GDecoder",
    "Polar5GEncoder",
]
