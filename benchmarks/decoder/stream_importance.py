"""Worth of each unit of a picture: quality with what arrives of its streams and slices. Protection is chosen by it.

The first ``--pictures`` of val.parquet in which regions are found are encoded in ``--bytes`` three times: with an HCI
(highly compressed image), two latent channels, a caption and regions; as ``resilient`` does for ``EXPECTED_LOSS``, with
a base and slices; and with tokens, of pseudo-words and of residual tokens in turn. Every subset of the first streams is
decoded as the receiver does, and the base and the tokens beside HCI and caption. The slices are decoded in quarters,
with and without the base. A whole HCI is decoded once: beside it the decoder reads other streams only if it takes
diffusion steps, which it does not by default. Without any stream the receiver shows no picture, and the original's
mean colour is measured.

    python -m benchmarks.decoder.stream_importance --pictures 6 --bytes 600

writes models/importance/streams.json, which ``semlink send --protect`` goes by.
"""

from __future__ import annotations

import json
from collections import defaultdict
from itertools import count
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
from semlink.pipeline.stream_importance import IMPORTANCE_FILE, hash_decoder
from sender.encode import encode_picture
from sender.expected_loss import ExpectedLoss
from sender.extractors.extractors import Extractors
from shared.bitstream import Bitstream
from shared.codecs.builtin import LAYERED, MTGC, RESILIENT, SDGIC
from shared.codecs.recipe import Codec
from shared.picture import encode_png, load_picture
from shared.pixels import grey_to_rgb
from shared.streams import Stream, StreamKind
from training.data import TRAIN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Quality = tuple[float, float]
    """LPIPS-Alex and PSNR in dB."""
    Kinds = tuple[StreamKind, ...]

MANY_STREAMS = Codec(
    name="many-streams",
    summary="many",
    streams=(StreamKind.HCI, StreamKind.LATENT, StreamKind.CAPTION, StreamKind.REGIONS),
    latent_channels=LAYERED.latent_channels,
)
EXPECTED_LOSS = 0.03
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


class ReceivedQuality:
    """Decodes the received streams of a picture and measures it."""

    def __init__(self) -> None:
        self._measures = Measures(("lpips_alex", "psnr_db"))
        self._decoder = PocketDecoder()
        self._known: dict[tuple[Bitstream | None, bytes], Quality] = {}

    def quality(self, received: Bitstream | None, original: NDArray[np.uint8]) -> Quality:
        """Return the quality of what the receiver makes of ``received``; None if nothing arrived."""
        key = received and self._read_streams(received), original.tobytes()
        if key not in self._known:
            made = None
            if received is not None and received.streams:
                made = self._decoder.reconstruct(guidance_in(received), options_for(self._decoder))
            shown = mean_colour(original) if made is None else grey_to_rgb(made.pixels)
            found = self._measures.compare(shown, self._measures.reference(original))
            self._known[key] = float(found["lpips_alex"] or 0), float(found["psnr_db"] or 0)
        return self._known[key]

    def _read_streams(self, received: Bitstream) -> Bitstream:
        """Return the streams that the decoder reads: beside a whole HCI it reads others only in its diffusion steps."""
        whole = [stream for stream in received.streams if stream.kind is StreamKind.HCI and all(stream.units)]
        return keep_streams(received, (StreamKind.HCI,)) if whole and not self._decoder.default_steps else received


class Worth:
    """What was measured so far, by the kinds that arrive, and by base and share of the slices that arrive."""

    def __init__(self, payload_bytes: int) -> None:
        self._payload_bytes, self._extractors, self._received = payload_bytes, Extractors(), ReceivedQuality()
        self.subsets: dict[Kinds, list[Quality]] = defaultdict(list)
        self.shares: dict[tuple[bool, float], list[Quality]] = defaultdict(list)
        self.sizes: dict[StreamKind, list[int]] = defaultdict(list)
        self.pictures = 0

    def measure(self, original: NDArray[np.uint8]) -> None:
        """Measure one picture; one without regions is passed over."""
        many = self._encode(original, MANY_STREAMS)
        if len(many.streams) < len(MANY_STREAMS.streams):
            return
        resilient, with_tokens = (self._encode(original, one) for one in (RESILIENT, (MTGC, SDGIC)[self.pictures % 2]))
        self._measure_subsets(original, many, many.streams)
        for other, kind in ((resilient, StreamKind.BASE), (with_tokens, StreamKind.TOKENS)):
            self._measure_subsets(original, many, keep_streams(other, (kind,)).streams)
        for base in (False, True):
            for share in SHARES:
                kept = keep_slices(resilient, share, base=base, first=self.pictures)
                self.shares[base, share].append(self._received.quality(kept, original))
                print("base" if base else "no base", share, self.shares[base, share][-1], flush=True)
        self.pictures += 1

    def _encode(self, original: NDArray[np.uint8], codec: Codec) -> Bitstream:
        picture, loss = load_picture(encode_png(original)), ExpectedLoss(EXPECTED_LOSS)
        return encode_picture(picture, codec, self._extractors, self._payload_bytes, loss=loss)

    def _measure_subsets(self, original: NDArray[np.uint8], many: Bitstream, streams: Sequence[Stream]) -> None:
        """Measure every subset of ``streams``, or of one of another codec beside HCI and caption of ``many``."""
        for stream in streams:
            self.sizes[stream.kind].append(len(stream.payload))
        needed = streams[0].kind if len(streams) == 1 else None
        if needed is not None:
            streams = (*keep_streams(many, (StreamKind.HCI, StreamKind.CAPTION)).streams, *streams)
        whole = Bitstream(many.header, tuple(streams))
        for kinds in stream_subsets(tuple(stream.kind for stream in streams)):
            if needed is None or needed in kinds:
                self.subsets[kinds].append(self._received.quality(keep_streams(whole, kinds), original))
                print([kind.name for kind in kinds], self.subsets[kinds][-1], flush=True)


def keep_slices(whole: Bitstream, share: float, *, base: bool, first: int) -> Bitstream:
    """Return the slices of ``whole`` from number ``first`` on that are ``share`` of all, with or without the base."""
    (slices,) = (stream for stream in whole.streams if stream.kind is StreamKind.HCI)
    units = slices.units
    kept = {(first + index) % len(units) for index in range(round(share * len(units)))}
    streams = [stream for stream in whole.streams if base and stream.kind is StreamKind.BASE]
    if kept:
        received = [unit if index in kept else b"" for index, unit in enumerate(units)]
        streams.append(Stream.of_units(StreamKind.HCI, received))
    return Bitstream(whole.header, tuple(sorted(streams, key=lambda stream: stream.kind)))


def main() -> None:
    parser = make_parser(__doc__, IMPORTANCE_FILE)
    parser.add_argument("--pictures", type=int, default=6)
    parser.add_argument("--bytes", type=int, default=600)
    options = parser.parse_args()
    worth = Worth(options.bytes)
    for index in count():
        if worth.pictures == options.pictures:
            break
        worth.measure(*load_validation_pictures(TRAIN, 1, first=index))
    command = f"python -m benchmarks.decoder.stream_importance --pictures {options.pictures} --bytes {options.bytes}"
    options.out.write_text(json.dumps(make_document(worth, command), indent=1) + "\n", encoding="utf-8")


def make_document(worth: Worth, command: str) -> dict[str, object]:
    """Return what was measured, ready for JSON."""
    return {
        "command": command,
        "decoder_sha256": hash_decoder(),
        "pictures": worth.pictures,
        "payload_bytes": {kind.name: [min(size), max(size)] for kind, size in sorted(worth.sizes.items())},
        "subsets": [
            {"received": [kind.name for kind in kinds], **_mean(found)} for kinds, found in worth.subsets.items()
        ],
        "slices": [{"base": base, "share": share, **_mean(found)} for (base, share), found in worth.shares.items()],
    }


def _mean(found: Sequence[Quality]) -> dict[str, float]:
    lpips_alex, psnr_db = np.mean(found, axis=0)
    return {"lpips_alex": round(float(lpips_alex), 4), "psnr_db": round(float(psnr_db), 2)}


if __name__ == "__main__":
    main()
