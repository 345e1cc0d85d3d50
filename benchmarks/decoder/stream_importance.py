"""Importance of each stream: quality with every subset of the streams, from which protection is chosen.

The first ``--pictures`` of val.parquet are encoded with an HCI, two latent channels, a caption and regions in
``--bytes``, and with tokens (``--tokens``). Every subset is decoded as the receiver does. Without any
stream the receiver shows no picture, and the original's mean colour is measured.

    python -m benchmarks.decoder.stream_importance --pictures 4 --bytes 600

writes semlink/pipeline/stream_importance.json, which ``semlink send --protect unequal`` goes by.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.common.arguments import make_parser
from benchmarks.common.pictures import load_validation_pictures
from benchmarks.common.streams import keep_streams, stream_subsets
from receiver.decoders.base import options_for
from receiver.guidance import guidance_in
from receiver.metrics.reporter import Measures
from receiver.pocket.decoder import PocketDecoder
from semlink.pipeline.separate_coding import mean_colour
from sender.encode import encode_picture
from sender.extractors.extractors import Extractors
from shared.codecs.builtin import LAYERED
from shared.codecs.recipe import Codec
from shared.picture import encode_png, load_picture
from shared.pixels import grey_to_rgb
from shared.streams import StreamKind
from shared.tokens.stream import TokenKind
from training.data import REPOSITORY, TRAIN

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shared.bitstream import Bitstream

OUT = REPOSITORY / "semlink" / "pipeline" / "stream_importance.json"


def make_codec(*, tokens: bool = False) -> Codec:
    """Return the codec with an HCI, latent channels, a caption, regions and, if asked for, tokens."""
    kinds = (
        StreamKind.HCI,
        StreamKind.LATENT,
        StreamKind.CAPTION,
        StreamKind.REGIONS,
        *((StreamKind.TOKENS,) if tokens else ()),
    )
    return Codec(
        name="many-streams",
        summary="many",
        streams=kinds,
        token_kind=TokenKind.RSRT,
        tokens=32,
        latent_channels=LAYERED.latent_channels,
    )


class ReceivedQuality:
    """Decodes the received streams of a picture and measures it: LPIPS-Alex, and PSNR in dB."""

    def __init__(self) -> None:
        self._measures = Measures(("lpips_alex", "psnr_db"))
        self._decoder = PocketDecoder()

    def quality(self, received: Bitstream | None, original: NDArray[np.uint8]) -> tuple[float, float]:
        """Return LPIPS-Alex and PSNR in dB of what the receiver makes of ``received``; None if nothing arrived."""
        made = None
        if received is not None and received.streams:
            made = self._decoder.reconstruct(guidance_in(received), options_for(self._decoder))
        shown = mean_colour(original) if made is None else grey_to_rgb(made.pixels)
        found = self._measures.compare(shown, self._measures.reference(original))
        return float(found["lpips_alex"] or 0), float(found["psnr_db"] or 0)


def main() -> None:
    parser = make_parser(__doc__, OUT)
    parser.add_argument("--pictures", type=int, default=4)
    parser.add_argument("--bytes", type=int, default=600)
    parser.add_argument("--tokens", action="store_true")
    options = parser.parse_args()
    codec, extractors, received = make_codec(tokens=options.tokens), Extractors(), ReceivedQuality()
    found: dict[tuple[StreamKind, ...], list[tuple[float, float]]] = defaultdict(list)
    sizes: dict[StreamKind, list[int]] = defaultdict(list)
    for original in load_validation_pictures(TRAIN, options.pictures):
        whole = encode_picture(load_picture(encode_png(original)), codec, extractors, options.bytes)
        for stream in whole.streams:
            sizes[stream.kind].append(len(stream.payload))
        for kinds in stream_subsets(tuple(stream.kind for stream in whole.streams)):
            found[kinds].append(received.quality(keep_streams(whole, kinds), original))
            print([kind.name for kind in kinds], found[kinds][-1], flush=True)
    arguments = f"--pictures {options.pictures} --bytes {options.bytes}" + (" --tokens" if options.tokens else "")
    document = {
        "command": f"python -m benchmarks.decoder.stream_importance {arguments}",
        "pictures": options.pictures,
        "payload_bytes": {kind.name: [min(size), max(size)] for kind, size in sorted(sizes.items())},
        "subsets": [
            {
                "received": [kind.name for kind in kinds],
                "lpips_alex": round(float(np.mean([one for one, _ in values])), 4),
                "psnr_db": round(float(np.mean([one for _, one in values])), 2),
            }
            for kinds, values in found.items()
            if len(values) == options.pictures
        ],
    }
    options.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
