"""The recipe of the SPWs (semantic pseudo-words): few tokens from which the picture's classes can be read.

MTGC calls its compression task-aware; the task here is an ImageNet classifier's, EfficientNet-Lite2's, whose features
the sender has anyway. The receiver measures by another network (Lite0).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from shared.tokens.stream import MAX_TOKENS, QUANTISER_LEVELS
from training.pocket.stream_subsets import PSEUDO_WORD_COUNTS
from training.report import draw_grid

if TYPE_CHECKING:
    from PIL import Image

    from sender.extractors.token_network import TokenNetwork
    from training.pocket.precomputed import Precomputed

WIDTH = 512
FEATURE_WEIGHT = 1.0
SHOWN = 6


class PseudoWordNetwork(nn.Module):
    """The SPWs' network, and one that predicts the classifier's features from tokens, for training only."""

    def __init__(self, spw: TokenNetwork, classifier: nn.Linear) -> None:
        super().__init__()
        self.spw = spw
        self.classifier = classifier.requires_grad_(requires_grad=False)
        self.places = nn.Parameter(torch.randn(MAX_TOKENS, WIDTH) / 8)
        self.enter = nn.Linear(len(QUANTISER_LEVELS), WIDTH)
        layer = nn.TransformerEncoderLayer(WIDTH, 8, WIDTH, 0.0, "gelu", batch_first=True, norm_first=True)
        self.reader = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.leave = nn.Linear(WIDTH, classifier.in_features)

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the measures of one batch; ``loss`` is the one to minimise."""
        count = int(batch["count"])
        numbers = self.spw(batch["seen"])[0][:, :count]
        features = self.leave(self.reader(self.enter(numbers) + self.places[:count]).mean(1)).relu()
        target = batch["seen"].mean(1)
        wanted, found = self.classifier(target), self.classifier(features)
        divergence = functional.kl_div(
            found.log_softmax(1), wanted.log_softmax(1), log_target=True, reduction="batchmean"
        )
        squared = (features - target).square().mean() / target.square().mean()
        agreement = (wanted.argmax(1) == found.argmax(1)).float().mean()
        loss = divergence + FEATURE_WEIGHT * squared
        return {"loss": loss, "kl": divergence, "features": squared, "top1": agreement}


class PseudoWordRecipe:
    """Batches of image features, from which tokens must predict classes."""

    name = "spw"

    def __init__(
        self, precomputed: Precomputed, held_out: Precomputed, spw: TokenNetwork, classifier: nn.Linear
    ) -> None:
        self.network: nn.Module = PseudoWordNetwork(spw, classifier)
        self._evidence, self._held_out = precomputed, held_out

    def batch(self, rng: np.random.Generator, count: int, side: int) -> dict[str, Tensor]:
        """Draw pictures' features, and how many tokens there are."""
        del side
        rows = np.sort(rng.integers(len(self._evidence), size=count))
        seen = torch.from_numpy(self._evidence.seen[rows]).float()
        return {"seen": seen, "count": torch.tensor(rng.choice(PSEUDO_WORD_COUNTS))}

    def validation(self, network: nn.Module) -> tuple[dict[str, float], Image.Image]:
        """Return the measures over held-out pictures per number of tokens, and those pictures."""
        network = cast("PseudoWordNetwork", network)
        device: Any = next(network.parameters()).device
        seen = torch.from_numpy(np.array(self._held_out.seen)).float().to(device)
        measures: dict[str, float] = {}
        with torch.inference_mode():
            for count in PSEUDO_WORD_COUNTS:
                found = network({"seen": seen, "count": torch.tensor(count)})
                measures |= {f"{name}_{count}": round(float(value), 4) for name, value in found.items()}
        shown = torch.from_numpy(self._held_out.picture[:SHOWN]).permute(0, 3, 1, 2).float() / 255
        return measures, draw_grid([shown])
