"""Finds the regions of a picture: names from a classifier, masks from its activation maps, details from the pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from sender.extractors.features import resize_to_square
from sender.extractors.objects import ObjectFinder, class_names
from shared.regions.region import MASK_SIDE, Region

if TYPE_CHECKING:
    from numpy.typing import NDArray

SECOND_COLOUR_SHARE: Final = 0.3
DARK, BRIGHT = 75.0, 180.0
"""A colour is dark or bright if the mean value (0..255) of its pixels is below or above this."""
PLAIN, TEXTURED = 3.5, 11.0
"""A region is plain or textured if the mean step between neighbouring pixels at 256×256 is below or above this."""
EVERYWHERE_SHARE: Final = 0.6
"""A region with more than this share of all cells has no place in its detail."""
HUES: Final = (
    (11, "red"),
    (28, "orange"),
    (45, "yellow"),
    (113, "green"),
    (178, "blue"),
    (205, "purple"),
    (240, "pink"),
)
"""Upper limits on Pillow's circle of 255 hues. Above the last one the hue is red again."""


class RegionFinder:
    """Finds regions; the same pixels give the same regions. The network is loaded once.

    Raises:
        SetupError: its package is missing or damaged.
    """

    def __init__(self) -> None:
        self._objects = ObjectFinder()

    def find_regions(self, pixels: NDArray[np.uint8]) -> tuple[Region, ...]:
        """Return up to three regions, most certain first; () if the classifier is not certain of any.

        ``pixels`` are uint8 ``[H, W, 3]`` or ``[H, W]``, of any size.

        Raises:
            PictureError: another kind of array.
        """
        small = resize_to_square(pixels)
        return tuple(
            Region(class_names()[found.number], describe(small, found.mask), found.mask)
            for found in self._objects(pixels)
        )


def describe(small: NDArray[np.uint8], mask: NDArray[np.bool_]) -> str:
    """Return at most nine words on colour, texture and place of ``mask`` ``[8, 8]`` in ``small`` ``[256, 256, 3]``."""
    inside = np.kron(mask, np.ones((small.shape[0] // MASK_SIDE, small.shape[1] // MASK_SIDE), np.bool_))
    parts = [_colours(small, inside), _texture(small, inside), _place(mask)]
    return " ".join(part for part in parts if part)


def _colours(small: NDArray[np.uint8], inside: NDArray[np.bool_]) -> str:
    """Return one colour's name or two, with ``dark`` or ``bright`` before a colour that is not black, white or gray."""
    hue, saturation, value = np.moveaxis(np.asarray(Image.fromarray(small).convert("HSV")), -1, 0)
    names = _colour_names(hue[inside], saturation[inside], value[inside])
    found, counts = np.unique(names, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    colours = str(found[order[0]])
    if len(order) > 1 and counts[order[1]] >= SECOND_COLOUR_SHARE * len(names):
        colours += f" and {found[order[1]]}"
    if colours.split()[0] in ("black", "white", "gray"):
        return colours
    mean = float(value[inside][names == found[order[0]]].mean())
    return f"dark {colours}" if mean < DARK else f"bright {colours}" if mean > BRIGHT else colours


def _colour_names(hue: NDArray[np.uint8], saturation: NDArray[np.uint8], value: NDArray[np.uint8]) -> NDArray[np.str_]:
    names = np.full(hue.shape, "red", "<U6")
    for upper, name in reversed(HUES):
        names[hue < upper] = name
    warm = np.isin(names, ("red", "orange", "yellow"))
    names[warm & (value < 170) & (saturation < 190)] = "brown"
    faint = saturation < 40
    names[faint] = "gray"
    names[faint & (value > 200)] = "white"
    names[value < 45] = "black"
    return names


def _texture(small: NDArray[np.uint8], inside: NDArray[np.bool_]) -> str:
    grey = np.asarray(Image.fromarray(small).convert("L")).astype(np.int32)
    steps = np.abs(np.diff(grey, axis=1))[:-1] + np.abs(np.diff(grey, axis=0))[:, :-1]
    mean = float(steps[inside[:-1, :-1]].mean()) / 2
    return "plain" if mean < PLAIN else "textured" if mean > TEXTURED else ""


def _place(mask: NDArray[np.bool_]) -> str:
    if mask.mean() > EVERYWHERE_SHARE:
        return ""
    rows, columns = np.nonzero(mask)
    down, right = (float(places.mean()) / (MASK_SIDE - 1) for places in (rows, columns))
    vertical = "top" if down < 1 / 3 else "bottom" if down > 2 / 3 else ""
    horizontal = "left" if right < 1 / 3 else "right" if right > 2 / 3 else ""
    if vertical:
        return f"at the {vertical} {horizontal}".rstrip()
    return f"on the {horizontal}" if horizontal else "in the middle"
