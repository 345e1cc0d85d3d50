"""The highly compressed image alone."""

from shared.codecs.recipe import Codec

HCI = Codec(name="hci", summary="highly compressed image, by whichever coder measures better at the rate")
HCI_AV1 = Codec(name="hci-av1", summary="highly compressed image as a stripped AV1 still", hci_coder="av1")
HCI_LEARNED = Codec(
    name="hci-learned",
    summary="highly compressed image by the learned coder with integer decoding",
    hci_coder="learned",
)
