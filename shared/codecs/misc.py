"""MISC (Li et al. 2024): caption, highly compressed image, and up to three named regions with details and masks."""

from shared.codecs.recipe import Codec
from shared.streams import StreamKind

MISC = Codec(
    name="misc",
    summary="caption, highly compressed image and up to three named regions with masks",
    streams=(StreamKind.HCI, StreamKind.CAPTION, StreamKind.REGIONS),
)
