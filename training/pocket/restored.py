"""Stage (a) of the refiner: restored pictures and the first codes of every training pair, computed once and cached.

The restorer costs ten times what the refiner does; without it in the loop, training is about four times cheaper.
"""

from __future__ import annotations

import hashlib
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from receiver.pocket.devices import autocast
from receiver.pocket.networks import RESTORER_NOISE
from receiver.pocket.texture_codes import Codebook, TextureEnergy
from training.pocket.codebook import fit_codebook
from training.pocket.pairs import to_batch
from training.pocket.precomputed import Source, complete

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from receiver.pocket.rrdbnet import RRDBNet
    from training.pocket.pairs import Pairs


def _to_pictures(pixels: NDArray[np.uint8]) -> Tensor:
    pictures: Tensor = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    return pictures


def prepare_restored(
    restorer: RRDBNet, pairs: Pairs, folder: Path, codebook: Path
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return ``pairs`` restored, ``[N, 224, 224, 3]``, and their codes ``[N, 7, 7]``; what is cached is kept.

    The codebook at ``codebook`` is fitted to these pairs if it is not there.

    Raises:
        SetupError: the codebook is damaged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    complete(_make_restorer_source(restorer), pairs, folder)
    restored = np.load(folder / "restored.npy", mmap_mode="r")
    complete(_make_energy_source(restored), pairs, folder)
    differences = np.load(folder / "energy.npy", mmap_mode="r")
    if not codebook.exists():
        fit_codebook(np.asarray(differences, np.float32).reshape(-1, differences.shape[-1])).save(codebook)
    codes = Codebook.load(codebook).assign(np.asarray(differences, np.float32))
    return restored, codes


def _make_restorer_source(restorer: RRDBNet) -> Source:
    return Source("restorer", digest_weights(b"restored", restorer), partial(_restore, restorer))


def digest_weights(name: bytes, *networks: nn.Module) -> str:
    """Return a digest of ``name`` and the weights of ``networks``."""
    digest = hashlib.sha256(name)
    for network in networks:
        for value in network.state_dict().values():
            digest.update(value.half().numpy().tobytes())
    return digest.hexdigest()


def _restore(restorer: RRDBNet, pairs: Pairs, seed: int) -> dict[str, NDArray[Any]]:
    return {"restored": restore(restorer, to_batch((pairs.pictures, pairs.quarters))["quarter"], seed)}


@torch.inference_mode()
def restore(restorer: RRDBNet, quarter: Tensor, seed: int) -> NDArray[np.uint8]:
    """Return pictures ``[B, 4h, 4w, 3]`` restored from ``quarter`` ``[B, 3, h, w]``, 0 to 1."""
    noise = torch.randn(quarter.shape, generator=torch.Generator().manual_seed(seed))
    with autocast(torch.device("cpu")):
        # One at a time: on a CPU a batch takes longer, because its maps do not fit into the cache.
        restored = torch.cat([restorer(one[None]) for one in quarter + RESTORER_NOISE * noise]).float().clamp(0, 1)
    return to_bytes(restored)


def to_bytes(pictures: Tensor) -> NDArray[np.uint8]:
    """Return ``pictures`` ``[B, 3, H, W]``, 0 to 1, as ``[B, H, W, 3]``."""
    pixels: NDArray[np.uint8] = (pictures * 255).round().byte().permute(0, 2, 3, 1).numpy()
    return pixels


def _make_energy_source(restored: NDArray[np.uint8]) -> Source:
    """Return the source of the differences of texture energies, picture minus restored, ``[N, 7, 7, F]``."""
    energy = TextureEnergy()

    def compare(pairs: Pairs, first: int) -> dict[str, NDArray[Any]]:
        pictures = _to_pictures(np.asarray(pairs.pictures))
        difference = energy(pictures) - energy(_to_pictures(np.asarray(restored[first : first + len(pairs)])))
        return {"energy": difference.permute(0, 2, 3, 1).half().numpy()}

    return Source("energy", hashlib.sha256(restored[: min(8, len(restored))].tobytes()).hexdigest(), compare)
