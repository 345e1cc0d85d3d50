"""The extractors of a sender. Each one loads its network at its first use.

The captioner and the region finder are those that ship, or those of a model profile (``sender/hub``).
"""

from __future__ import annotations

import copy
import threading
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from shared.errors import ConfigError
from shared.hub.registry import DEFAULT_PROFILE, load_profile
from shared.lazy import Lazy
from shared.streams import WORD_STREAMS

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
    from sender.hub.extractors import HubExtractors
    from sender.rdo import FeatureDistortion
    from sender.residual import ResidualCodes
    from shared.codecs.recipe import Codec
    from shared.hub.profile import ModelProfile
    from shared.regions.region import Region
    from shared.tokens.stream import TokenKind, Tokens

T = TypeVar("T")
MOST_BYTES: Final = 1 << 20
"""More bytes than any caption and any regions take: no limit."""


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
        residual_codes: finds residual tokens, for recipes that send them.
        device: where the captioner of a model profile computes; "": CUDA where there is one. Those that ship use the
            CPU.
    """

    def __init__(
        self,
        decoder_in_the_loop: DecoderInTheLoop | None = None,
        loading: Callable[[str], AbstractContextManager[None]] = _ignore,
        feature_distortion: FeatureDistortion | None = None,
        device: str = "",
        residual_codes: ResidualCodes | None = None,
    ) -> None:
        self.decoder_in_the_loop, self.feature_distortion = decoder_in_the_loop, feature_distortion
        self.residual_codes = residual_codes

        self._device = device
        self._hub: Lazy[HubExtractors] | None = None
        self._of_profiles: dict[str, Extractors] = {}
        self._adding = threading.Lock()

        def lazy(name: str, load: Callable[[], T]) -> Lazy[T]:
            def load_measured() -> T:
                with loading(name):
                    return load()

            return Lazy(load_measured)

        self._captioner = lazy("captioner", _load_captioner)
        self._token_encoder = lazy("tokens", _load_token_encoder)
        self._latent_encoder = lazy("latent", _load_latent_encoder)
        self._region_finder = lazy("regions", _load_region_finder)
        self._load_measured = lazy

    def of_profile(self, name: str, codec: Codec) -> Extractors:
        """Return these extractors with the captioner and the region finder of the model profile ``name``.

        "" and the default profile mean those that ship. All other extractors are shared.

        Raises:
            ConfigError: the profile has no captioner, or ``codec`` sends no words.
            LinkError: there is no such profile, or it is not valid.
        """
        if name in ("", DEFAULT_PROFILE):
            return self
        profile = load_profile(name)
        if profile.captioner is None:
            raise ConfigError(f"model profile {profile.name} has no captioner: add one, or choose another profile")
        if not WORD_STREAMS.intersection(codec.streams):
            raise ConfigError(
                f"codec '{codec.name}' sends no words: leave the captioner {profile.name} out, or choose a codec that "
                "does (misc)"
            )
        key = profile.model_dump_json()
        with self._adding:
            if key not in self._of_profiles:
                changed = copy.copy(self)
                load = partial(_load_hub, profile, self._device)
                changed._hub = self._load_measured("captioner", load)  # noqa: SLF001 - a copy of its own class
                self._of_profiles[key] = changed
            return self._of_profiles[key]

    def caption(self, pixels: NDArray[np.uint8], max_bytes: int = MOST_BYTES) -> str:
        """Return one sentence about the picture, uint8 ``[H, W, 3]`` or ``[H, W]``.

        The captioner that ships writes at most 14 words. That of a model profile writes a sentence whose payload has at
        most ``max_bytes``, "" if no word fits.

        Raises:
            SetupError: weights are missing or damaged.
        """
        return self._captioner()(pixels) if self._hub is None else self._hub().caption(pixels, max_bytes)

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

    def regions(self, pixels: NDArray[np.uint8], max_bytes: int = MOST_BYTES) -> tuple[Region, ...]:
        """Return up to three regions; () if nothing is recognised.

        Those of a model profile have a payload of at most ``max_bytes``. A profile that cannot find regions leaves them
        to the finder that ships.

        Raises:
            SetupError: a package is missing or damaged.
        """
        if self._hub is None or not self._hub().finds_regions:
            return self._region_finder().find_regions(pixels)
        return self._hub().find_regions(pixels, max_bytes)


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


def _load_hub(profile: ModelProfile, device: str) -> HubExtractors:
    from sender.extractors.objects import class_names  # noqa: PLC0415
    from sender.hub.extractors import HubExtractors  # noqa: PLC0415

    return HubExtractors(profile, class_names(), device)
