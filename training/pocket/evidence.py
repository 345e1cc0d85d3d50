"""What the frozen parts of the link make of every training pair, computed once and kept.

The flow and the token networks are small beside restorer, autoencoder and image features; with those out of the loop, a
step takes a hundredth of the time.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from receiver.pocket.networks import LATENT_CHANNELS, PLANES, RESTORER_NOISE, TEXT_WIDTH, encoded
from receiver.pocket.sizes import LATENT_SCALE
from receiver.pocket.words import REGION_MASKS
from training.pocket.pairs import SIDE, batch_of

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from receiver.pocket.networks import PocketNetworks
    from training.pocket.pairs import Pairs
    from training.pocket.senders import Senders

CAPTION_WORDS = 24
"""Of a caption's vectors, at most, in training."""
CHUNK = 8


@dataclass(frozen=True)
class Evidence:
    """Memory-mapped arrays over N pairs. Crops are 224×224, latents 28×28."""

    picture: NDArray[np.uint8]
    """``[N, 224, 224, 3]``"""
    restored: NDArray[np.uint8]
    """``[N, 224, 224, 3]``: what the restorer makes of the HCI."""
    start: NDArray[np.float16]
    """``[N, 16, 28, 28]``: latent of the restored HCI."""
    end: NDArray[np.float16]
    """``[N, 16, 28, 28]``: latent of the picture."""
    seen: NDArray[np.float16]
    """``[N, 64, 1280]``: image features of the picture."""
    seen_hci: NDArray[np.float16]
    """``[N, 64, 1280]``: image features of the up-sampled HCI."""
    caption: NDArray[np.float16]
    """``[N, 24, 384]``"""
    captioned: NDArray[np.uint8]
    """``[N, 24]``: 1 where the caption has a word."""
    planes: NDArray[np.float16]
    """``[N, 32, 14, 14]``: the latent stream's, all channels."""
    region: NDArray[np.float16]
    """``[N, 3, 384]``"""
    region_mask: NDArray[np.uint8]
    """``[N, 3, 8, 8]``; empty where there is no such region."""

    def __len__(self) -> int:
        return len(self.picture)

    def rows(self, indices: NDArray[np.int64]) -> dict[str, Tensor]:
        """Return the rows ``indices`` as float32 tensors; pictures are ``[B, 3, 224, 224]``, 0 to 1."""
        made = {field.name: torch.from_numpy(getattr(self, field.name)[indices]).float() for field in fields(self)}
        for name in ("picture", "restored"):
            made[name] = made[name].permute(0, 3, 1, 2) / 255
        return made


def prepared_evidence(networks: PocketNetworks, senders: Senders, pairs: Pairs, folder: Path, count: int) -> Evidence:
    """Return what ``networks`` and ``senders`` make of the first ``count`` pairs; a killed run goes on where it was."""
    count = min(count, len(pairs))
    side, latent, places = SIDE, SIDE // LATENT_SCALE, SIDE // 16
    shapes: dict[str, tuple[type, tuple[int, ...]]] = {
        "picture": (np.uint8, (side, side, 3)),
        "restored": (np.uint8, (side, side, 3)),
        "start": (np.float16, (LATENT_CHANNELS, latent, latent)),
        "end": (np.float16, (LATENT_CHANNELS, latent, latent)),
        "seen": (np.float16, (senders.places, senders.features)),
        "seen_hci": (np.float16, (senders.places, senders.features)),
        "caption": (np.float16, (CAPTION_WORDS, TEXT_WIDTH)),
        "captioned": (np.uint8, (CAPTION_WORDS,)),
        "planes": (np.float16, (PLANES, places, places)),
        "region": (np.float16, (REGION_MASKS, TEXT_WIDTH)),
        "region_mask": (np.uint8, (REGION_MASKS, 8, 8)),
    }
    folder.mkdir(parents=True, exist_ok=True)
    progress = folder / f"done-{count}"
    done = int(progress.read_text()) if progress.exists() else 0
    arrays = {
        name: np.lib.format.open_memmap(folder / f"{name}.npy", "r+" if done else "w+", kind, (count, *shape))
        for name, (kind, shape) in shapes.items()
    }
    while done < count:
        rows = slice(done, min(done + CHUNK, count))
        part = pairs[rows]
        made = _of_networks(networks, part, rows.start) | senders.seen_by(part)
        for name, values in made.items():
            arrays[name][rows] = values
        done = rows.stop
        progress.write_text(str(done))
    return Evidence(**arrays)


@torch.inference_mode()
def _of_networks(networks: PocketNetworks, pairs: Pairs, seed: int) -> dict[str, NDArray[np.generic]]:
    """Return what restorer and autoencoder make of ``pairs``."""
    batch = batch_of((pairs.pictures, pairs.quarters))
    noise = torch.randn(batch["quarter"].shape, generator=torch.Generator().manual_seed(seed))
    with torch.autocast("cpu", torch.bfloat16):
        restored = networks.restorer(batch["quarter"] + RESTORER_NOISE * noise).float().clamp(0, 1)
        start, end = (encoded(networks.autoencoder, part).float() for part in (restored, batch["picture"]))
    return {
        "picture": pairs.pictures,
        "restored": (restored * 255).round().byte().permute(0, 2, 3, 1).numpy(),
        "start": start.half().numpy(),
        "end": end.half().numpy(),
    }
