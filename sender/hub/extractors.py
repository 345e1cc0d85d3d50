"""Captioner and region finder of a model profile, behind the calls of those that ship (``sender/extractors``)."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from sender.hub.blip import BlipDescriber
from sender.hub.describer import WITHOUT, Item, explained, load_model
from sender.hub.florence import FlorenceDescriber
from sender.hub.maps import ClipMaps, mask_of_boxes
from sender.hub.prompts import words_within
from sender.hub.qwen import QwenDescriber
from sender.hub.wording import fit_regions, shorten, to_detail, to_sentence
from shared.errors import SetupError
from shared.lazy import Lazy
from shared.out_of_memory import report_out_of_memory
from shared.pixels import require_pixels
from shared.regions.region import DETAIL_WORDS_MAX, MASK_SIDE, Region
from shared.torch_devices import select_device

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from numpy.typing import NDArray

    from sender.hub.describer import Describer, LoadedModel
    from shared.hub.profile import ModelProfile

TRIAL_SIZE: Final = (64, 64)
DESCRIBERS: Final[dict[str, Callable[[LoadedModel], Describer]]] = {
    "blip": BlipDescriber,
    "florence-2": FlorenceDescriber,
    "qwen2.5-vl": QwenDescriber,
}


class HubExtractors:
    """Captions and regions by the captioner of a model profile, and by its maps if it names some.

    Several threads may call. One picture is described at a time, because tokenizers change settings while they work.
    """

    def __init__(self, profile: ModelProfile, vocabulary: tuple[str, ...], device: str = "") -> None:
        """Load the captioner of ``profile``; the maps load at their first use.

        ``vocabulary`` holds the names of objects for a captioner that cannot list them. ``device`` "" is CUDA where
        there is one.

        Raises:
            SetupError: the profile has no captioner, a file is missing or damaged, or the device is not there.
            LimitError: there is too little memory.
        """
        if profile.captioner is None:
            raise SetupError(f"model profile {profile.name} has no captioner: add one, or choose another profile")
        chosen = select_device(device)
        self._describer = _load_describer(profile, DESCRIBERS[profile.captioner.kind], chosen)
        self._maps = Lazy(lambda: _load_maps(profile, chosen)) if profile.maps else None
        self._vocabulary = vocabulary
        self._limits = partial(
            report_out_of_memory, f"the captioner of model profile {profile.name}", str(chosen), WITHOUT
        )
        self._one_at_a_time = threading.Lock()

    @property
    def finds_regions(self) -> bool:
        """Whether it can say where objects are: by maps, or by a captioner that gives boxes."""
        return self._maps is not None or isinstance(self._describer, FlorenceDescriber)

    def caption(self, pixels: NDArray[np.uint8], max_bytes: int) -> str:
        """Return one sentence whose payload has at most ``max_bytes``, "" if no word fits.

        ``pixels`` are uint8 ``[H, W, 3]`` or ``[H, W]``.

        Raises:
            PictureError: another kind of array.
        """
        image = _to_image(pixels)
        with self._one_at_a_time, self._limits():
            answer = self._describer.overall(image, words_within(max_bytes))
        return shorten(to_sentence(answer), max_bytes)

    def find_regions(self, pixels: NDArray[np.uint8], max_bytes: int) -> tuple[Region, ...]:
        """Return up to three regions whose payload has at most ``max_bytes``; () if nothing is recognised.

        The captioner names and describes the objects, and gives their boxes or leaves the place to the maps. For a
        captioner that cannot list objects the maps choose names, and the captioner describes that part of the picture.

        Raises:
            SetupError, LimitError: as the constructor, for the maps.
            PictureError: another kind of array.
        """
        image = _to_image(pixels)
        maps = None if self._maps is None else self._maps()
        with self._one_at_a_time, self._limits():
            items = self._describer.items(image)
            if maps is None:
                masks = [mask_of_boxes(one.boxes) for one in items]
            else:
                listed = [one.name for one in items]
                names = listed or list(maps.names(image, self._vocabulary))
                masks = list(maps.masks(image, names)) if names else []
                if not listed:
                    pairs = zip(names, masks, strict=True)
                    items = tuple(Item(name, self._describe_part(image, mask)) for name, mask in pairs)
        regions = [Region(one.name, one.detail, mask) for one, mask in zip(items, masks, strict=True)]
        return fit_regions(regions, max_bytes)

    def _describe_part(self, image: Image.Image, mask: NDArray[np.bool_]) -> str:
        """Return what the captioner says of the part of ``image`` around ``mask`` ``[8, 8]``."""
        rows, columns = np.nonzero(mask)
        width, height = image.size
        part = image.crop(
            (
                int(columns.min()) * width // MASK_SIDE,
                int(rows.min()) * height // MASK_SIDE,
                -(-(int(columns.max()) + 1) * width // MASK_SIDE),
                -(-(int(rows.max()) + 1) * height // MASK_SIDE),
            )
        )
        return to_detail(self._describer.overall(part, DETAIL_WORDS_MAX))


def _load_describer(profile: ModelProfile, kind: Callable[[LoadedModel], Describer], device: torch.device) -> Describer:
    """Return the captioner after a trial: processor and network may not fit together."""
    model = load_model(profile, "captioner", device)
    with explained(profile, "captioner", device):
        describer = kind(model)
        describer.overall(Image.new("RGB", TRIAL_SIZE), 0)
    return describer


def _load_maps(profile: ModelProfile, device: torch.device) -> ClipMaps:
    """Return the maps after a trial."""
    model = load_model(profile, "maps", device)
    with explained(profile, "maps", device):
        maps = ClipMaps(model)
        maps.masks(Image.new("RGB", TRIAL_SIZE), ("dog",))
    return maps


def _to_image(pixels: NDArray[np.uint8]) -> Image.Image:
    require_pixels(pixels)
    return Image.fromarray(np.ascontiguousarray(pixels)).convert("RGB")
