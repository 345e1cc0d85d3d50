"""Outputs of the frozen networks for every training pair, computed once and cached.

Token networks and fallback synthesis are small compared with the image features; without those in the loop, a step
takes a hundredth of the time.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from training.pocket.pairs import Pairs

CHUNK = 8


@dataclass(frozen=True)
class Precomputed:
    """Memory-mapped arrays over N pairs of crops of 224×224 pixels."""

    picture: NDArray[np.uint8]
    """``[N, 224, 224, 3]``"""
    seen: NDArray[np.float16]
    """``[N, 64, 1280]``: image features of the picture."""
    seen_hci: NDArray[np.float16]
    """``[N, 64, 1280]``: image features of the up-sampled HCI."""
    caption: NDArray[np.float16]
    """``[N, 24, 384]``"""
    captioned: NDArray[np.uint8]
    """``[N, 24]``: 1 where the caption has a word."""
    latent: NDArray[np.float16]
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
        made["picture"] = made["picture"].permute(0, 3, 1, 2) / 255
        return made


@dataclass(frozen=True)
class Source:
    """Computes some columns for given pairs; ``fingerprint`` changes if it would compute other values."""

    name: str
    fingerprint: str
    make: Callable[[Pairs, int], Mapping[str, NDArray[Any]]]
    """From pairs and the index of the first of them, columns by name."""


def prepare_precomputed(sources: Sequence[Source], pairs: Pairs, folder: Path, count: int) -> Precomputed:
    """Return what ``sources`` compute for the first ``count`` pairs; an interrupted run continues at the first gap."""
    pairs = pairs[: min(count, len(pairs))]
    folder.mkdir(parents=True, exist_ok=True)
    for source in sources:
        complete(source, pairs, folder)
    names = [field.name for field in fields(Precomputed) if field.name != "picture"]
    return Precomputed(pairs.pictures, **{name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in names})


def complete(source: Source, pairs: Pairs, folder: Path) -> None:
    """Compute the columns of ``source`` for ``pairs`` into ``folder``, from the first row that is missing.

    Rows of an earlier run stay if its pairs are the first of ``pairs``.
    """
    progress = folder / f"{source.name}.json"
    done = _count_done(progress, source, pairs)
    said = {"of": source.fingerprint, "pairs": _compute_digest(pairs), "count": len(pairs)}
    while done < len(pairs):
        rows = slice(done, min(done + CHUNK, len(pairs)))
        for name, values in source.make(pairs[rows], rows.start).items():
            column = _open_column(folder / f"{name}.npy", done, values.dtype, (len(pairs), *values.shape[1:]))
            column[rows] = values
        done = rows.stop
        progress.write_text(json.dumps({**said, "done": done}))


def _count_done(progress: Path, source: Source, pairs: Pairs) -> int:
    known = json.loads(progress.read_text()) if progress.exists() else {}
    first = pairs[: known.get("count", 0)]
    same = known.items() >= {"of": source.fingerprint, "pairs": _compute_digest(first), "count": len(first)}.items()
    return int(known["done"]) if same else 0


def _open_column(path: Path, done: int, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Return the column at ``path``, with its first ``done`` rows; a shorter one is made longer."""
    if done and len(known := np.load(path, mmap_mode="r")) == shape[0]:
        return np.lib.format.open_memmap(path, "r+")
    longer = path.with_suffix(".new.npy")
    column = np.lib.format.open_memmap(longer, "w+", dtype, shape)
    if done:
        column[:done] = known[:done]
    longer.replace(path)
    return column


def _compute_digest(pairs: Pairs) -> str:
    """Return a digest of eight of the pairs and of all captions, to recognise them by."""
    digest = hashlib.sha256("\n".join(pairs.captions).encode())
    for index in range(0, len(pairs), max(1, -(-len(pairs) // 8))):
        digest.update(pairs.pictures[index].tobytes() + pairs.quarters[index].tobytes())
    return digest.hexdigest()
