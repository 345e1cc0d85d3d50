"""BLIP (Li et al. 2022) as captioner: one sentence on a picture. It cannot be asked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from sender.hub.prompts import tokens_for

if TYPE_CHECKING:
    from PIL import Image

    from sender.hub.describer import Item, LoadedModel

BEAMS: Final = 3
ARTEFACTS: Final = re.compile(r"\b(?:araf\w*|there (?:is|are))\s+", re.IGNORECASE)
"""Words that the large model begins many captions with: "arafed", a word of its training data, and "there is"."""


class BlipDescriber:
    """Describes pictures with ``BlipForConditionalGeneration``."""

    def __init__(self, model: LoadedModel) -> None:
        self._model = model

    def overall(self, image: Image.Image, words: int) -> str:
        """Return one sentence, as ``Describer.overall``."""
        inputs = self._model.images(images=image, return_tensors="pt")
        written = self._model.write(inputs, tokens_for(words), beams=BEAMS)
        return ARTEFACTS.sub("", self._model.tokenizer.decode(written, skip_special_tokens=True))

    def items(self, image: Image.Image) -> tuple[Item, ...]:
        """Return (): BLIP takes no questions."""
        del image
        return ()
