"""The refiner's training pairs: crops with any subset of their streams, as the receiver would have them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from receiver.pocket.lanczos import resize
from receiver.pocket.refiner import BLOCK, COARSE
from shared.latent.layout import LATENT_CHANNELS
from shared.residual.stream import STRIDE
from training.pocket.pairs import SIDE
from training.pocket.stream_subsets import Start, Subset, Words, draw_start, draw_subset, lose_codes

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor


@dataclass(frozen=True)
class RefinerPairs:
    """N pairs of 224×224 pixels; of S of them, slices of the HCI were lost, and of F there is a fallback image.

    Row r of the columns of fallback images belongs to the pair ``r * stride``, row r of ``sliced`` to the pair
    ``r * stride + stride // 2``: to restore a picture once more takes longer than everything else.
    """

    picture: NDArray[np.uint8]
    """``[N, 224, 224, 3]``"""
    restored: NDArray[np.uint8]
    """``[N, 224, 224, 3]``"""
    codes: NDArray[np.uint8]
    """``[N, 7, 7]``"""
    caption: NDArray[np.float16]
    """``[N, 24, 384]``"""
    captioned: NDArray[np.uint8]
    """``[N, 24]``: 1 where the caption has a word."""
    pseudo_words: NDArray[np.float16]
    """``[N, 64, 3]``"""
    latent: NDArray[np.float16]
    """``[N, 32, 14, 14]``: all channels."""
    rank: NDArray[np.uint8]
    """``[N, 32]``: place of a latent channel in the sender's order."""
    region: NDArray[np.float16]
    """``[N, 3, 384]``: text of the regions."""
    region_mask: NDArray[np.uint8]
    """``[N, 3, 8, 8]``"""
    sliced: NDArray[np.uint8]
    """``[S, 224, 224, 3]``: restored from an HCI whose lost slices were filled."""
    sliced_received: NDArray[np.uint8]
    """``[S, 56, 56]``: 0 where slices were lost."""
    fallback: NDArray[np.uint8]
    """``[F, 224, 224, 3]``: restored from the fallback image."""
    layout: NDArray[np.uint8]
    """``[F, 56, 56, 3]``: the fallback image without latent channels."""
    fallback_channels: NDArray[np.uint8]
    """``[F, 32]``: 1 for the latent channels that ``fallback`` was made of."""
    fallback_words: NDArray[np.uint8]
    """``[F, 3]``: caption or not, number of pseudo-words, regions or not, of ``fallback`` and ``layout``."""
    stride: int

    def __len__(self) -> int:
        return len(self.restored)

    def rows_of(self, start: Start) -> range:
        """Return the pairs that have ``start``."""
        if start == "restored":
            return range(len(self))
        first = self.stride // 2 if start == "sliced" else 0
        return range(first, len(self), self.stride)

    def draw(self, rng: np.random.Generator, count: int, side: int) -> dict[str, Tensor]:
        """Return ``count`` random crops of ``side`` pixels, a multiple of 32, as ``crop`` does, and stack them."""
        return _stack([self._draw_one(rng, side) for _ in range(count)])

    def _draw_one(self, rng: np.random.Generator, side: int) -> dict[str, NDArray[Any]]:
        start = draw_start(rng)
        rows = self.rows_of(start)
        index = rows[int(rng.integers(len(rows)))]
        subset = draw_subset(rng, start, self.rank[index])
        top, left = (int(place) for place in rng.integers((SIDE - side) // STRIDE + 1, size=2))
        cut = self.crop(index, subset, top, left, side)
        cut["codes"] = lose_codes(rng, cut["codes"])
        # A mirrored picture has other latent channels.
        return _mirror(cut) if rng.random() < 0.5 and not cut["received"].any() else cut

    def whole(self, index: int, subset: Subset) -> dict[str, Tensor]:
        """Return the pair ``index`` whole, as a batch of one."""
        return _stack([self.crop(index, subset, 0, 0, SIDE)])

    def crop(self, index: int, subset: Subset, top: int, left: int, side: int) -> dict[str, NDArray[Any]]:
        """Return the crop of ``side`` pixels that begins at row ``top`` and column ``left`` of the grid of codes.

        ``picture`` and ``start`` ``[3, side, side]``, 0 to 1; ``codes`` ``[side / 32, side / 32]``, -1 without codes;
        ``latent`` ``[32, side / 16, side / 16]``, ``received`` ``[32]``; ``regions`` ``[3, side / 4, side / 4]`` and
        ``hci`` ``[1, side / 4, side / 4]``; ``caption`` ``[24, 384]``, ``pseudo_words`` ``[64, 3]``, ``region``
        ``[3, 384]``, and ``given`` ``[92]``: 1 for the prompt tokens that are there.
        """

        def cut(planes: NDArray[Any], stride: int) -> NDArray[Any]:
            """Return this crop of ``planes`` ``[..., 224 / stride, 224 / stride]``."""
            y, x, length = (STRIDE // stride * one for one in (top, left, side // STRIDE))
            return planes[..., y : y + length, x : x + length]

        start, hci, received, words = self._pick_start(index, subset)
        codes = cut(self.codes[index], STRIDE).astype(np.int64)
        mask = self.region_mask[index] * np.uint8(words.regions)
        enlarged = np.kron(mask, np.ones((1, SIDE // BLOCK // mask.shape[1], SIDE // BLOCK // mask.shape[2]), np.uint8))
        return {
            "picture": cut(_planes(self.picture[index]), 1),
            "start": cut(start, 1),
            "codes": codes if subset.codes else np.full_like(codes, -1),
            "latent": cut(self.latent[index], COARSE).astype(np.float32) * received[:, None, None],
            "received": received,
            "regions": cut(enlarged, BLOCK).astype(np.float32),
            "hci": cut(hci, BLOCK).astype(np.float32),
            **self._list_words(index, words),
        }

    def _pick_start(
        self, index: int, subset: Subset
    ) -> tuple[NDArray[np.float32], NDArray[np.uint8], NDArray[np.float32], Words]:
        """Return where the refiner starts, the mask of the HCI, the latent channels received, and the words."""
        row, everywhere = index // self.stride, np.ones((1, SIDE // BLOCK, SIDE // BLOCK), np.uint8)
        none = np.zeros(LATENT_CHANNELS, np.float32)
        if subset.start in ("fallback", "layout"):
            caption, count, regions = (int(one) for one in self.fallback_words[row])
            words = Words(bool(caption), count, bool(regions))
            if subset.start == "fallback":
                return _planes(self.fallback[row]), 0 * everywhere, self.fallback_channels[row].astype("f4"), words
            small = torch.from_numpy(_planes(self.layout[row]))
            return resize(small, SIDE, SIDE).clamp(0, 1).numpy(), 0 * everywhere, none, words
        received = none if subset.channels is None else subset.channels.astype(np.float32)
        if subset.start == "sliced":
            return _planes(self.sliced[row]), self.sliced_received[row][None], received, subset.words
        return _planes(self.restored[index]), everywhere, received, subset.words

    def _list_words(self, index: int, words: Words) -> dict[str, NDArray[Any]]:
        """Return the prompt of a crop before it is embedded; its first token is the null token."""
        named = self.region_mask[index].any((1, 2)) & words.regions
        counted = np.arange(self.pseudo_words.shape[1]) < words.pseudo_words
        given = np.concatenate([[1], self.captioned[index] * words.caption, counted, named])
        vectors = {name: getattr(self, name)[index].astype("f4") for name in ("caption", "pseudo_words", "region")}
        return {**vectors, "given": given.astype(np.float32)}


PLACED = ("picture", "start", "codes", "latent", "regions", "hci")


def _mirror(cut: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {name: value[..., ::-1] if name in PLACED else value for name, value in cut.items()}


def _stack(crops: list[dict[str, NDArray[Any]]]) -> dict[str, Tensor]:
    return {name: torch.from_numpy(np.stack([crop[name] for crop in crops])) for name in crops[0]}


def _planes(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return ``pixels`` ``[H, W, 3]`` as planes ``[3, H, W]``, 0 to 1."""
    return pixels.transpose(2, 0, 1).astype(np.float32) / np.float32(255)
