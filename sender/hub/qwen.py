"""Qwen2.5-VL (Bai et al. 2025) as captioner: a large multimodal model that answers the questions of MISC and GSC."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sender.hub.describer import Item
from sender.hub.prompts import ITEMS, overall, tokens_for
from sender.hub.wording import parse_items
from shared.regions.region import DETAIL_WORDS_MAX, NAME_WORDS_MAX, REGIONS_MAX

if TYPE_CHECKING:
    from PIL import Image

    from sender.hub.describer import LoadedModel

PIXELS: Final = {"shortest_edge": 56 * 56, "longest_edge": 1280 * 28 * 28}
"""Least and most pixels that the network looks at: 4 to 1,280 of its picture tokens, as its authors advise."""
IMAGE_TOKEN: Final = "<|image_pad|>"  # noqa: S105 - no password
CHAT: Final = (
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n<|vision_start|>{picture}"
    "<|vision_end|>{question}<|im_end|>\n<|im_start|>assistant\n"
)
"""The model's chat template for one picture and one question. Its own processor needs torchvision, for videos."""


class QwenDescriber:
    """Describes pictures with ``Qwen2_5_VLForConditionalGeneration``."""

    def __init__(self, model: LoadedModel) -> None:
        self._model = model
        self._image_token = model.tokenizer.convert_tokens_to_ids(IMAGE_TOKEN)

    def overall(self, image: Image.Image, words: int) -> str:
        """Return a description, as ``Describer.overall``."""
        return self._ask(image, overall(words), tokens_for(words))

    def items(self, image: Image.Image) -> tuple[Item, ...]:
        """Return up to three objects, as the model orders them, without boxes."""
        answer = self._ask(image, ITEMS, REGIONS_MAX * tokens_for(NAME_WORDS_MAX + DETAIL_WORDS_MAX))
        return tuple(Item(name, detail) for name, detail in parse_items(answer))

    def _ask(self, image: Image.Image, question: str, max_tokens: int) -> str:
        images = self._model.images
        seen = images(images=image, size=PIXELS, return_tensors="pt")
        count = int(seen["image_grid_thw"][0].prod()) // images.merge_size**2
        text = self._model.tokenizer(CHAT.format(picture=IMAGE_TOKEN * count, question=question), return_tensors="pt")
        kinds = (text["input_ids"] == self._image_token).int()  # 1: a picture's token
        written = self._model.write({**text, **seen, "mm_token_type_ids": kinds}, max_tokens)
        answer: str = self._model.tokenizer.decode(written[text["input_ids"].shape[1] :], skip_special_tokens=True)
        return answer
