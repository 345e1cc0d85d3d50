"""Encodes a picture to semantic tokens.

Semantic pseudo-words (SPWs) depend on the picture alone. Reconstruction-aware semantic residual tokens (RSRTs) also
depend on the caption and the highly compressed image (HCI) that are sent.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Final

import safetensors.torch
import torch

from sender.extractors.features import FEATURE_CHANNELS, FeatureExtractor
from sender.extractors.token_network import TokenNetwork
from shared.text import TEXT_WIDTH, TextEncoder
from shared.tokens.stream import TokenKind, Tokens
from shared.weights import load_weights

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

HINT: Final = "install the package again, choose a codec without tokens, or train them (training/README.md)"


def tokens_folder() -> Path:
    """Return the folder of the shipped weights."""
    return Path(str(resources.files("models") / "tokens"))


def new_token_network(kind: TokenKind) -> TokenNetwork:
    """Return an untrained network for ``kind``."""
    return TokenNetwork(FEATURE_CHANNELS, TEXT_WIDTH, uses_context=kind is TokenKind.RSRT)


def load_token_network(folder: Path, kind: TokenKind) -> TokenNetwork:
    """Return the network for ``kind`` in ``folder``, frozen, float32.

    Raises:
        SetupError: its weights are missing or damaged.
    """
    path = folder / f"{kind.name.lower()}.safetensors"
    return load_weights(new_token_network(kind), path, "the token encoder", HINT)


def save_token_network(network: TokenNetwork, folder: Path, kind: TokenKind) -> None:
    """Write ``network`` into ``folder`` as float16."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, Tensor] = {
        name: value.detach().half().contiguous().cpu()
        for name, value in network.state_dict().items()
        if value.is_floating_point()
    }
    safetensors.torch.save_file(tensors, folder / f"{kind.name.lower()}.safetensors")


class TokenEncoder:
    """Encodes pictures to tokens."""

    def __init__(self, folder: Path | None = None) -> None:
        """Load the networks in ``folder``; None loads the shipped ones.

        Raises:
            SetupError: weights or a package are missing or damaged.
        """
        self._networks = {kind: load_token_network(folder or tokens_folder(), kind) for kind in TokenKind}
        self._features = FeatureExtractor()
        self._text = TextEncoder()

    @torch.inference_mode()
    def __call__(
        self, kind: TokenKind, count: int, pixels: NDArray[np.uint8], hci: NDArray[np.uint8] | None, caption: str
    ) -> Tokens:
        """Return the first ``count`` tokens of ``pixels`` ``[H, W, 3]`` or ``[H, W]``, uint8.

        RSRTs depend on the decoded ``hci`` (None: not sent) and on the ``caption`` ("": not sent).

        Raises:
            ConfigError: ``count`` is not 8 to 64.
            PictureError: another kind of array.
        """
        words = self._text(caption)[None]
        seen_hci = None if hci is None else self._features(hci)[None]
        _, codes = self._networks[kind](self._features(pixels)[None], seen_hci, words, torch.ones(words.shape[:2]))
        return Tokens(kind, tuple(codes[0, :count].tolist()))
