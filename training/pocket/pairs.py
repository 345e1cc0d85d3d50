"""Training pairs: a crop, and the decoded highly compressed image (HCI) of it that the restorer gets.

Every crop is coded by the real HCI codec, at a scale and quality that the sender chooses for a budget drawn
log-uniformly between ``BPP``, so that the decoder is trained on the artefacts of the link.
"""

from __future__ import annotations

import json
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

from receiver.pocket.sizes import quarter_size
from shared.errors import SetupError
from shared.hci.rate_table import best_scale
from shared.hci.stream import decode_hci, encode_hci, encode_hci_at, get_coder, upsample
from training.cache import RECORD, is_cached, write_json, write_whole
from training.data import TRAINING_FILES
from training.pocket.pictures import read_training_pictures

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from concurrent.futures import Future
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    Job = tuple[NDArray[np.uint8], list["SenderChoice"], tuple[int, int]]

SIDE = 224
"""Side of a crop, the largest that every training picture has."""
BPP = (0.004, 0.04)
LEARNED_SHARE = 0.1
RATES, PICTURES_PER_RATE, FULL_SIDE = 9, 6, 320
FULL_ENLARGEMENT = 2.0
"""Pictures of the size that users send show objects with more pixels, so their HCIs are better at the same bpp."""
RECIPE = 2
"""Raise it when this file makes other pairs of the same pictures."""
HELD_OUT_EVERY = 16
"""Without a validation file, one picture in this many is held out, beginning with the second."""
AHEAD = 16
"""Crops that wait per worker; each holds its whole picture."""
ENLARGED_SHARE, LARGEST_ENLARGEMENT = 0.5, 1.6
"""Crops of small pictures are sharper per pixel than those of large photographs; some are enlarged, to be as soft."""


@dataclass(frozen=True)
class Pairs:
    """``pictures`` ``[N, 224, 224, 3]`` and ``quarters`` ``[N, 56, 56, 3]``, the HCI at quarter size; both uint8.

    ``captions`` are those of the whole pictures, "" where there is none.
    """

    pictures: NDArray[np.uint8]
    quarters: NDArray[np.uint8]
    captions: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, rows: slice) -> Pairs:
        return Pairs(self.pictures[rows], self.quarters[rows], self.captions[rows])

    def crops(self, rng: np.random.Generator, count: int, side: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return ``[count, side, side, 3]`` crops and their quarters ``[count, side / 4, side / 4, 3]``, some mirrored.

        ``side`` is a multiple of 4.
        """
        pictures = np.empty((count, side, side, 3), np.uint8)
        quarters = np.empty((count, side // 4, side // 4, 3), np.uint8)
        for row in range(count):
            # The better HCI of two: HCIs of large pictures are nearer to them than those of small crops.
            index = min(rng.integers(len(self), size=2), key=self._distance)
            top, left = (int(value) for value in rng.integers((SIDE - side) // 4 + 1, size=2))
            picture = self.pictures[index, 4 * top : 4 * top + side, 4 * left : 4 * left + side]
            quarter = self.quarters[index, top : top + side // 4, left : left + side // 4]
            step = -1 if rng.random() < 0.5 else 1
            pictures[row], quarters[row] = picture[:, ::step], quarter[:, ::step]
        return pictures, quarters

    def _distance(self, index: int) -> float:
        """Return how far the HCI of one pair is from its picture."""
        sampled = self.pictures[index, 2::4, 2::4].astype(np.int16)
        return float(np.abs(sampled - self.quarters[index]).mean())


def to_batch(pairs: tuple[NDArray[np.uint8], NDArray[np.uint8]]) -> dict[str, Tensor]:
    """Return pictures ``[B, 3, H, W]`` and quarters ``[B, 3, H / 4, W / 4]``, 0 to 1."""
    return {
        name: torch.from_numpy(np.array(values)).permute(0, 3, 1, 2).float() / 255
        for name, values in zip(("picture", "quarter"), pairs, strict=True)
    }


@dataclass(frozen=True)
class SenderChoice:
    """Coder, scale and quality that the sender chose for one picture at one rate."""

    bpp: float
    coder: str
    scale: int
    quality: int


def collect_sender_choices(data: Path, pattern: str) -> list[SenderChoice]:
    """Return what the sender chooses at ``RATES`` rates on pictures of at least ``FULL_SIDE`` pixels a side."""
    large = (picture for picture, _ in read_training_pictures(data, pattern) if min(picture.shape[:2]) >= FULL_SIDE)
    chosen = []
    for index, small in enumerate(islice(large, PICTURES_PER_RATE)):
        picture = _enlarge(small, FULL_ENLARGEMENT) if index % 2 else small
        for bpp in np.geomspace(*BPP, RATES):
            for coder in ("av1", "learned"):
                height, width = picture.shape[:2]
                payload = encode_hci(picture, int(bpp * height * width / 8), coder=coder)
                scale = decode_hci(payload, width, height).scale
                quality = payload[1] if coder == "learned" else _av1_quality(payload)
                if scale == best_scale(coder, bpp):
                    chosen.append(SenderChoice(float(bpp), coder, scale, quality))
    return chosen


def _av1_quality(payload: bytes) -> int:
    """Return the quality that an ``av1`` HCI payload of a colour picture was coded with (``docs/hci.md``)."""
    chroma, quantizer = payload[1] >> 7, payload[1] >> 1 & 63
    return 2 * (63 - quantizer) + chroma


def prepare_choices(data: Path, path: Path) -> list[SenderChoice]:
    """Return the sender's choices on the training pictures in ``data``, made once and cached at ``path``.

    Raises:
        SetupError: no picture is large enough for the sender to choose as it does on full pictures, or the
            cached choices were made of other pictures.
    """
    of = {"data": str(data.resolve()), "recipe": RECIPE}
    if not is_cached(path, of):
        choices = collect_sender_choices(data, TRAINING_FILES)
        if not choices:
            raise SetupError(f"no picture of at least {FULL_SIDE}x{FULL_SIDE} pixels in {data}: add larger ones")
        write_json(path, {"of": of, "choices": [vars(choice) for choice in choices]})
    return [SenderChoice(**values) for values in json.loads(path.read_text())["choices"]]


def prepare_pairs(
    data: Path,
    cache: Path,
    choices: list[SenderChoice],
    *,
    count: int,
    pattern: str = TRAINING_FILES,
    seed: int = 1,
    workers: int = 1,
    held_out: bool | None = None,
) -> Pairs:
    """Return ``count`` pairs (fewer if there are not as many pictures), making the files in ``cache`` once.

    A picture gives as many crops as its area allows; each is coded as one of ``choices``, drawn at random.
    ``held_out``: True takes the pictures that are held out, False all others, None all.

    Raises:
        SetupError: ``data`` holds no pictures that are large enough, or the cache was made of other pictures.
    """
    paths = cache / "pictures.npy", cache / "quarters.npy"
    words = cache / "captions.json"
    of = {"data": str(data.resolve()), "files": pattern, "held_out": held_out, "count": count, "seed": seed}
    of["recipe"] = RECIPE
    if not is_cached(cache / RECORD, of):
        captions = []

        def jobs() -> Iterator[Job]:
            crops = islice(_cut_crops(data, pattern, held_out=held_out), count)
            for index, (picture, caption) in enumerate(crops):
                captions.append(caption)
                yield picture, choices, (seed, index)

        made = list(_code_pairs(jobs(), workers))
        if not made:
            raise SetupError(
                f"too few pictures of at least {SIDE}x{SIDE} pixels in {data}: add some, or name a folder with --data; "
                "2 are needed, one to train on and one to validate with"
            )
        for path, column in zip(paths, zip(*made, strict=True), strict=True):
            write_whole(path, partial(np.save, arr=np.stack(column)))
        write_json(words, captions)
        write_json(cache / RECORD, {"of": of})
    pictures, quarters = (np.load(path, mmap_mode="r") for path in paths)
    return Pairs(pictures, quarters, tuple(json.loads(words.read_text())))


def _cut_crops(data: Path, pattern: str, *, held_out: bool | None) -> Iterator[tuple[NDArray[np.uint8], str]]:
    """Yield each picture that is large enough, with its caption, once for each crop of it."""
    large = (found for found in read_training_pictures(data, pattern) if min(found[0].shape[:2]) >= SIDE)
    for index, (picture, caption) in enumerate(large):
        if held_out is None or held_out == (index % HELD_OUT_EVERY == 1):
            for _ in range(picture.shape[0] * picture.shape[1] // SIDE**2):
                yield picture, caption


def _code_pairs(jobs: Iterable[Job], workers: int) -> Iterator[tuple[NDArray[np.uint8], ...]]:
    """Yield the pairs of ``jobs`` in order, made by ``workers`` processes; only a few jobs wait at a time."""
    with ProcessPoolExecutor(workers) as pool:
        waiting: deque[Future[tuple[NDArray[np.uint8], ...]]] = deque()
        for job in jobs:
            waiting.append(pool.submit(_code_pair, job))
            if len(waiting) > AHEAD * workers:
                yield waiting.popleft().result()
        yield from (future.result() for future in waiting)


def _code_pair(job: Job) -> tuple[NDArray[np.uint8], ...]:
    picture, choices, seed = job
    rng = np.random.default_rng(seed)
    if rng.random() < ENLARGED_SHARE:
        picture = _enlarge(picture, float(rng.uniform(1, LARGEST_ENLARGEMENT)))
    top, left = (int(rng.integers(side - SIDE + 1)) for side in picture.shape[:2])
    crop = picture[top : top + SIDE, left : left + SIDE]
    coder = "learned" if rng.random() < LEARNED_SHARE else "av1"
    of_coder = [choice for choice in choices if choice.coder == coder] or choices
    # The higher rate of two draws: from an HCI that lost everything nothing can be learned.
    choice = max((of_coder[int(rng.integers(len(of_coder)))] for _ in range(2)), key=lambda one: one.bpp)
    qualities = get_coder(choice.coder).qualities
    quality = int(np.clip(choice.quality + rng.integers(-3, 4), 0, qualities[-1]))
    payload = encode_hci_at(crop, choice.coder, choice.scale, quality)
    small = decode_hci(payload, SIDE, SIDE).pixels
    return crop, upsample(small, *quarter_size(SIDE, SIDE))


def _enlarge(picture: NDArray[np.uint8], factor: float) -> NDArray[np.uint8]:
    height, width = picture.shape[:2]
    size = round(width * factor), round(height * factor)
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))
