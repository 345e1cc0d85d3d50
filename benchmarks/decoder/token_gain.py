"""Measures what tokens gain in the refiner, and what the same bytes gain in a finer HCI (highly compressed image).

Crops of 224×224 pixels of val.parquet, which nothing trains on. The HCI has about ``--bpp`` bits per pixel; the finer
one has as many bytes more as the coded tokens take. The refiner and its codebook are those of a training run. Writes
docs/results/token-gain.md.

    python -m benchmarks.decoder.token_gain --runs runs/pocket --count 48
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from benchmarks.common.arguments import make_parser
from benchmarks.common.report import describe_machine, make_table, write_report
from receiver.metrics.names import MEASURES, PERCEPTUAL
from receiver.metrics.reporter import Measures
from receiver.pocket.config import weights_folder
from receiver.pocket.networks import RESTORER_NOISE
from receiver.pocket.refiner import Refiner
from receiver.pocket.sizes import quarter_size
from receiver.pocket.texture_codes import CODEBOOK, Codebook, TextureEnergy
from receiver.pocket.weights import load_networks
from shared.hci.stream import decode_hci, encode_hci, upsample
from shared.picture import load_picture
from shared.pixels import to_pixels, to_tensor
from shared.residual.stream import CODES, STRIDE, encode_residual
from shared.torch_devices import select_device
from training.data import REPOSITORY, TRAIN, VALIDATION_FILE, read_pictures
from training.loop import load_trained_weights
from training.pocket.pairs import SIDE
from training.pocket.refiner import refine_crop

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from receiver.pocket.rrdbnet import RRDBNet

SHOWN = (*PERCEPTUAL, "psnr_db", "class_kl")
LEAST_DEVIATION = 15
"""Crops of a smaller standard deviation show hardly anything."""
ENTRY_BYTES = 2
"""Tag and length of the tokens in the container."""


def main() -> None:
    parser = make_parser(__doc__, "token-gain.md")
    parser.add_argument("--runs", type=Path, default=REPOSITORY / "runs" / "pocket", help="folder of the training run")
    parser.add_argument("--count", type=int, default=48, help="crops")
    parser.add_argument("--bpp", type=float, default=0.022)
    parser.add_argument("--data", type=Path, default=TRAIN, help="folder of val.parquet")
    options = parser.parse_args()
    checkpoint = options.runs / "refiner" / "checkpoint.pt"
    refiner = _load_refiner(checkpoint)
    restorer = load_networks(weights_folder(), select_device("cpu"), torch.float32).restorer
    codebook, energy, measures = Codebook.load(options.runs / CODEBOOK), TextureEnergy(), Measures(SHOWN)
    rows: dict[str, list[dict[str, float]]] = {}
    for index, crop in enumerate(_crops(options.data, options.count)):
        picture = to_tensor(crop)[None]
        reference = measures.reference(crop)
        base, base_bytes = _restore(restorer, crop, int(options.bpp * SIDE**2 / 8), index)
        difference = (energy(picture) - energy(base)).permute(0, 2, 3, 1).numpy()
        codes = torch.from_numpy(codebook.assign(difference).astype(np.int64))
        none = torch.full_like(codes, -1)
        token_bytes = ENTRY_BYTES + sum(map(len, encode_residual(codes[0].numpy().astype(np.uint8))))
        finer, finer_bytes = _restore(restorer, crop, base_bytes + token_bytes, index)
        made = {
            "restored": (base, base_bytes),
            "refined, no tokens": (refine_crop(refiner, base, none, index), base_bytes),
            "refined, tokens": (refine_crop(refiner, base, codes, index), base_bytes + token_bytes),
            "restored, finer HCI": (finer, finer_bytes),
            "refined, no tokens, finer HCI": (refine_crop(refiner, finer, none, index), finer_bytes),
        }
        for name, (result, size) in made.items():
            found = measures.compare(to_pixels(result[0], grey=False), reference)
            values = {measure: float(found[measure] or 0) for measure in SHOWN}
            rows.setdefault(name, []).append({"bpp": 8 * size / SIDE**2, **values})
        print(f"{index + 1} of {options.count}", flush=True)
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    write_report(make_page(rows, options.count, state["step"], state["minutes"]), options.out)


def _load_refiner(checkpoint: Path) -> Refiner:
    weights = load_trained_weights(checkpoint)
    refiner = Refiner()
    refiner.load_state_dict(
        {name.removeprefix("refiner."): value for name, value in weights.items() if name.startswith("refiner.")}
    )
    return refiner.eval()


def _crops(data: Path, count: int) -> list[NDArray[np.uint8]]:
    found = []
    for payload in read_pictures(data / VALIDATION_FILE):
        pixels = load_picture(payload).pixels
        if min(pixels.shape[:2]) >= SIDE and pixels.std() >= LEAST_DEVIATION:
            found.append(np.ascontiguousarray(pixels[:SIDE, :SIDE]))
        if len(found) == count:
            break
    return found


@torch.inference_mode()
def _restore(restorer: RRDBNet, crop: NDArray[np.uint8], max_bytes: int, seed: int) -> tuple[Tensor, int]:
    """Return ``crop`` ``[1, 3, 224, 224]`` as restored from an HCI within ``max_bytes``, and the HCI's bytes."""
    payload = encode_hci(crop, max_bytes)
    quarter = to_tensor(upsample(decode_hci(payload, SIDE, SIDE).pixels, *quarter_size(SIDE, SIDE)))[None]
    noise = torch.randn(quarter.shape, generator=torch.Generator().manual_seed(seed))
    return restorer(quarter + RESTORER_NOISE * noise).float().clamp(0, 1), len(payload)


def make_page(rows: dict[str, list[dict[str, float]]], count: int, step: int, minutes: float) -> str:
    """Return the table of means with what it is, and the gains over the refiner without tokens."""
    means = {
        name: {measure: float(np.mean([row[measure] for row in found])) for measure in ("bpp", *SHOWN)}
        for name, found in rows.items()
    }
    start = means["refined, no tokens"]
    lines = [
        [name, f"{values['bpp']:.4f}", *(f"{values[measure]:.4f}" for measure in SHOWN)]
        for name, values in means.items()
    ]
    gains = [
        [name, *(f"{100 * (means[name][measure] / start[measure] - 1):+.1f} %" for measure in PERCEPTUAL)]
        for name in ("refined, tokens", "refined, no tokens, finer HCI")
    ]
    return (
        "# What tokens gain, and what the same bytes gain in the HCI\n\n"
        f"`python -m benchmarks.decoder.token_gain --count {count}` on {describe_machine()}: {count} crops of\n"
        "224×224 pixels that nothing was trained on. The refiner had "
        f"{step} steps, {minutes:.0f} minutes of training.\n"
        f"A token is one of {CODES} codes for {STRIDE}×{STRIDE} pixels; "
        f"bytes are those of the coded tokens and {ENTRY_BYTES} in the container.\n\n"
        + make_table(["decoder", "bpp", *(MEASURES[name].heading for name in SHOWN)], lines)
        + "\n\nOver the refiner without tokens (less is better):\n\n"
        + make_table(["", *(MEASURES[name].heading for name in PERCEPTUAL)], gains)
    )


if __name__ == "__main__":
    main()
