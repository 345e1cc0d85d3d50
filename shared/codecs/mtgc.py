"""MTGC (arXiv 2512.06344v1): caption, highly compressed image, and semantic pseudo-words made for a task."""

from shared.codecs.recipe import Codec
from shared.streams import StreamKind
from shared.tokens.stream import TokenKind

MTGC = Codec(
    name="mtgc",
    summary="caption, highly compressed image and semantic pseudo-words",
    streams=(StreamKind.HCI, StreamKind.CAPTION, StreamKind.TOKENS),
    token_kind=TokenKind.SPW,
    tokens=16,
)
