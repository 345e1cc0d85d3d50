"""The codecs of this package. Each is a recipe: which streams to send, and how they share the byte budget.

Four follow published systems: MTGC, SDGIC, GSC and MISC. The others are this project's own.
"""

from __future__ import annotations

from typing import Final

from shared.codecs.recipe import Codec
from shared.streams import StreamKind
from shared.tokens.stream import TokenKind

HCI: Final = Codec(name="hci", summary="highly compressed image, by whichever coder measures better at the rate")
HCI_AV1: Final = Codec(name="hci-av1", summary="highly compressed image as a stripped AV1 still", hci_coder="av1")
HCI_LEARNED: Final = Codec(
    name="hci-learned",
    summary="highly compressed image by the learned coder with integer decoding",
    hci_coder="learned",
)

MTGC: Final = Codec(
    name="mtgc",
    summary="caption, highly compressed image and semantic pseudo-words",
    streams=(StreamKind.HCI, StreamKind.CAPTION, StreamKind.TOKENS),
    token_kind=TokenKind.SPW,
    tokens=16,
)
"""Multimodal-guided task-aware generative compression (MTGC, arXiv 2512.06344, version 1).

Later versions of the same article have another name and method: ``SDGIC``. The tokens are semantic pseudo-words (SPWs),
trained for a task on the picture alone.
"""

SDGIC: Final = Codec(
    name="sdgic",
    summary="caption, highly compressed image and reconstruction-aware semantic residual tokens",
    streams=(StreamKind.HCI, StreamKind.CAPTION, StreamKind.TOKENS),
    token_kind=TokenKind.RSRT,
    tokens=16,
)
"""Semantic disambiguation-guided generative image compression (SDGIC, arXiv 2512.06344, later versions).

Version 1 of the same article is ``MTGC``. The tokens are reconstruction-aware semantic residual tokens
(RSRTs): trained on the decoder's loss, they add what the caption and the highly compressed image leave out.
"""

TEXTURED: Final = Codec(
    name="textured",
    summary="highly compressed image and residual tokens with a place, which the decoder reads with --steps 1 to 4",
    streams=(StreamKind.HCI, StreamKind.TOKENS),
    residual=True,
)
"""The residual tokens of SDGIC with a place: one for 32 × 32 pixels says which texture the restorer loses there.

The sender runs the receiver's restorer. The refiner reads the tokens, so the decoder must take steps.
"""

GSC: Final = Codec(
    name="gsc",
    summary="caption and up to sixteen channels of a learned latent, chosen by structural similarity",
    streams=(StreamKind.LATENT, StreamKind.CAPTION),
    latent_channels=16,
)
"""Generative semantic coding (Chen et al., arXiv 2510.27324)."""

MISC: Final = Codec(
    name="misc",
    summary="caption, highly compressed image and up to three named regions with masks",
    streams=(StreamKind.HCI, StreamKind.CAPTION, StreamKind.REGIONS),
)
"""Multimodal image semantic compression (Li et al. 2024)."""

LAYERED: Final = Codec(
    name="layered",
    summary="highly compressed image over a base layer of two latent channels and a caption, which may survive it",
    streams=(StreamKind.LATENT, StreamKind.HCI, StreamKind.CAPTION),
    latent_channels=2,
)
"""A small base layer under a highly compressed image: two latent channels and a caption.

Sent with a robust modulation and coding scheme, the base layer alone still gives a rough picture when the image is
lost. After layered coding with unequal protection (Albanese et al., "Priority encoding transmission", IEEE Trans. Inf.
Theory 42(6), 1996). See ``docs/protection.md``.
"""

ADAPTIVE: Final = Codec(
    name="adaptive",
    summary="the highly compressed image that the decoder restores best; streams that replace a lost one fill the rest",
    streams=(StreamKind.HCI, StreamKind.LATENT, StreamKind.CAPTION, StreamKind.REGIONS),
    hci_choice="decoder",
    fills=True,
)
"""The highly compressed image (HCI) that the decoder restores best. The other streams fill the rest of the budget.

The decoder needs the other streams only when the HCI is lost (docs/results/adaptive.md).
"""

RESILIENT: Final = Codec(
    name="resilient",
    summary="highly compressed image in slices that decode alone over a very small picture; whole without loss",
    streams=(StreamKind.BASE, StreamKind.HCI, StreamKind.CAPTION),
    parts=True,
)
"""Any packet makes a picture: a base, slices of the highly compressed image (HCI) that decode alone, and a caption.

How many slices depends on the expected loss of packets; without loss it sends what ``hci`` sends.
"""

BUILTIN_CODECS: Final = {
    codec.name: codec
    for codec in (HCI, HCI_AV1, HCI_LEARNED, RESILIENT, TEXTURED, MTGC, SDGIC, GSC, MISC, LAYERED, ADAPTIVE)
}
