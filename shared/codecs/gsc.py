"""GSC (arXiv 2510.27324): caption, and the channels of a learned codec's latent that show most of the structure."""

from shared.codecs.recipe import Codec
from shared.streams import StreamKind

GSC = Codec(
    name="gsc",
    summary="caption and up to sixteen channels of a learned latent, chosen by structural similarity",
    streams=(StreamKind.CAPTION, StreamKind.LATENT),
    planes=16,
)
