"""Open-vocabulary maps: which cells of a picture show a named object, by CLIP or by boxes.

MISC uses CLIP Surgery (Li et al. 2023) as map encoder. Here the maps are those of MaskCLIP (Zhou et al. 2022, "Extract
Free Dense Labels from CLIP"): the last layer's values at every place, without its attention, compared with the text.
From CLIP Surgery come the mean over all names that is taken off, since it is the same for every name, and from MISC's
notebook the 8 × 8 cells and the threshold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from torch.nn import functional

from shared.regions.region import MASK_SIDE, REGIONS_MAX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from PIL import Image
    from torch import Tensor

    from sender.hub.describer import Box, LoadedModel

TEMPLATES: Final = ("a photo of a {}.", "a picture of the {}.", "{} in a scene.")
NOTHING: Final = ""
"""The name that stands for what all texts have in common."""
THRESHOLD: Final = 0.35
"""A cell belongs to an object above this share of the way from the map's lowest to its highest value."""
COVERED: Final = 0.5
"""A cell belongs to a box that covers more than this share of it."""
CERTAIN: Final = 0.1
"""Least probability of a name among all names of a vocabulary."""
ALIKE: Final = 0.9
"""Two names are of one object if the cosine between their texts is above this."""
BATCH: Final = 128


class ClipMaps:
    """Maps and names by ``CLIPModel``."""

    def __init__(self, model: LoadedModel) -> None:
        self._model = model
        self._vocabularies: dict[tuple[str, ...], Tensor] = {}

    @torch.inference_mode()
    def masks(self, image: Image.Image, names: Sequence[str]) -> NDArray[np.bool_]:
        """Return the cells ``[N, 8, 8]`` of the RGB ``image`` that show each of N ``names``, at least one each."""
        with self._model.running():
            texts = self._embed_texts((*names, NOTHING))
            likeness = self._embed_places(image) @ texts.T
        likeness = (likeness - likeness.mean(-1, keepdim=True))[..., : len(names)].permute(2, 0, 1)
        low, high = likeness.amin((1, 2), keepdim=True), likeness.amax((1, 2), keepdim=True)
        shares = (likeness - low) / (high - low).clamp_min(1e-6)
        cells = functional.interpolate(shares[None], (MASK_SIDE, MASK_SIDE), mode="area")[0]
        return np.asarray((cells >= torch.minimum(cells.amax((1, 2), keepdim=True), torch.tensor(THRESHOLD))).numpy())

    @torch.inference_mode()
    def names(self, image: Image.Image, vocabulary: tuple[str, ...]) -> tuple[str, ...]:
        """Return up to three names of ``vocabulary`` for what the RGB ``image`` shows, the most certain first."""
        network = self._model.network
        with self._model.running():
            if vocabulary not in self._vocabularies:
                self._vocabularies[vocabulary] = self._embed_texts(vocabulary)
            found = network.get_image_features(**self._model.to_device(self._look(image))).pooler_output
        texts, seen = self._vocabularies[vocabulary], found[0].float().cpu()
        likeness = texts @ functional.normalize(seen, dim=-1)
        shares = (likeness * network.logit_scale.float().exp().cpu()).softmax(0)
        chosen: list[int] = []
        for index in shares.argsort(descending=True).tolist():
            if shares[index] < CERTAIN or len(chosen) == REGIONS_MAX:
                break
            if all(float(texts[index] @ texts[known]) <= ALIKE for known in chosen):
                chosen.append(index)
        return tuple(vocabulary[index] for index in chosen)

    def _look(self, image: Image.Image) -> dict[str, Tensor]:
        """Return the network's input: the whole picture as a square, without a crop."""
        side = int(self._model.network.config.vision_config.image_size)
        size = {"height": side, "width": side}
        return dict(self._model.images(images=image, size=size, do_center_crop=False, return_tensors="pt"))

    def _embed_places(self, image: Image.Image) -> Tensor:
        """Return unit vectors ``[h, w, width]`` of all places of ``image``, on the CPU."""
        network = self._model.network
        vision, inputs = network.vision_model, self._model.to_device(self._look(image))
        before_last = vision(**inputs, output_hidden_states=True).hidden_states[-2]
        last = vision.encoder.layers[-1]
        values = last.self_attn.out_proj(last.self_attn.v_proj(last.layer_norm1(before_last)))
        places = network.visual_projection(vision.post_layernorm(values))[0, 1:].float().cpu()
        side = round(len(places) ** 0.5)
        return functional.normalize(places, dim=-1).view(side, side, -1)

    def _embed_texts(self, names: Sequence[str]) -> Tensor:
        """Return a unit vector ``[N, width]`` per name: the mean over ``TEMPLATES``, on the CPU."""
        texts = [template.format(name) for name in names for template in TEMPLATES]
        parts = []
        for start in range(0, len(texts), BATCH):
            tokens = self._model.tokenizer(
                texts[start : start + BATCH], padding=True, truncation=True, return_tensors="pt"
            )
            found = self._model.network.get_text_features(**self._model.to_device(tokens)).pooler_output
            parts.append(functional.normalize(found.float().cpu(), dim=-1))
        means = torch.cat(parts).view(len(names), len(TEMPLATES), -1).mean(1)
        return functional.normalize(means, dim=-1)


def mask_of_boxes(boxes: Sequence[Box]) -> NDArray[np.bool_]:
    """Return the cells ``[8, 8]`` that ``boxes`` cover by half or more; that of the centre where they cover none."""
    covered = np.zeros((MASK_SIDE, MASK_SIDE))
    edges = np.arange(MASK_SIDE)
    for left, top, right, bottom in boxes:
        across = np.clip(np.minimum(edges + 1, right * MASK_SIDE) - np.maximum(edges, left * MASK_SIDE), 0, 1)
        down = np.clip(np.minimum(edges + 1, bottom * MASK_SIDE) - np.maximum(edges, top * MASK_SIDE), 0, 1)
        covered = np.maximum(covered, np.outer(down, across))
    mask: NDArray[np.bool_] = covered >= COVERED
    if not mask.any():
        mask[np.unravel_index(covered.argmax(), covered.shape)] = True
    return mask
