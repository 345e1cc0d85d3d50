"""What a sender reads out of a picture, each extractor loaded when it is first needed; several threads may call it."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from shared.torch_imports import TORCH_IMPORTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    import numpy as np
    from numpy.typing import NDArray

    from sender.hci_search import Judge
    from sender.rdo import Analyst
    from shared.regions.region import Region
    from shared.tokens.stream import TokenKind, Tokens


def _unwatched(model: str) -> AbstractContextManager[None]:
    del model
    return nullcontext()


class Extractors:
    """Captioner, token encoder, latent encoder and region finder, and what tries HCIs and planes, if the sender has it.

    Args:
        judge: tries HCIs.
        loading: what happens around the loading of each extractor, given its name.
        analyst: says what planes lose, for recipes with a trade-off.
    """

    def __init__(
        self,
        judge: Judge | None = None,
        loading: Callable[[str], AbstractContextManager[None]] = _unwatched,
        analyst: Analyst | None = None,
    ) -> None:
        self.judge, self.analyst = judge, analyst
        self._loading = loading
        self._lock = threading.Lock()
        self._loaded: dict[str, Any] = {}

    def caption(self, pixels: NDArray[np.uint8]) -> str:
        """Return one sentence on the picture, uint8 ``[H, W, 3]`` or ``[H, W]``.

        Raises:
            SetupError: weights are missing or damaged.
        """
        from sender.extractors.captioner import Captioner  # noqa: PLC0415 - these import torch

        return str(self._get("captioner", Captioner)(pixels))

    def tokens(
        self, kind: TokenKind, count: int, pixels: NDArray[np.uint8], hci: NDArray[np.uint8] | None, caption: str
    ) -> Tokens:
        """Return ``count`` tokens of the picture; RSRTs look at the decoded ``hci`` and at ``caption`` as well.

        Raises:
            SetupError: weights are missing or damaged.
        """
        from sender.extractors.tokens import TokenEncoder  # noqa: PLC0415

        encoder: TokenEncoder = self._get("tokens", TokenEncoder)
        return encoder(kind, count, pixels, hci, caption)

    def planes(self, pixels: NDArray[np.uint8], count: int) -> tuple[NDArray[np.int16], tuple[int, ...]]:
        """Return all planes ``[32, H / 16, W / 16]`` of the latent, and the ``count`` that show most, best first.

        Raises:
            SetupError: weights are missing or damaged.
        """
        from sender.extractors.latent import LatentEncoder, chosen_channels  # noqa: PLC0415

        values = self._get("latent", LatentEncoder).values(pixels)
        return values, chosen_channels(values, pixels, count)

    def regions(self, pixels: NDArray[np.uint8]) -> tuple[Region, ...]:
        """Return up to three regions, none where nothing is recognised.

        Raises:
            SetupError: a package is missing or damaged.
        """
        from sender.extractors.regions import RegionFinder  # noqa: PLC0415

        return tuple(self._get("regions", RegionFinder).regions_of(pixels))

    def _get(self, name: str, make: Callable[[], Any]) -> Any:
        with self._lock:
            if name not in self._loaded:
                with TORCH_IMPORTS, self._loading(name):
                    self._loaded[name] = make()
            return self._loaded[name]
