"""Gain of each stream: codecs with all streams, and with one removed, swapped or emptied.

Per codec and stream, on pictures that nothing was trained on: ``lost`` drops the stream after encoding, ``swapped``
replaces it by that of the next picture, ``zeroed`` by one without content, and ``unsent`` encodes again without it at
the same total bytes, so that the HCI gets its bytes. The decoder uses a stream if lost and swapped are worse than all
streams; the stream is worth its bytes if unsent is worse. Writes docs/results/stream-ablation.md.

    python -m benchmarks.common.val_pictures --count 4 --out out/val4
    python -m benchmarks.decoder.stream_ablation out/val4 --bytes 500 --steps 1
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.common.arguments import make_parser
from benchmarks.common.report import write_report
from receiver.decoders.base import DecodeOptions
from receiver.guidance import guidance_in
from receiver.metrics.names import MEASURES, PERCEPTUAL
from receiver.metrics.reporter import Measures
from receiver.pocket.decoder import PocketDecoder
from semlink.encoder_search.residual import PocketResidualCodes
from semlink.evaluate.pictures import find_pictures
from sender.encode import encode_picture
from sender.extractors.extractors import Extractors
from shared.bitstream import Bitstream
from shared.codecs.registry import get_codec
from shared.latent.coder import decode_latent, encode_latent
from shared.lazy import Lazy
from shared.picture import load_picture
from shared.pixels import grey_to_rgb
from shared.residual.stream import is_residual
from shared.streams import Stream, StreamKind
from shared.tokens.stream import MIN_TOKENS, Tokens, decode_tokens, encode_tokens

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shared.codecs.recipe import Codec
    from shared.picture import Picture

SHOWN = (*PERCEPTUAL, "class_kl", "psnr_db")
ALL = "all streams"
NEUTRAL_CODE = 42  # numbers 0, 0, 0
Rows = dict[tuple[str, str], dict[int, dict[str, float]]]
"""By codec and variant, then by picture."""


def main() -> None:
    parser = make_parser(__doc__, "stream-ablation.md")
    parser.add_argument("pictures", type=Path, nargs="+", help="files or folders")
    parser.add_argument("--bytes", type=int, default=500, help="budget of each picture")
    parser.add_argument("--steps", type=int, default=1, help="of the decoder")
    parser.add_argument("--codecs", default="textured,mtgc,sdgic,gsc,misc,layered", help="comma-separated")
    options = parser.parse_args()
    pictures = [load_picture(file.read_bytes()) for file in find_pictures(options.pictures)]
    codecs = [get_codec(name) for name in options.codecs.split(",")]
    decoder, measures = PocketDecoder(), Measures(SHOWN)
    extractors = Extractors(residual_codes=PocketResidualCodes(Lazy(lambda: decoder)))
    rows: Rows = defaultdict(dict)
    for codec in codecs:
        whole = [encode_picture(picture, codec, extractors, options.bytes) for picture in pictures]
        for index, picture in enumerate(pictures):
            reference = measures.reference(grey_to_rgb(picture.pixels))
            following = whole[(index + 1) % len(whole)]
            for name, bitstream in make_variants(codec, picture, whole[index], following, extractors, options.bytes):
                guidance = guidance_in(bitstream)
                made = decoder.reconstruct(guidance, DecodeOptions(options.steps, trust=False))
                found = measures.compare(grey_to_rgb(made.pixels), reference)
                row = {measure: float(found[measure] or 0) for measure in SHOWN}
                rows[codec.name, name][index] = {"bytes": len(bitstream.pack()), **row}
    words = " ".join(str(path) for path in options.pictures)
    command = f"python -m benchmarks.decoder.stream_ablation {words} --bytes {options.bytes} --steps {options.steps}"
    write_report(make_report(rows, command, len(pictures)), options.out)


def make_variants(
    codec: Codec, picture: Picture, whole: Bitstream, following: Bitstream, extractors: Extractors, max_bytes: int
) -> Iterator[tuple[str, Bitstream]]:
    """Yield the names and bitstreams of one picture's variants."""
    yield ALL, whole
    for stream in whole.streams:
        kind, rest = stream.kind, [one for one in whole.streams if one.kind != stream.kind]
        yield f"{kind.name} lost", Bitstream(whole.header, tuple(rest))
        other = following.stream(kind)
        if other is not None and following.header == whole.header:
            yield f"{kind.name} swapped", _replace(whole, rest, other)
        empty = _make_neutral(stream, whole, max_bytes)
        if empty is not None:
            yield f"{kind.name} zeroed", _replace(whole, rest, Stream(kind, empty))
        remaining = tuple(one for one in codec.streams if one is not kind)
        if kind is not StreamKind.HCI and remaining:
            residual = codec.residual and kind is not StreamKind.TOKENS
            without = codec.model_copy(update={"streams": remaining, "residual": residual})
            yield f"{kind.name} unsent", encode_picture(picture, without, extractors, max_bytes)


def _replace(whole: Bitstream, rest: Sequence[Stream], stream: Stream) -> Bitstream:
    streams = sorted([*rest, stream], key=lambda one: one.kind)
    return Bitstream(whole.header, tuple(streams))


def _make_neutral(stream: Stream, whole: Bitstream, max_bytes: int) -> bytes | None:
    """Return a payload of the same kind without content, None if that is the same as no payload.

    Neutral tokens are rare and cost more than usual ones, so fewer of them fit the budget.
    """
    if stream.kind is StreamKind.TOKENS and not is_residual(stream.units):
        tokens = decode_tokens(stream.payload)
        room = max_bytes - len(whole.pack()) + len(stream.payload)
        counts = range(MIN_TOKENS, len(tokens.codes) + 1)
        made = [encode_tokens(Tokens(tokens.kind, (NEUTRAL_CODE,) * count)) for count in counts]
        return max((one for one in made if len(one) <= room), key=len, default=None)
    if stream.kind is StreamKind.LATENT:
        found = decode_latent(stream.payload, whole.header.width, whole.header.height)
        values = np.zeros((32, *found.values.shape[1:]), np.int16)
        return encode_latent(values, found.ids)
    return None


def make_report(rows: Rows, command: str, count: int) -> str:
    """Return the report as Markdown."""
    lines = [
        "# Gain of each stream",
        "",
        f"`{command}`",
        f"(`python -m benchmarks.common.val_pictures --count {count} --out out/val{count}` makes such pictures)",
        "",
        f"Means over those of the {count} pictures that have the stream. In brackets: the change against all streams",
        "of the same pictures, in percent (in dB for PSNR). `lost`: removed after encoding. `swapped`: that of another",
        "picture. `zeroed`: one without content; for a caption, regions or an HCI that is `lost`. `unsent`: encoded",
        "without it in the same budget. With `--steps 0`, the default, the decoder uses the HCI alone if there is one.",
        "",
        "| codec | variant | pictures | bytes | " + " | ".join(MEASURES[key].heading for key in SHOWN) + " |",
        "| --- | --- | ---: | ---: |" + " ---: |" * len(SHOWN),
    ]
    columns = ("bytes", *SHOWN)
    for (codec, name), found in rows.items():
        whole = rows[codec, ALL]
        means, base = (
            {key: float(np.mean([of[index][key] for index in found])) for key in columns} for of in (found, whole)
        )
        cells = [f"{means[key]:.3f} ({_format_change(key, means[key], base[key])})" for key in SHOWN]
        lines.append(f"| {codec} | {name} | {len(found)} | {means['bytes']:.0f} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _format_change(measure: str, value: float, base: float) -> str:
    return f"{value - base:+.2f}" if measure == "psnr_db" else f"{100 * (value / base - 1):+.1f}"


if __name__ == "__main__":
    main()
