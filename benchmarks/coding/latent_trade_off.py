"""GSC's equation (2): the number of latent channels that it chooses, with bytes and distortion, against fixed numbers.

Writes docs/results/latent-trade-off.md, in a minute or two of one core:

    python -m benchmarks.common.val_pictures --count 12 --out out/val12
    python -m benchmarks.coding.latent_trade_off
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from benchmarks.common.arguments import make_parser
from benchmarks.common.paths import SCRATCH
from benchmarks.common.report import describe_machine, make_table, write_report
from receiver.decoders.base import options_for
from receiver.guidance import Guidance
from receiver.metrics.reporter import Measures
from receiver.pocket.decoder import PocketDecoder
from semlink.encoder_search.latent import PocketFeatureDistortion
from sender.extractors.extractors import Extractors
from sender.rdo import LatentCandidate, latent_candidates, least_cost
from shared.bitstream import PictureHeader
from shared.codecs.recipe import TradeOff
from shared.efficientnet import efficientnet_lite
from shared.latent.layout import CHANNEL_COUNTS
from shared.picture import load_picture
from shared.pixels import grey_to_rgb, to_tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shared.latent.coder import LatentChannels

SKIPPED, COUNT = 4, 6
ALPHA = 1.0
BETAS = (0.0, 0.0003, 0.001, 0.003, 0.01)
COLOURS = {"green": (30, 160, 60), "red": (200, 30, 30), "blue": (40, 60, 200), "grey": (128, 128, 128)}


@dataclass(frozen=True)
class Tried:
    """One number of channels of one picture: V's loss, LPIPS-Alex, and the change of Lite2's classes."""

    choice: LatentCandidate
    lost: float
    lpips_alex: float
    classes: float


class Trials:
    """The sender's choices and the receiver's pictures."""

    def __init__(self) -> None:
        self.extractors, self.decoder, self.distortion = Extractors(), PocketDecoder(), PocketFeatureDistortion()
        self.seen, self.measures = efficientnet_lite(2), Measures(("lpips_alex",))

    def decode(self, pixels: NDArray[np.uint8], caption: str, channels: LatentChannels) -> NDArray[np.uint8]:
        """Return what the receiver shows, by its defaults."""
        guidance = Guidance(PictureHeader(pixels.shape[1], pixels.shape[0]), caption=caption or None, latent=channels)
        return self.decoder.reconstruct(guidance, options_for(self.decoder)).pixels

    def try_all(self, pixels: NDArray[np.uint8]) -> dict[int, Tried]:
        """Return every number of latent channels of the picture."""
        caption = self.extractors.caption(pixels)
        lost, original = self.distortion(pixels, caption), self.measures.reference(grey_to_rgb(pixels))
        found = {}
        for choice in latent_candidates(*self.extractors.latent(pixels, CHANNEL_COUNTS[-1])):
            made = self.decode(pixels, caption, choice.channels)
            lpips = float(self.measures.compare(grey_to_rgb(made), original)["lpips_alex"] or 0)
            apart = float((self.classify(made) - self.classify(pixels)).abs().sum()) / 2
            found[len(choice.channels.ids)] = Tried(choice, lost(choice.channels), lpips, apart)
        return found

    def classify(self, pixels: NDArray[np.uint8]) -> torch.Tensor:
        """Return Lite2's probabilities ``[1, 1000]``."""
        with torch.inference_mode():
            return self.seen.class_logits(to_tensor(pixels)[None]).softmax(1)

    def send_colour(self, colour: tuple[int, int, int]) -> list[str]:
        """Return the mean colours in which an even picture of ``colour`` comes back, without its caption and with."""
        pixels = np.full((192, 256, 3), colour, np.uint8)
        most = next(latent_candidates(*self.extractors.latent(pixels, CHANNEL_COUNTS[-1])))
        captions = "", self.extractors.caption(pixels)
        means = [self.decode(pixels, caption, most.channels).mean((0, 1)) for caption in captions]
        return [", ".join(f"{level:.0f}" for level in mean) for mean in (colour, *means)]


def choose(tried: dict[int, Tried], trade_off: TradeOff) -> int:
    choices = [one.choice for one in tried.values()]
    best = least_cost(choices, lambda channels: tried[len(channels.ids)].lost, trade_off)
    return len(best.channels.ids)


def make_row(name: str, taken: list[Tried], counts: str) -> list[str]:
    columns = [[len(one.choice.payload) for one in taken]]
    columns += [[getattr(one, field) for one in taken] for field in ("lost", "lpips_alex", "classes")]
    return [name, counts, f"{np.mean(columns[0]):.0f}", *(f"{np.mean(column):.3f}" for column in columns[1:])]


def main() -> None:
    parser = make_parser(__doc__, "latent-trade-off.md")
    parser.add_argument("--pictures", type=Path, default=SCRATCH / "val12", help="folder of the pictures")
    options = parser.parse_args()
    files = sorted(options.pictures.glob("*.png"))[SKIPPED : SKIPPED + COUNT]
    trials = Trials()
    tried = [trials.try_all(load_picture(file.read_bytes()).pixels) for file in files]
    rows = [make_row(f"C = {count}", [one[count] for one in tried], str(count)) for count in CHANNEL_COUNTS]
    for beta in BETAS:
        counts = [choose(one, TradeOff(alpha=ALPHA, beta=beta)) for one in tried]
        taken = [one[count] for one, count in zip(tried, counts, strict=True)]
        rows.append(make_row(f"{ALPHA:g}:{beta:g}", taken, ", ".join(map(str, counts))))
    header = ["choice", "C, picture by picture", "bytes", "V's loss", "LPIPS-Alex", "classes, Lite2"]
    even = [[name, *trials.send_colour(colour)] for name, colour in COLOURS.items()]
    lines = [
        "# Latent channels by the rate-task trade-off",
        "",
        "`python -m benchmarks.common.val_pictures --count 12 --out out/val12`, then",
        f"`python -m benchmarks.coding.latent_trade_off`, {describe_machine()}.",
        "",
        f"{COUNT} pictures of `val.parquet`, 224×224, codec `gsc` without a limit in bytes: a fixed number of",
        "channels, and what `--trade-off ALPHA:BETA` chooses. Means. Bytes are the latent's. V's loss is the",
        "distortion that the sender weighs, the EfficientNet feature distance ([latent.md](../latent.md)). Classes:",
        "half the sum of differences of Lite2's 1,000 probabilities, 0 (the same) to 1, for comparison.",
        "",
        make_table(header, rows),
        "",
        "## Even pictures",
        "",
        "256×192 pixels of one colour, 16 channels: the mean colour (red, green, blue) that comes back.",
        "",
        make_table(["", "sent", "latent alone", "with the captioner's sentence"], even),
        "",
    ]
    write_report("\n".join(lines), options.out)


if __name__ == "__main__":
    main()
