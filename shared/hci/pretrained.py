"""The HCI coder ``compressai``: pretrained coders of CompressAI (Bégaint et al. 2020), if their weights are here.

It is for experiments. The sender takes it only where a codec's recipe names it, and both ends need the same weights.
Unlike the other coders it is not bit-exact across machines: its entropy decoder follows networks that compute in
floating point, and where they round otherwise, a payload decodes to noise. See ``docs/hci.md``.

::

    payload = 1 byte: architecture (4 bits), quality (4 bits)
              2 bytes: length of the first string, big-endian
              the strings of CompressAI: latent, then hyper-latent where the architecture has one
"""

from __future__ import annotations

import functools
import os
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import safetensors.torch
import torch
from torch.nn import functional

from shared.errors import BitstreamError, ConfigError, SetupError
from shared.hci.coder import COMPRESSAI_VARIABLE
from shared.home import expand_home
from shared.pixels import to_pixels, to_tensor
from shared.torch_imports import TORCH_IMPORTS
from shared.torchvision_import import allow_torchvision

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

ARCHITECTURES: Final = ("bmshj2018-factorized", "bmshj2018-hyperprior", "mbt2018-mean", "cheng2020-attn")
"""Names in CompressAI's zoo; the position is the number on the wire."""
QUALITIES: Final = range(1, 9)
MULTIPLE: Final = 64
"""Pictures are enlarged to sides of a multiple of this, by repeating their border."""
HEADER_BYTES: Final = 3
LATENT_STRIDE, HYPER_STRIDE = 16, 64
SPARE_BYTES: Final = 16
"""Zeros per symbol after a string: CompressAI's entropy decoder does not check where a damaged string ends."""
REMEDY: Final = "see docs/hci.md#compressai, or choose another coder"


class CompressAiCoder:
    """Codes small pictures with the first architecture whose weights are in the folder."""

    name = "compressai"

    def __init__(self) -> None:
        """Find the weights, called ARCHITECTURE-QUALITY.safetensors, in the folder that ``SEMLINK_COMPRESSAI`` names.

        Raises:
            SetupError: the folder or the package is missing.
        """
        folder = os.environ.get(COMPRESSAI_VARIABLE)
        if not folder:
            raise SetupError(
                f"the HCI coder compressai has no weights: set {COMPRESSAI_VARIABLE} to their folder; {REMEDY}"
            )
        self._folder = expand_home(folder)
        there = {name: [one for one in QUALITIES if self._file(name, one).is_file()] for name in ARCHITECTURES}
        found = next((name for name in ARCHITECTURES if there[name]), None)
        if found is None:
            raise SetupError(
                f"{COMPRESSAI_VARIABLE}={folder} holds no weights, such as {ARCHITECTURES[0]}-1.safetensors; {REMEDY}"
            )
        self._architecture = found
        first, last = there[found][0], there[found][-1]
        if there[found] != list(range(first, last + 1)):
            raise SetupError(f"{COMPRESSAI_VARIABLE}={folder} has a gap among {there[found]} of {found}; {REMEDY}")
        self.qualities = range(first, last + 1)
        self._load = functools.cache(self._load_network)

    def encode(self, small: NDArray[np.uint8], quality: int) -> bytes:
        """Code ``small`` (``[h, w, 3]`` or grey ``[h, w]``, uint8) at ``quality``.

        Raises:
            ConfigError: there is no such quality.
            SetupError: the weights are damaged.
        """
        if quality not in self.qualities:
            raise ConfigError(f"quality {quality}: give {self.qualities[0]} to {self.qualities[-1]}")
        picture = to_tensor(small)[None]
        height, width = picture.shape[2:]
        picture = functional.pad(picture, (0, -width % MULTIPLE, 0, -height % MULTIPLE), mode="replicate")
        with torch.inference_mode():
            strings = [one[0] for one in self._load(self._architecture, quality).compress(picture)["strings"]]
        if len(strings[0]) >= 1 << 16:
            raise ConfigError(f"a picture of {width}x{height} takes {len(strings[0])} bytes: choose a smaller scale")
        head = bytes([ARCHITECTURES.index(self._architecture) << 4 | quality])
        return head + len(strings[0]).to_bytes(2, "big") + b"".join(strings)

    def prepare(self, small: NDArray[np.uint8]) -> Callable[[int], bytes]:
        """Return ``encode`` of ``small`` as a function of the quality."""
        return partial(self.encode, small)

    def encode_within(self, small: NDArray[np.uint8], max_bytes: int) -> bytes:
        """Return the payload of the highest quality within ``max_bytes``, or that of the lowest if none fits."""
        payload = b""
        for quality in reversed(self.qualities):
            payload = self.encode(small, quality)
            if len(payload) <= max_bytes:
                break
        return payload

    def decode(self, payload: bytes, width: int, height: int, *, grey: bool) -> NDArray[np.uint8]:
        """Return the small picture of ``width`` × ``height`` pixels, ``[h, w, 3]`` or, if ``grey``, ``[h, w]``.

        Raises:
            BitstreamError: the payload is damaged.
            SetupError: its weights are missing or damaged.
        """
        if len(payload) < HEADER_BYTES:
            raise BitstreamError(f"an HCI payload of {len(payload)} bytes by compressai: it has {HEADER_BYTES} or more")
        number, quality = payload[0] >> 4, payload[0] & 15
        if number >= len(ARCHITECTURES) or quality not in QUALITIES:
            raise BitstreamError(f"an HCI payload by compressai starts with {payload[0]:#04x}, which names no network")
        network = self._load(ARCHITECTURES[number], quality)
        split = HEADER_BYTES + int.from_bytes(payload[1:HEADER_BYTES], "big")
        hyper = hasattr(network, "h_s")
        if split > len(payload) or (not hyper and split != len(payload)):
            raise BitstreamError("an HCI payload by compressai has another length than it says")
        sides = [-(-side // MULTIPLE) * MULTIPLE for side in (height, width)]
        spare = bytes(SPARE_BYTES * network.M * (sides[0] // LATENT_STRIDE) * (sides[1] // LATENT_STRIDE))
        strings = [payload[HEADER_BYTES:split], *([payload[split:]] if hyper else [])]
        stride = HYPER_STRIDE if hyper else LATENT_STRIDE
        try:
            with torch.inference_mode():
                found = network.decompress([[one + spare] for one in strings], [side // stride for side in sides])
        except (RuntimeError, ValueError, IndexError) as error:
            raise BitstreamError("an HCI payload by compressai is damaged") from error
        return to_pixels(found["x_hat"][0, :, :height, :width].nan_to_num(), grey=grey)

    def _file(self, architecture: str, quality: int) -> Path:
        return self._folder / f"{architecture}-{quality}.safetensors"

    def _load_network(self, architecture: str, quality: int) -> Any:
        path = self._file(architecture, quality)
        if not path.is_file():
            raise SetupError(f"no weights at {path}, which this HCI was coded with; {REMEDY}")
        zoo = import_zoo()
        try:
            weights = safetensors.torch.load_file(path)
            network = zoo.model_architectures[architecture].from_state_dict(weights)
        except Exception as error:  # safetensors and CompressAI raise errors of many types
            raise SetupError(f"weights at {path} are damaged or of another network; {REMEDY}") from error
        return network.requires_grad_(requires_grad=False).eval()


def import_zoo() -> Any:
    """Return the module of CompressAI with its architectures.

    Raises:
        SetupError: the package is not installed.
    """
    try:
        with TORCH_IMPORTS:
            allow_torchvision()
            from compressai.zoo import image  # noqa: PLC0415 - optional, seconds to import
    except ImportError as error:
        raise SetupError(
            f"the HCI coder compressai needs packages that are not here ({error}): pip install --no-deps compressai, "
            "and the extra 'training'"
        ) from error
    return image
