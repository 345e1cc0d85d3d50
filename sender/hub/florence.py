"""Florence-2 (Xiao et al. 2024) as captioner: descriptions of three lengths, and objects with boxes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from sender.hub.describer import Box, Item
from sender.hub.prompts import tokens_for
from sender.hub.wording import to_detail, to_name
from shared.regions.region import DETAIL_WORDS_MAX, REGIONS_MAX

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from sender.hub.describer import LoadedModel

DESCRIPTIONS: Final = ((15, "<CAPTION>"), (35, "<DETAILED_CAPTION>"), (1 << 30, "<MORE_DETAILED_CAPTION>"))
"""Up to this many words, the task whose answers have about that length."""
OBJECTS, DESCRIBE_REGION = "<OD>", "<REGION_TO_DESCRIPTION>"
OBJECT_TOKENS: Final = 256
BEAMS: Final = 3
BINS: Final = 1000
"""Places across the picture that its location tokens distinguish."""
PLACE: Final = re.compile(r"<loc_(\d{1,3})>")
NAMED_BOX: Final = re.compile(rf"([^<>]+)((?:{PLACE.pattern}){{4}})")
"""An object in an answer: its name, then left, top, right and bottom."""


class FlorenceDescriber:
    """Describes pictures with ``Florence2ForConditionalGeneration``, the class of transformers."""

    def __init__(self, model: LoadedModel) -> None:
        from shared.hub.libraries import transformers  # noqa: PLC0415 - seconds to import

        self._model = model
        self._processor: Any = transformers.Florence2Processor(model.images, model.tokenizer)

    def overall(self, image: Image.Image, words: int) -> str:
        """Return a description, as ``Describer.overall``."""
        task = next(task for most, task in DESCRIPTIONS if words <= most)
        return self._to_text(self._ask(image, task, tokens_for(words)))

    def items(self, image: Image.Image) -> tuple[Item, ...]:
        """Return up to three objects, those of the largest area first. Objects of one name are one item."""
        boxes: dict[str, list[Box]] = {}
        answer = self._model.tokenizer.decode(self._ask(image, OBJECTS, OBJECT_TOKENS), skip_special_tokens=False)
        for match in NAMED_BOX.finditer(answer):
            left, top, right, bottom = ((int(place) + 0.5) / BINS for place in PLACE.findall(match[2]))
            box = (left, top, right, bottom)
            if (name := to_name(match[1])) and _area(box) > 0:
                boxes.setdefault(name, []).append(box)
        largest = sorted(boxes, key=lambda name: max(map(_area, boxes[name])), reverse=True)[:REGIONS_MAX]
        return tuple(Item(name, self._describe(image, boxes[name]), tuple(boxes[name])) for name in largest)

    def _describe(self, image: Image.Image, boxes: list[Box]) -> str:
        places = "".join(f"<loc_{int(share * BINS)}>" for share in max(boxes, key=_area))
        return to_detail(self._to_text(self._ask(image, DESCRIBE_REGION + places, tokens_for(DETAIL_WORDS_MAX))))

    def _ask(self, image: Image.Image, prompt: str, max_tokens: int) -> Tensor:
        """Return the numbers of the tokens of the answer, ``[T]``."""
        inputs = self._processor(text=prompt, images=image, return_tensors="pt")
        return self._model.write(inputs, max_tokens, beams=BEAMS)

    def _to_text(self, written: Tensor) -> str:
        return PLACE.sub(" ", self._model.tokenizer.decode(written, skip_special_tokens=True))


def _area(box: Box) -> float:
    left, top, right, bottom = box
    return max(0.0, right - left) * max(0.0, bottom - top)
