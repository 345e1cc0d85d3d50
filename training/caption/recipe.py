"""The captioner's recipe: words of training captions from frozen features, for the loop of `training.pocket`."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final

import numpy as np
import safetensors.torch
import torch
from PIL import Image, ImageDraw
from torch import Tensor, nn

from sender.extractors.caption_network import MAX_WORDS, START, VOCABULARY, CaptionNetwork, Dropout
from sender.extractors.captioner import Search, best_captions
from shared.caption.coder import caption_coder
from shared.caption.ngram import END, ESCAPE, FIRST
from shared.caption.text import parse
from training.caption.scores import bleu, cider
from training.loop import load_trained_weights

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from training.caption.pictures import Captioned

CAPTIONS: Final = 5
PLACES_SHOWN: Final = 48
"""Of 64 places: each batch sees a random part of the picture."""
WORDS_HIDDEN: Final = 0.1
IGNORED: Final = -100
SMOOTHING: Final = 0.1
DROPOUT: Final = 0.3
SHOWN: Final = 12
GREEDY: Final = Search(beams=1)


class CaptionerNetwork(nn.Module):
    """The network and its loss."""

    def __init__(self, captioner: CaptionNetwork) -> None:
        super().__init__()
        self.captioner = captioner

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the cross entropy of the next word in nats, and the smoothed one, which is minimised, as ``loss``."""
        seen = self.captioner.picture_keys(batch["features"], batch["places"].tolist())
        dropout = Dropout(DROPOUT, int(batch["seed"]))
        logits = self.captioner(seen, batch["symbols"], dropout).flatten(0, 2).float()
        targets = batch["targets"].flatten()
        said = targets != IGNORED
        nats = -logits[said].log_softmax(-1)
        wanted = nats.gather(1, targets[said][:, None]).mean()
        return {"loss": (1 - SMOOTHING) * wanted + SMOOTHING * nats.mean(), "nats_per_word": wanted}


class CaptionerRecipe:
    """Batches of pictures with five of their captions each."""

    name = "captioner"

    def __init__(
        self,
        training: tuple[list[Captioned], NDArray[np.float16]],
        held_out: tuple[list[Captioned], NDArray[np.float16]],
    ) -> None:
        """Take pictures with captions and their features ``[N, 64, 1280]`` to train on and to validate with."""
        self.network: nn.Module = CaptionerNetwork(CaptionNetwork())
        self._features, self._held_out = training[1], held_out
        self._captions = [to_symbols(picture) for picture in training[0]]
        self._usable = np.array([index for index, captions in enumerate(self._captions) if captions])

    def batch(self, rng: np.random.Generator, count: int, side: int) -> dict[str, Tensor]:  # noqa: ARG002 - the loop's
        """Return ``count`` pictures' features ``[P, 48, 1280]``, and symbols and targets ``[P, 5, T]``."""
        chosen = np.sort(rng.choice(self._usable, count, replace=False))
        places = np.sort(rng.choice(self._features.shape[1], PLACES_SHOWN, replace=False))
        features = self._features[chosen].astype(np.float32)
        mirrored = rng.random(count) < 0.5
        features[mirrored] = _mirror(features[mirrored])
        captions = [self._captions[picture][i] for picture in chosen for i in self._drawn(rng, picture)]
        length = 1 + min(MAX_WORDS, max(len(caption) for caption in captions))
        symbols = np.full((len(captions), length), END)
        targets = np.full((len(captions), length), IGNORED)
        for row, caption in enumerate(captions):
            whole = [START, *caption, END][: length + 1]  # of a long caption only the beginning
            symbols[row, : len(whole) - 1] = whole[:-1]
            targets[row, : len(whole) - 1] = whole[1:]
        targets[targets == ESCAPE] = IGNORED
        symbols[(rng.random(symbols.shape) < WORDS_HIDDEN) & (symbols != START)] = ESCAPE
        shape = (count, CAPTIONS, length)
        return {
            "features": torch.from_numpy(features[:, places]),
            "places": torch.from_numpy(places),
            "symbols": torch.from_numpy(symbols.reshape(shape)),
            "targets": torch.from_numpy(targets.reshape(shape)),
            "seed": torch.tensor(int(rng.integers(2**31))),
        }

    def _drawn(self, rng: np.random.Generator, picture: int) -> NDArray[np.int64]:
        """Return five of a picture's captions, each once if there are five."""
        known = len(self._captions[picture])
        return rng.permutation(np.arange(max(CAPTIONS, known)) % known)[:CAPTIONS]

    def validation(self, network: nn.Module) -> tuple[dict[str, float], Image.Image]:
        """Return BLEU-4 and CIDEr-D of the likeliest word at each place, bytes per caption, and some captions."""
        pictures, features = self._held_out
        captioner = network.captioner
        assert isinstance(captioner, CaptionNetwork)
        found = [
            best_captions(captioner, torch.from_numpy(maps.astype(np.float32))[None], GREEDY)[0].text
            for maps in features
        ]
        references = [picture.captions for picture in pictures]
        coder = caption_coder()
        measures = {
            "bleu4": round(bleu(found, references), 4),
            "cider": round(cider(found, references), 4),
            "bytes": round(sum(len(coder.encode(caption)) for caption in found) / len(found), 2),
            "different": len(set(found)),
        }
        return measures, draw_captioned_grid(pictures[:SHOWN], found[:SHOWN])


def to_symbols(picture: Captioned) -> list[list[int]]:
    """Return the captions as the coder's symbols, with ESCAPE for words outside VOCABULARY."""
    numbers = {word: symbol for symbol, word in enumerate(caption_coder().words, FIRST)}
    sentences = [parse(caption)[1] for caption in picture.captions if caption]
    known = [[numbers.get(word, ESCAPE) for word in words] for words in sentences]
    return [[symbol if symbol < VOCABULARY else ESCAPE for symbol in symbols] for symbols in known]


def _mirror(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the maps ``[P, 64, C]`` with each row of places turned round, almost the map of the mirrored picture."""
    side = int(features.shape[1] ** 0.5)
    rows = features.reshape(len(features), side, side, features.shape[2])
    return rows[:, :, ::-1].reshape(features.shape)


def draw_captioned_grid(pictures: list[Captioned], captions: list[str]) -> Image.Image:
    """Return pictures, four in a row, each over its caption."""
    tile, line = 224, 44
    grid = Image.new("RGB", (4 * tile, -(-len(pictures) // 4) * (tile + line)), "white")
    draw = ImageDraw.Draw(grid)
    for place, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        left, top = place % 4 * tile, place // 4 * (tile + line)
        grid.paste(Image.fromarray(picture.pixels()).resize((tile, tile)), (left, top))
        words = caption.split()
        half = -(-len(words) // 2)
        draw.text((left + 4, top + tile + 4), " ".join(words[:half]) + "\n" + " ".join(words[half:]), fill="black")
    return grid


def export(runs: Path, weights: Path) -> None:
    """Write the checkpoint's running mean, float16, and its log into ``weights``.

    Raises:
        SetupError: there is no checkpoint in ``runs``.
    """
    mean = load_trained_weights(runs / "captioner" / "checkpoint.pt")
    tensors = {name.removeprefix("captioner."): value.half().contiguous() for name, value in mean.items()}
    weights.mkdir(parents=True, exist_ok=True)
    safetensors.torch.save_file(tensors, weights / "captioner.safetensors")
    shutil.copyfile(runs / "captioner" / "log.jsonl", weights / "log-captioner.jsonl")
