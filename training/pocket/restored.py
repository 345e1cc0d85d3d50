"""Stage (a) of the refiner: restored pictures and the first codes of every training pair, computed once and cached.

The restorer costs ten times what the refiner does; without it in the loop, training is about four times cheaper.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from receiver.pocket.devices import autocast
from receiver.pocket.networks import RESTORER_NOISE
from receiver.pocket.refiner import CODE_STRIDE
from training.pocket.pairs import SIDE, to_batch
from training.pocket.precomputed import Source, complete
from training.pocket.residual_codes import Codebook, TextureEnergy, fit_codebook

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from receiver.pocket.rrdbnet import RRDBNet
    from training.pocket.pairs import Pairs

CODEBOOK = "codebook.npz"


@dataclass(frozen=True)
class RestoredPairs:
    """N crops: ``picture`` and ``restored`` uint8 ``[N, 224, 224, 3]``, ``codes`` uint8 ``[N, 7, 7]``."""

    picture: NDArray[np.uint8]
    restored: NDArray[np.uint8]
    codes: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.restored)

    def draw(self, rng: np.random.Generator, count: int, side: int) -> dict[str, Tensor]:
        """Return random crops ``[B, 3, side, side]``, 0 to 1, and their codes ``[B, side / 32, side / 32]`` int64.

        Crops start at multiples of 32, as the codes do; half of them are mirrored.
        """
        rows = {"picture": [], "restored": [], "codes": []}  # type: dict[str, list[NDArray[np.uint8]]]
        for index in rng.integers(len(self), size=count):
            top, left = (int(start) for start in rng.integers((SIDE - side) // CODE_STRIDE + 1, size=2))
            turn = slice(None, None, -1) if rng.random() < 0.5 else slice(None)
            for name, scale in (("picture", CODE_STRIDE), ("restored", CODE_STRIDE), ("codes", 1)):
                length = side * scale // CODE_STRIDE
                y, x = top * scale, left * scale
                rows[name].append(getattr(self, name)[index, y : y + length, x : x + length][:, turn])
        return {
            "codes": torch.from_numpy(np.stack(rows["codes"]).astype(np.int64)),
            **{name: _to_pictures(np.stack(rows[name])) for name in ("picture", "restored")},
        }

    def whole(self, index: int) -> dict[str, Tensor]:
        """Return the pair ``index`` as ``draw`` does, whole."""
        return {
            "codes": torch.from_numpy(self.codes[index : index + 1].astype(np.int64)),
            "picture": _to_pictures(np.asarray(self.picture[index : index + 1])),
            "restored": _to_pictures(np.asarray(self.restored[index : index + 1])),
        }


def _to_pictures(pixels: NDArray[np.uint8]) -> Tensor:
    pictures: Tensor = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    return pictures


def prepare_restored(restorer: RRDBNet, pairs: Pairs, folder: Path, count: int, codebook: Path) -> RestoredPairs:
    """Return the first ``count`` pairs restored, with their codes; an interrupted run continues at the first gap.

    The codebook at ``codebook`` is fitted to these pairs if it is not there.

    Raises:
        SetupError: the codebook is damaged.
    """
    pairs = pairs[: min(count, len(pairs))]
    folder.mkdir(parents=True, exist_ok=True)
    complete(_make_restorer_source(restorer), pairs, folder)
    restored = np.load(folder / "restored.npy", mmap_mode="r")
    complete(_make_energy_source(restored), pairs, folder)
    differences = np.load(folder / "energy.npy", mmap_mode="r")
    if not codebook.exists():
        fit_codebook(np.asarray(differences, np.float32).reshape(-1, differences.shape[-1])).save(codebook)
    codes = Codebook.load(codebook).assign(np.asarray(differences, np.float32))
    return RestoredPairs(pairs.pictures, restored, codes)


def _make_restorer_source(restorer: RRDBNet) -> Source:
    digest = hashlib.sha256(b"restored")
    for value in restorer.state_dict().values():
        digest.update(value.half().numpy().tobytes())
    return Source("restorer", digest.hexdigest(), partial(_restore, restorer))


@torch.inference_mode()
def _restore(restorer: RRDBNet, pairs: Pairs, seed: int) -> dict[str, NDArray[Any]]:
    quarter = to_batch((pairs.pictures, pairs.quarters))["quarter"]
    noise = torch.randn(quarter.shape, generator=torch.Generator().manual_seed(seed))
    with autocast(torch.device("cpu")):
        restored = restorer(quarter + RESTORER_NOISE * noise).float().clamp(0, 1)
    return {"restored": (restored * 255).round().byte().permute(0, 2, 3, 1).numpy()}


def _make_energy_source(restored: NDArray[np.uint8]) -> Source:
    """Return the source of the differences of texture energies, picture minus restored, ``[N, 7, 7, F]``."""
    energy = TextureEnergy()

    def compare(pairs: Pairs, first: int) -> dict[str, NDArray[Any]]:
        pictures = _to_pictures(np.asarray(pairs.pictures))
        difference = energy(pictures) - energy(_to_pictures(np.asarray(restored[first : first + len(pairs)])))
        return {"energy": difference.permute(0, 2, 3, 1).half().numpy()}

    return Source("energy", hashlib.sha256(restored[: min(8, len(restored))].tobytes()).hexdigest(), compare)
