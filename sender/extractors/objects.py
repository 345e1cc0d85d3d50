"""Finds the objects in a picture with class activation maps of a frozen ImageNet classifier.

Zhou et al. 2016, "Learning Deep Features for Discriminative Localization": the classifier's weights, applied to every
place of its last map, give the evidence for a class at that place. This replaces the map encoder (CLIP Surgery) of
"Multimodal Image Semantic Compression" (MISC). The network is EfficientNet-Lite2, as in `features.py`.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Final

import torch

from sender.extractors.features import resize_to_square
from shared.efficientnet import SENDER_NETWORK, efficientnet_lite
from shared.pixels import to_tensor
from shared.regions.region import REGIONS_MAX

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

SHARE_MIN: Final = 0.1
"""If the best class of the free cells has a lower probability, there are no more objects."""
PEAK_SHARE: Final = 0.25
"""A cell belongs to the object if its evidence is above this share of the way from mean to peak of the free cells."""
CELLS_MIN: Final = 3
"""Least number of cells of an object; with fewer free cells the search ends."""
ALIKE: Final = 0.3
"""Two classes are names of one object if the cosine between their weights is above this."""
LOOKS: Final = 6
"""Most rounds of the search. Each finds an object, or a second name of one."""


@dataclass
class FoundObject:
    """Class number and mask ``[8, 8]`` bool."""

    number: int
    mask: NDArray[np.bool_]


class ObjectFinder:
    """The frozen network, loaded once.

    Raises:
        SetupError: its package is missing or damaged.
    """

    def __init__(self) -> None:
        self._network = efficientnet_lite(SENDER_NETWORK)

    @torch.inference_mode()
    def __call__(self, pixels: NDArray[np.uint8]) -> list[FoundObject]:
        """Return up to three objects of a picture, uint8 ``[H, W, 3]`` or ``[H, W]``, most certain first.

        Raises:
            PictureError: another kind of array.
        """
        picture = to_tensor(resize_to_square(pixels))[None]
        last = self._network.classifier
        return find_objects(self._network.head_map(picture)[0].permute(1, 2, 0), last.weight, last.bias)


def find_objects(features: Tensor, weights: Tensor, biases: Tensor) -> list[FoundObject]:
    """Return the objects in ``features`` ``[8, 8, 1280]``, given the classifier's ``[1000, 1280]`` and ``[1000]``.

    Each round finds the best class of the free cells and takes the cells with most evidence for it. A class similar to
    an earlier one is another name of the same object, which gets its cells.
    """
    evidence = features @ weights.T + biases
    free = torch.ones(features.shape[:2], dtype=torch.bool)
    objects: list[FoundObject] = []
    for _ in range(LOOKS):
        if int(free.sum()) < CELLS_MIN or len(objects) > REGIONS_MAX:
            break
        shares = evidence[free].mean(0).softmax(0)
        best = int(shares.argmax())
        if float(shares[best]) < SHARE_MIN:
            break
        scores = evidence[:, :, best]
        middle = scores[free].mean()
        cells = free & (scores >= middle + PEAK_SHARE * (scores[free].max() - middle))
        free &= ~cells
        known = next((found for found in objects if _are_alike(weights, found.number, best)), None)
        if known:
            known.mask |= cells.numpy()
        else:
            objects.append(FoundObject(best, cells.numpy()))
    return [found for found in objects if found.mask.sum() >= CELLS_MIN][:REGIONS_MAX]


@functools.cache
def class_names() -> tuple[str, ...]:
    """Return the names of ImageNet's thousand classes, in lower case, of at most three words each."""
    return tuple((resources.files("sender.extractors") / "imagenet_names.txt").read_text("utf-8").splitlines())


def _are_alike(weights: Tensor, first: int, second: int) -> bool:
    return float(torch.cosine_similarity(weights[first], weights[second], dim=0)) > ALIKE
