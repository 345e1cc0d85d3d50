"""The extractors of a sender. Each one loads its network at its first use."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, TypeVar

from shared.lazy import Lazy

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    import numpy as np
    from numpy.typing import NDArray

    from sender.extractors.captioner import Captioner
    from sender.extractors.latent import LatentEncoder
    from sender.extractors.regions import RegionFinder
    from sender.extractors.tokens import TokenEncoder
    from sender.hci_search import DecoderInTheLoop
    from sender.rdo import FeatureDistortion
    from shared.regions.region import Region
    from shared.tokens.stream import TokenKind, Tokens

T = TypeVar("T")


def _ignore(model: str) -> AbstractContextManager[None]:
    del model
    return nullcontext()


class Extractors:
    """Captioner, token encoder, latent encoder and region finder; several threads may call them.

    Args:
        decoder_in_the_loop: measures how well the decoder restores a highly compressed image (HCI), for recipes that
            choose the HCI with the decoder.
        loading: returns a context manager around the loading of the extractor of that name. Telemetry measures with it.
        feature_distortion: measures the loss of features with some latent channels, for the rate-task optimisation.
    """

    def __init__(
        self,
        decoder_in_the_loop: DecoderInTheLoop | None = None,
        loading: Callable[[str], AbstractContextManager[None]] = _ignore,
        feature_distortion: FeatureDistortion | None = None,
    ) -> None:
        self.decoder_in_the_loop, self.feature_distortion = decoder_in_the_loop, feature_distortion

        def lazy(name: str, load: Callable[[], T]) -> Lazy[T]:
            def load_measured() -> T:
                with loading(name):
                    return load()

            return Lazy(load_measured)

        self._captioner = lazy("captioner", _load_captioner)
        self._token_encoder = lazy("tokens", _load_token_encoder)
        self._latent_encoder = lazy("latent", _load_latent_encoder)
        self._region_finder = lazy("regions", _load_region_finder)

    def caption(self, pixels: NDArray[np.uint8]) -> str:
        """Return one sentence about the picture, uint8 ``[H, W, 3]`` or ``[H, W]``.

        Raises:
            SetupError: weights are missing or damaged.
        """
        return self._captioner()(pixels)

    def tokens(
        self, kind: TokenKind, count: int, pixels: NDArray[np.uint8], hci: NDArray[np.uint8] | None, caption: str
    ) -> Tokens:
        """Return ``count`` tokens of the picture. Residual tokens also depend on the decoded ``hci`` and ``caption``.

        Raises:
            SetupError: weights are missing or damaged.
        """
        return self._token_encoder()(kind, count, pixels, hci, caption)

    def latent(self, pixels: NDArray[np.uint8], count: int) -> tuple[NDArray[np.int16], tuple[int, ...]]:
        """Return all channels ``[32, H / 16, W / 16]`` of the latent, and the ids of the ``count`` best, best first.

        Raises:
            SetupError: weights are missing or damaged.
        """
        values = self._latent_encoder().values(pixels)
        from sender.extractors.latent import select_channels  # noqa: PLC0415 - the encoder has imported it by now

        return values, select_channels(values, pixels, count)

    def regions(self, pixels: NDArray[np.uint8]) -> tuple[Region, ...]:
        """Return up to three regions; () if nothing is recognised.

        Raises:
            SetupError: a package is missing or damaged.
        """
        return self._region_finder().find_regions(pixels)


def _load_captioner() -> Captioner:
    from sender.extractors.captioner import Captioner  # noqa: PLC0415 - this and the next ones import torch

    return Captioner()


def _load_token_encoder() -> TokenEncoder:
    from sender.extractors.tokens import TokenEncoder  # noqa: PLC0415

    return TokenEncoder()


def _load_latent_encoder() -> LatentEncoder:
    from sender.extractors.latent import LatentEncoder  # noqa: PLC0415

    return LatentEncoder()


def _load_region_finder() -> RegionFinder:
    from sender.extractors.regions import RegionFinder  # noqa: PLC0415

    return RegionFinder()
