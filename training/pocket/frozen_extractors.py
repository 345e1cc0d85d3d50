"""The sender's extractors, frozen, on training pairs: the content of each stream for a crop."""

from __future__ import annotations

import hashlib
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from receiver.pocket.conditioning import region_text, scale_latent
from sender.extractors.features import FeatureExtractor, resize_to_square
from sender.extractors.latent import WEIGHTS_NAME, LatentEncoder
from sender.extractors.regions import RegionFinder
from shared.regions.region import REGIONS_MAX
from shared.text import TEXT_WIDTH, TextEncoder
from training.pocket.precomputed import Source

CAPTION_WORDS = 24
"""Most word vectors of a caption in training."""

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    from sender.extractors.token_network import TokenNetwork
    from training.pocket.pairs import Pairs


class FrozenExtractors:
    """Image features, text, latent and regions of crops; the networks are loaded once."""

    def __init__(self) -> None:
        self._see = FeatureExtractor()
        self._text = TextEncoder()
        self._latent = LatentEncoder()
        self._regions = RegionFinder()

    @property
    def classifier(self) -> nn.Linear:
        """The layer from the mean of a picture's features to ImageNet classes."""
        return self._see.classifier

    def make_sources(self) -> list[Source]:
        """Return a source for each extractor."""
        return [Source("features", "EfficientNet-Lite2", self._extract_features), *self.make_stream_sources()]

    def make_stream_sources(self) -> list[Source]:
        """Return the sources of captions, latent channels and regions."""
        weights = Path(str(resources.files("models") / "latent" / WEIGHTS_NAME)).read_bytes()
        return [
            Source("captions", f"MiniLM {CAPTION_WORDS}", self._embed_captions),
            Source("latent", hashlib.sha256(weights).hexdigest(), self._encode_latent),
            Source("regions", "1", self._find_regions),
        ]

    def make_pseudo_word_source(self, network: TokenNetwork) -> Source:
        """Return the source of the numbers ``pseudo_words`` ``[N, 64, 3]`` that ``network`` makes of the pictures."""
        digest = hashlib.sha256(b"EfficientNet-Lite2")
        for value in network.state_dict().values():
            digest.update(value.half().numpy().tobytes())

        @torch.inference_mode()
        def make(pairs: Pairs, _first: int) -> dict[str, NDArray[Any]]:
            seen = torch.from_numpy(self._see_pictures(pairs.pictures)).float()
            return {"pseudo_words": network(seen)[0].half().numpy()}

        return Source("pseudo_words", digest.hexdigest(), make)

    def _extract_features(self, pairs: Pairs, _first: int) -> dict[str, NDArray[Any]]:
        return {"seen": self._see_pictures(pairs.pictures), "seen_hci": self._see_pictures(pairs.quarters)}

    def _see_pictures(self, pictures: NDArray[np.uint8]) -> NDArray[np.float16]:
        return np.asarray(self._see.maps(np.stack([resize_to_square(picture) for picture in pictures])).half())

    def _embed_captions(self, pairs: Pairs, _first: int) -> dict[str, NDArray[Any]]:
        caption = np.zeros((len(pairs), CAPTION_WORDS, TEXT_WIDTH), np.float16)
        captioned = np.zeros((len(pairs), CAPTION_WORDS), np.uint8)
        for row, text in enumerate(pairs.captions):
            vectors = self._text(text)[:CAPTION_WORDS]
            caption[row, : len(vectors)], captioned[row, : len(vectors)] = vectors, 1
        return {"caption": caption, "captioned": captioned}

    def _encode_latent(self, pairs: Pairs, _first: int) -> dict[str, NDArray[Any]]:
        return {"latent": np.stack([scale_latent(self._latent.values(picture)) for picture in pairs.pictures])}

    def _find_regions(self, pairs: Pairs, _first: int) -> dict[str, NDArray[Any]]:
        region = np.zeros((len(pairs), REGIONS_MAX, TEXT_WIDTH), np.float16)
        region_mask = np.zeros((len(pairs), REGIONS_MAX, 8, 8), np.uint8)
        for row, picture in enumerate(pairs.pictures):
            for index, one in enumerate(self._regions.find_regions(picture)):
                region[row, index], region_mask[row, index] = self._text.sentence(region_text(one)), one.mask
        return {"region": region, "region_mask": region_mask}
