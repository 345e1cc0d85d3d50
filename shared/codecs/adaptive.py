"""The budget goes where it measured to pay: an HCI chosen for the decoder that restores it; what is left is filled."""

from shared.codecs.recipe import Codec
from shared.streams import StreamKind

_STREAMS = (StreamKind.HCI, StreamKind.CAPTION, StreamKind.TOKENS)
ADAPTIVE = Codec(
    name="adaptive",
    summary="the HCI that the decoder restores best, tried at the sender; caption and tokens fill what is left",
    streams=_STREAMS,
    hci_choice="decoder",
    fills=True,
    tokens=64,
)
ADAPTIVE_FAST = Codec(
    name="adaptive-fast",
    summary="as adaptive, by a table instead of trying",
    streams=_STREAMS,
    hci_choice="table",
    fills=True,
    tokens=64,
)
