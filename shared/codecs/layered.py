"""A base that survives, and a picture on top: two latent planes and a caption under an HCI.

After layered coding with unequal protection (Albanese et al., "Priority encoding transmission", IEEE Trans. Inf. Theory
42(6), 1996): a few bytes under a robust MCS still draw a sketch where the HCI is lost. See ``docs/protection.md``.
"""

from shared.codecs.recipe import Codec
from shared.streams import StreamKind

LAYERED = Codec(
    name="layered",
    summary="highly compressed image over a sketch that survives it: two latent planes and a caption",
    streams=(StreamKind.LATENT, StreamKind.CAPTION, StreamKind.HCI),
    planes=2,
)
