"""The budget goes where it measured to pay: an HCI chosen for the decoder; the rest is for when that HCI is lost."""

from shared.codecs.recipe import Codec
from shared.streams import StreamKind

ADAPTIVE = Codec(
    name="adaptive",
    summary="the HCI that the decoder restores best, tried at the sender; what stands in for a lost one fills the rest",
    streams=(StreamKind.HCI, StreamKind.LATENT, StreamKind.CAPTION, StreamKind.REGIONS),
    hci_choice="decoder",
    fills=True,
)
