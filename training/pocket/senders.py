"""The sender's extractors at work on training pairs: what each stream would tell of a crop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from receiver.pocket.hints import plane_values, region_words
from receiver.pocket.words import REGION_MASKS
from sender.features import CHANNELS, PLACES, FeatureExtractor, square
from sender.latent import LatentEncoder
from sender.regions import RegionFinder
from shared.text import TEXT_WIDTH, TextEncoder
from training.pocket.evidence import CAPTION_WORDS

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    from training.pocket.pairs import Pairs


class Senders:
    """Loaded once."""

    places, features = PLACES, CHANNELS

    def __init__(self) -> None:
        self._see = FeatureExtractor()
        self._text = TextEncoder()
        self._latent = LatentEncoder()
        self._regions = RegionFinder()

    @property
    def classifier(self) -> nn.Linear:
        """From the mean of a picture's features to ImageNet classes."""
        return self._see.classifier

    def seen_by(self, pairs: Pairs) -> dict[str, NDArray[np.generic]]:
        """Return the rows of ``Evidence`` that the sender makes of ``pairs``."""
        count = len(pairs)
        caption = np.zeros((count, CAPTION_WORDS, TEXT_WIDTH), np.float16)
        captioned = np.zeros((count, CAPTION_WORDS), np.uint8)
        region = np.zeros((count, REGION_MASKS, TEXT_WIDTH), np.float16)
        region_mask = np.zeros((count, REGION_MASKS, 8, 8), np.uint8)
        for row, (picture, text) in enumerate(zip(pairs.pictures, pairs.captions, strict=True)):
            vectors = self._text(text)[:CAPTION_WORDS]
            caption[row, : len(vectors)], captioned[row, : len(vectors)] = vectors, 1
            for index, one in enumerate(self._regions.regions_of(picture)):
                region[row, index] = self._text.sentence(region_words(one))
                region_mask[row, index] = one.mask
        return {
            "seen": self._seen(pairs.pictures),
            "seen_hci": self._seen(pairs.quarters),
            "caption": caption,
            "captioned": captioned,
            "planes": np.stack([plane_values(self._latent.values(picture)) for picture in pairs.pictures]),
            "region": region,
            "region_mask": region_mask,
        }

    def _seen(self, pictures: NDArray[np.uint8]) -> NDArray[np.float16]:
        return self._see.maps(np.stack([square(picture) for picture in pictures])).half().numpy()
