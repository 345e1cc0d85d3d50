"""The budget goes where it measured to pay: an HCI chosen for the decoder that restores it; what is left is filled."""

from shared.codecs.recipe import Codec
from shared.streams import StreamKind

ADAPTIVE = Codec(
    name="adaptive",
    summary="the HCI that the decoder restores best, tried at the sender; words and tokens fill what is left",
    streams=(StreamKind.HCI, StreamKind.CAPTION, StreamKind.REGIONS, StreamKind.TOKENS),
    hci_choice="decoder",
    fills=True,
    tokens=64,
)
