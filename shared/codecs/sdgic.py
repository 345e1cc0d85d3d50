"""SDGIC (arXiv 2512.06344): MTGC whose tokens say what caption and HCI leave open, learnt on the decoder's loss."""

from shared.codecs.recipe import Codec
from shared.streams import StreamKind
from shared.tokens.stream import TokenKind

SDGIC = Codec(
    name="sdgic",
    summary="caption, highly compressed image and reconstruction-aware semantic residual tokens",
    streams=(StreamKind.HCI, StreamKind.CAPTION, StreamKind.TOKENS),
    token_kind=TokenKind.RSRT,
    tokens=16,
)
