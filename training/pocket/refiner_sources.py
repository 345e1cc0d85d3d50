"""What the refiner's crops have beside restored picture and codes, computed once per pair and cached.

Seconds per pair are in training/README.md; the restorer takes nearly all of them.
"""

from __future__ import annotations

import hashlib
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from receiver.concealment import fill_lost
from receiver.pocket.conditioning import LATENT_FACTOR
from receiver.pocket.fallback import fallback_image, smooth
from receiver.pocket.prompt import Prompt
from sender.extractors.latent_selection import luminance, ssim_scores
from shared.hci.stream import downsample, upsample
from shared.latent.layout import LATENT_CHANNELS
from shared.tokens.stream import TokenKind
from training.pocket.pairs import to_batch
from training.pocket.precomputed import Source, complete
from training.pocket.refiner_pairs import RefinerPairs
from training.pocket.restored import digest_weights, prepare_restored, restore, to_bytes
from training.pocket.stream_subsets import draw_channels, draw_words, lose_cells

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from receiver.pocket.networks import PocketNetworks
    from training.pocket.pairs import Pairs

    Columns = dict[str, NDArray[Any]]

STREAM_COLUMNS = ("caption", "captioned", "latent", "region", "region_mask", "pseudo_words")
SLICED_COLUMNS = ("sliced", "sliced_received")
FALLBACK_COLUMNS = ("fallback", "layout", "fallback_channels", "fallback_words")
WITH_BASE = 0.75
"""Share of the HCIs in slices that have a base, the very small picture that fills lost slices."""
BASE_SCALE, BASE_LEVELS = 32, 8
"""The base stands for one of some 50 bytes: a picture at 1/32 in steps of 8 levels."""


def prepare_refiner_pairs(
    networks: PocketNetworks, streams: Sequence[Source], pairs: Pairs, folder: Path, codebook: Path, stride: int
) -> RefinerPairs:
    """Return ``pairs`` with all streams; what ``folder`` holds of them is kept, what is missing is computed.

    ``streams`` make ``STREAM_COLUMNS``. Every ``stride``-th pair gets a fallback image, and as many lose slices.

    Raises:
        SetupError: the codebook is damaged.
    """
    restored, codes = prepare_restored(networks.restorer, pairs, folder, codebook)
    for source in streams:
        complete(source, pairs, folder)
    columns = _load(folder, STREAM_COLUMNS)
    complete(_make_rank_source(columns["latent"]), pairs, folder)
    columns |= _load(folder, ("rank",))
    complete(_make_fallback_source(networks, columns, stride), pairs[::stride], folder)
    complete(_make_slices_source(networks), pairs[stride // 2 :: stride], folder)
    columns |= _load(folder, FALLBACK_COLUMNS + SLICED_COLUMNS)
    return RefinerPairs(picture=pairs.pictures, restored=restored, codes=codes, **columns, stride=stride)


def _load(folder: Path, names: Sequence[str]) -> Columns:
    return {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in names}


def _digest_rows(name: str, *columns: NDArray[Any]) -> str:
    """Return a digest of the first rows of ``columns``, from which others follow."""
    digest = hashlib.sha256(name.encode())
    for column in columns:
        digest.update(np.ascontiguousarray(column[: min(8, len(column))]).tobytes())
    return digest.hexdigest()


def _make_rank_source(latent: NDArray[np.float16]) -> Source:
    """Return the source of each channel's place in the order of the sender's choice, ``[N, 32]``."""

    @torch.inference_mode()
    def make(pairs: Pairs, first: int) -> Columns:
        channels = torch.from_numpy(np.array(latent[first : first + len(pairs)])).float()
        picture = to_batch((pairs.pictures, pairs.quarters))["picture"]
        order = ssim_scores(channels, luminance(picture)).argsort(1, descending=True)
        return {"rank": order.argsort(1).byte().numpy()}

    return Source("rank", _digest_rows("rank", latent), make)


def _make_slices_source(networks: PocketNetworks) -> Source:
    """Return the source of pictures restored from HCIs whose lost slices were filled as the receiver fills them."""

    def make(pairs: Pairs, first: int) -> Columns:
        filled, received = [], []
        for row in range(len(pairs)):
            rng = np.random.default_rng((first + row, 1))
            quarter = np.asarray(pairs.quarters[row])
            kept = lose_cells(rng, len(quarter))
            under = _base_of(pairs.pictures[row], len(quarter)) if rng.random() < WITH_BASE else None
            filled.append(fill_lost(quarter, kept, under))
            received.append(kept.astype(np.uint8))
        quarters = to_batch((np.stack(filled), np.stack(filled)))["quarter"]
        return {"sliced": restore(networks.restorer, quarters, first), "sliced_received": np.stack(received)}

    return Source("slices", digest_weights(b"slices 1", networks.restorer), make)


def _base_of(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Return a very small picture of ``picture`` at ``side`` × ``side``."""
    coarse = downsample(np.asarray(picture), BASE_SCALE) // BASE_LEVELS * BASE_LEVELS + BASE_LEVELS // 2
    return upsample(coarse.astype(np.uint8), side, side)


def _make_fallback_source(networks: PocketNetworks, columns: Columns, stride: int) -> Source:
    """Return the source of fallback images, of streams that are drawn per pair. ``columns`` are those of all pairs."""
    weights = digest_weights(b"fallback 1", networks.restorer, networks.fallback, networks.synthesis)
    inputs = [columns[name] for name in (*STREAM_COLUMNS, "rank")]
    return Source("fallback", _digest_rows(weights, *inputs), partial(_make_fallback, networks, columns, stride))


@torch.inference_mode()
def _make_fallback(networks: PocketNetworks, columns: Columns, stride: int, pairs: Pairs, first: int) -> Columns:
    rows = stride * np.arange(first, first + len(pairs))
    channels, words = [], []
    for row in rows:
        rng = np.random.default_rng((int(row), 2))
        channels.append(draw_channels(rng, columns["rank"][row]))
        drawn = draw_words(rng)
        words.append((drawn.caption, drawn.pseudo_words, drawn.regions))
    made = {"fallback_channels": np.stack(channels), "fallback_words": np.array(words, np.uint8)}
    part = {name: torch.from_numpy(columns[name][rows]).float() for name in STREAM_COLUMNS}
    given = torch.from_numpy(made["fallback_words"]).float()
    received = torch.from_numpy(made["fallback_channels"]).float()
    with_channels = _draw_fallback(networks, part, given, received)
    without = _draw_fallback(networks, part, given, torch.zeros(len(rows), LATENT_CHANNELS))
    return made | {"fallback": restore(networks.restorer, with_channels, first), "layout": to_bytes(without)}


def _draw_fallback(networks: PocketNetworks, part: dict[str, Tensor], words: Tensor, received: Tensor) -> Tensor:
    """Return the fallback images ``[B, 3, 56, 56]``, 0 to 1, as the receiver draws them."""
    caption, count, regions = words.T[..., None]
    named = part["region_mask"].flatten(2).any(2).float()
    counted = (torch.arange(part["pseudo_words"].shape[1]) < count).float()
    given = torch.cat([torch.ones_like(count), part["captioned"] * caption, counted, named * regions], 1)
    kinds = torch.full((len(words),), int(TokenKind.SPW))
    prompt = Prompt(part["caption"], part["pseudo_words"], kinds, part["region"], given)
    masks = part["region_mask"] * regions[..., None, None]
    latent = part["latent"] / LATENT_FACTOR
    layout = networks.fallback.lay_out_prompt(prompt, masks, *latent.shape[2:])
    return smooth(fallback_image(networks.synthesis, networks.fallback, latent, received, layout)).clamp(0, 1)
