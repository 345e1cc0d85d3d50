"""Measures of the refiner over held-out pairs: without any stream, with each alone, with all, and without an HCI."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from receiver.metrics.names import PERCEPTUAL
from receiver.metrics.perceptual import load_distance
from shared.tokens.stream import MAX_TOKENS
from training.pocket.codebook import entropy_bits
from training.pocket.losses import psnr_db
from training.pocket.stream_subsets import Subset, Words, first_channels
from training.report import draw_grid

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL import Image
    from torch import Tensor

    from training.pocket.refiner_pairs import RefinerPairs

    Rebuild = Callable[[dict[str, Tensor], int], Tensor]

CHANNELS = 4
"""Latent channels of the subsets that have some: the sender's first choices."""
QUICK = "lpips_alex"
"""The only distance of subsets that are not in ``FULL``: VGG16's take longer than the refiner."""
FULL = ("restored_", "bare_", "codes_", "")
SHOWN, SHOWN_PAIRS = ("restored_", "bare_", "codes_", ""), 8


def make_subsets(rank: np.ndarray) -> dict[str, Subset]:
    """Return the validated subsets of a pair by the prefix of their measures; ``rank`` as in ``RefinerPairs``.

    ``bare_`` has the HCI alone, "" all streams. ``sliced_`` has all but some slices of the HCI. Without an HCI,
    ``fallback_`` begins with latent channels and ``layout_`` without; both have words, those with ``_codes_`` codes.
    """
    channels, words = first_channels(rank, CHANNELS), Words(caption=True, pseudo_words=MAX_TOKENS, regions=True)
    return {
        "bare_": Subset(),
        "codes_": Subset(codes=True),
        "caption_": Subset(words=Words(caption=True)),
        "pseudo_words_": Subset(words=Words(pseudo_words=MAX_TOKENS)),
        "regions_": Subset(words=Words(regions=True)),
        "latent_": Subset(channels=channels),
        "": Subset(codes=True, channels=channels, words=words),
        "sliced_": Subset("sliced", codes=True, channels=channels, words=words),
        "fallback_": Subset("fallback"),
        "fallback_codes_": Subset("fallback", codes=True),
        "layout_": Subset("layout"),
        "layout_codes_": Subset("layout", codes=True),
    }


@torch.inference_mode()
def validate(rebuild: Rebuild, pairs: RefinerPairs, device: torch.device) -> tuple[dict[str, float], Image.Image]:
    """Return the mean measures over ``pairs``, and a grid: restored, no streams, codes, all streams, original.

    ``rebuild`` makes a picture of a pair's tensors and a seed.
    ``restored_`` measures are those before the refiner, as are ``sliced_start_``, ``fallback_start_`` and
    ``layout_start_``. ``code_bits`` is the entropy of the codes.
    """
    distances = {name: load_distance(name).to(device) for name in PERCEPTUAL}
    found: dict[str, list[float]] = {}
    shown = []
    for index in range(len(pairs)):
        original = _load(pairs, index, Subset(), device)["picture"]
        references = {name: one.features(original) for name, one in distances.items()}
        pictures = _rebuild_subsets(rebuild, pairs, index, device)
        for prefix, picture in pictures.items():
            for name, one in distances.items():
                if prefix in FULL or name == QUICK:
                    value = float(one.distance(one.features(picture), references[name]).mean())
                    found.setdefault(prefix + name, []).append(value)
            found.setdefault(f"{prefix}psnr_db", []).append(float(psnr_db(picture, original)))
        if index < SHOWN_PAIRS:
            shown.append(torch.cat([*(pictures[prefix] for prefix in SHOWN), original], 3).cpu())
    means = {name: round(float(np.mean(values)), 4) for name, values in found.items()}
    means["code_bits"] = round(entropy_bits(np.asarray(pairs.codes)), 3)
    return means, draw_grid([torch.cat(shown)])


def _rebuild_subsets(rebuild: Rebuild, pairs: RefinerPairs, index: int, device: torch.device) -> dict[str, Tensor]:
    """Return the start of the pair ``index`` and what is rebuilt of it, by the prefix of the measures."""
    pictures: dict[str, Tensor] = {}
    for prefix, subset in make_subsets(pairs.rank[index]).items():
        if index not in pairs.rows_of(subset.start):
            continue
        one = _load(pairs, index, subset, device)
        start = "restored_" if subset.start == "restored" else f"{subset.start}_start_"
        pictures.setdefault(start, one["start"])
        pictures[prefix] = rebuild(one, index)
    return pictures


def _load(pairs: RefinerPairs, index: int, subset: Subset, device: torch.device) -> dict[str, Tensor]:
    return {name: value.to(device) for name, value in pairs.whole(index, subset).items()}
