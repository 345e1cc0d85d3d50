"""What a pretrained base learns from: the pairs of ``training.pocket.pairs`` with their start pictures and tokens."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from sender.extractors.latent import WEIGHTS_NAME, LatentEncoder, select_channels
from sender.extractors.tokens import TokenEncoder, tokens_folder
from shared.hci.stream import upsample
from shared.latent.layout import CHANNEL_COUNTS
from shared.tokens.stream import MAX_TOKENS, TokenKind
from training.pocket.pairs import SIDE, to_batch
from training.pocket.precomputed import Source, complete

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shared.hub.profile import ModelProfile
    from training.pocket.pairs import Pairs


@dataclass(frozen=True)
class Examples:
    """``pictures`` and ``starts`` uint8 ``[N, 224, 224, 3]``, ``codes`` uint8 ``[N, 2, 64]`` by kind, and captions.

    ``latents`` int16 ``[N, 32, 14, 14]`` are all latent channels, ``best`` int16 ``[N, 16]`` those to send, best first.

    A start is the picture that the receiver's sampling begins at: the highly compressed image (HCI), enlarged or
    restored as the profile says.
    """

    pictures: NDArray[np.uint8]
    starts: NDArray[np.uint8]
    codes: NDArray[np.uint8]
    latents: NDArray[np.int16]
    best: NDArray[np.int16]
    captions: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.pictures)


def prepare_examples(pairs: Pairs, folder: Path, count: int, profile: ModelProfile) -> Examples:
    """Return the first ``count`` of ``pairs`` with starts and tokens, which are computed once and cached in ``folder``.

    An interrupted run goes on at the first that is missing.

    Raises:
        SetupError: weights of the sender's token encoder or of the pocket decoder are missing or damaged.
    """
    pairs = pairs[: min(count, len(pairs))]
    folder.mkdir(parents=True, exist_ok=True)
    complete(_restored_source() if profile.start == "pocket" else Source("starts", "lanczos", _enlarge), pairs, folder)
    complete(_token_source(), pairs, folder)
    complete(_latent_source(), pairs, folder)
    names = ("starts", "codes", "latents", "best")
    cached = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in names}
    return Examples(pictures=pairs.pictures, captions=pairs.captions, **cached)


def _enlarge(pairs: Pairs, _first: int) -> dict[str, NDArray[Any]]:
    return {"starts": np.stack([upsample(quarter, SIDE, SIDE) for quarter in pairs.quarters])}


def _restored_source() -> Source:
    """Return the source of starts that the pocket decoder's restorer makes."""
    from receiver.pocket.config import weights_folder  # noqa: PLC0415 - only where a profile starts so
    from receiver.pocket.weights import load_networks  # noqa: PLC0415

    restorer = load_networks(weights_folder(), torch.device("cpu"), torch.float32).restorer
    digest = hashlib.sha256()
    for value in restorer.state_dict().values():
        digest.update(value.half().numpy().tobytes())

    @torch.inference_mode()
    def restore(pairs: Pairs, _first: int) -> dict[str, NDArray[Any]]:
        restored = restorer(to_batch((pairs.pictures, pairs.quarters))["quarter"]).clamp(0, 1)
        return {"starts": (restored * 255).round().byte().permute(0, 2, 3, 1).numpy()}

    return Source("starts", digest.hexdigest(), restore)


def _token_source() -> Source:
    """Return the source of the codes that the sender's token encoder makes, of both kinds."""
    digest = hashlib.sha256(b"1")
    for path in sorted(tokens_folder().glob("*.safetensors")):
        digest.update(path.read_bytes())
    encoder: list[TokenEncoder] = []

    def encode(pairs: Pairs, _first: int) -> dict[str, NDArray[Any]]:
        if not encoder:  # loads networks, which cached codes do without
            encoder.append(TokenEncoder())
        codes = [
            [encoder[0](kind, MAX_TOKENS, picture, quarter, caption).codes for kind in TokenKind]
            for picture, quarter, caption in zip(pairs.pictures, pairs.quarters, pairs.captions, strict=True)
        ]
        return {"codes": np.array(codes, np.uint8)}

    return Source("codes", digest.hexdigest(), encode)


def _latent_source() -> Source:
    """Return the source of the latent channels, which FLUX is guided by."""
    weights = Path(str(resources.files("models") / "latent" / WEIGHTS_NAME)).read_bytes()

    def encode(pairs: Pairs, _first: int) -> dict[str, NDArray[Any]]:
        encoder = LatentEncoder()
        values = [encoder.values(picture) for picture in pairs.pictures]
        best = [
            select_channels(one, picture, CHANNEL_COUNTS[-1])
            for one, picture in zip(values, pairs.pictures, strict=True)
        ]
        return {"latents": np.stack(values).astype(np.int16), "best": np.array(best, np.int16)}

    return Source("latents", hashlib.sha256(weights).hexdigest(), encode)
