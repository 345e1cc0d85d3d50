"""The parts of Sionna that code and map packets, imported without the rest, which takes several times as long.

``import sionna.phy`` imports all of Sionna: channels, MIMO and torch's compiler among them. Its helpers also import
what draws plots and computes splines.
"""

from __future__ import annotations

from types import ModuleType

from shared.deferred_imports import defer, import_at_call, replace, stand_in_compiler
from shared.torch_imports import TORCH_IMPORTS

NOT_RUN = (*(f"sionna.phy.{part}" for part in ("channel", "isac", "mimo", "nr", "ofdm")), "numpy.f2py")
AT_CALL = {name: import_at_call(name) for name in ("matplotlib.pyplot", "scipy.interpolate", "scipy.special")}
MATPLOTLIB = ModuleType("matplotlib")
MATPLOTLIB.pyplot = AT_CALL["matplotlib.pyplot"]  # type: ignore[attr-defined]  # as an import of the part sets it
REPLACED = {**AT_CALL, "matplotlib": MATPLOTLIB, "torch._dynamo": stand_in_compiler()}

with TORCH_IMPORTS, defer(*NOT_RUN), replace(REPLACED):
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
