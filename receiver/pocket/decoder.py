"""The pocket decoder behind the interface of ``receiver.decoders.base``. Imports torch at first use."""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING, Final

from receiver.decoders.base import DecodeCost, ModelId
from receiver.decoders.batches import decode_in_batches
from receiver.pocket.config import CONFIG_NAME, read_config, weights_folder, weights_hint
from shared.errors import SetupError
from shared.lazy import Lazy
from shared.out_of_memory import report_out_of_memory

PICTURE_BYTES: Final = 150
"""Memory per pixel of a picture, beside the tile in work (docs/results/decode-time.md)."""
TILE_BYTES: Final = 600 << 20
TILE_PIXELS: Final = 1024 * 1024

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Hashable, Iterator, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from receiver.decoders.base import DecodeOptions, Reconstruction
    from receiver.guidance import Guidance
    from receiver.pocket.conditioning import Conditioning
    from receiver.pocket.pipeline import PocketPipeline
    from shared.bitstream import PictureHeader
    from shared.text import TextEncoder

    Request = tuple[Guidance, DecodeOptions]


class PocketDecoder:
    """A restorer, then a refiner. Fallback synthesis replaces a lost HCI, so that there is always a picture.

    The HCI is the highly compressed image. Several threads may call the decoder at once. The networks load at first
    use.
    """

    name = "pocket"
    max_steps = 4

    def __init__(self, device: str = "", folder: Path | None = None) -> None:
        """Use the weights in ``folder`` on ``device``: "cpu", "cuda", "cuda:N"; "" is CUDA if there is a GPU.

        Without ``folder``, use the folder in the environment variable ``SEMLINK_POCKET``, else the shipped weights.

        Raises:
            SetupError: the weights' configuration is missing or damaged.
        """
        self._folder = folder or weights_folder()
        self._device_name = device
        self._pipeline = Lazy(self._load_pipeline)
        self._text_encoder = Lazy(_load_text_encoder)
        config = read_config(self._folder)
        self.default_steps: int | None = config.steps
        self._fidelity = config.fidelity

    @property
    def device(self) -> str:
        """Where it computes.

        Raises:
            SetupError: there is no such device.
        """
        from shared.torch_devices import select_device  # noqa: PLC0415 - imports torch

        return str(select_device(self._device_name))

    @property
    def models(self) -> tuple[ModelId, ...]:
        """Its networks, as one model whose revision is a hash of ``config.json``, which has the hash of each.

        Raises:
            SetupError: the file cannot be read.
        """
        read_config(self._folder)
        digest = hashlib.sha256((self._folder / CONFIG_NAME).read_bytes()).hexdigest()
        return (ModelId("base", self.name, digest[:12]),)

    def load(self) -> PocketPipeline:
        """Load the networks if they are not loaded yet, and return the pipeline that runs them.

        Raises:
            SetupError: weights are missing or damaged, or there is no such device.
            LimitError: the memory of the device is too small.
        """
        return self._pipeline()

    def cost(self, header: PictureHeader, steps: int) -> DecodeCost:
        """Return what decoding takes, as ``Decoder.cost``; its networks see a tile at a time."""
        tile_bytes = min(header.pixels, TILE_PIXELS) * TILE_BYTES // TILE_PIXELS
        return DecodeCost(header.pixels * PICTURE_BYTES + tile_bytes, header.pixels * (1 + steps))

    def reconstruct(
        self, guidance: Guidance, options: DecodeOptions, stop: threading.Event | None = None
    ) -> Reconstruction:
        """Return the picture, and the trust map if asked for. Once ``stop`` is set, the work ends at the next tile.

        Raises:
            SetupError: weights are missing or damaged (some damage shows only as outputs that are not finite), or
                there is no such device.
            LimitError: the memory of the device is too small for the picture.
            ServiceError: ``stop`` was set.
        """
        return self.reconstruct_many([(guidance, options)], stop)[0]

    def reconstruct_many(
        self, requests: Sequence[Request], stop: threading.Event | None = None
    ) -> list[Reconstruction]:
        """Return what ``reconstruct`` returns, for each request. Pictures of one size are decoded as a batch.

        Raises:
            SetupError, LimitError, ServiceError: as ``reconstruct``.
        """
        from receiver.pocket.finish import finish  # noqa: PLC0415 - imports torch

        pipeline = self.load().with_stop(stop)

        def key(guidance: Guidance, options: DecodeOptions) -> Hashable:
            return guidance.hci is None, guidance.latent is None, options.steps

        def decode(chosen: Sequence[Request]) -> list[Reconstruction]:
            header = chosen[0][0].header
            what = f"a picture of {header.width}x{header.height}"
            with report_out_of_memory(what, str(pipeline.device)), self._report_damaged_weights():
                pictures = _decode_batch(pipeline, self._text_encoder, chosen)
                return [finish(*one, self._fidelity) for one in zip(pictures, chosen, strict=True)]

        return decode_in_batches(requests, key, pipeline.side**2, decode)

    @contextlib.contextmanager
    def _report_damaged_weights(self) -> Iterator[None]:
        try:
            yield
        except FloatingPointError as error:
            raise SetupError(
                f"the weights in {self._folder} give outputs that are not finite; {weights_hint()}"
            ) from error

    def _load_pipeline(self) -> PocketPipeline:
        from receiver.pocket.pipeline import PocketPipeline  # noqa: PLC0415
        from receiver.pocket.weights import load_networks  # noqa: PLC0415
        from shared.torch_devices import select_device  # noqa: PLC0415 - these import torch

        device = select_device(self._device_name)
        with report_out_of_memory("the pocket decoder", str(device)):
            networks = load_networks(self._folder, device)
            return PocketPipeline(networks, device)


def _load_text_encoder() -> TextEncoder:
    from shared.text import TextEncoder  # noqa: PLC0415 - imports torch

    return TextEncoder()


def _decode_batch(pipeline: PocketPipeline, text: Callable[[], TextEncoder], requests: Sequence[Request]) -> Tensor:
    """Decode ``requests`` of one size and equal steps to ``[B, 3, H, W]``.

    Either all of them have an HCI or none, and either all have latent channels or none.
    """
    from receiver.pocket.conditioning import make_conditioning  # noqa: PLC0415 - imports torch

    header, steps = requests[0][0].header, requests[0][1].steps
    guidances = [guidance for guidance, _ in requests]
    seeds = [options.seed for _, options in requests]
    given = any(one.hci is not None for one in guidances)
    needed = steps or not given or any(_needs_fallback(one) for one in guidances)
    conditioning = [make_conditioning(one, text) for one in guidances] if needed else None
    hcis = None
    if given:
        rest: Sequence[Conditioning | None] = conditioning or [None] * len(guidances)
        hcis = [_filled_hci(one, pipeline, other) for one, other in zip(guidances, rest, strict=True)]
    return pipeline.decode_batch(hcis, seeds, header.width, header.height, steps, conditioning)


def _needs_fallback(guidance: Guidance) -> bool:
    """Whether slices of the HCI were lost, and latent channels are all that shows what they held."""
    return guidance.received is not None and guidance.base is None and guidance.latent is not None


def _filled_hci(guidance: Guidance, pipeline: PocketPipeline, conditioning: Conditioning | None) -> NDArray[np.uint8]:
    """Return the pixels of the HCI, lost slices filled from the fallback image where there is no base."""
    from receiver.concealment import fill_lost  # noqa: PLC0415 - only lost slices need these
    from shared.hci.stream import upsample  # noqa: PLC0415
    from shared.pixels import to_pixels  # noqa: PLC0415

    assert guidance.hci is not None
    pixels, header = guidance.hci.pixels, guidance.header
    if conditioning is None or guidance.received is None or not _needs_fallback(guidance):
        return pixels
    fallback = pipeline.fallback_images([conditioning], header.width, header.height)[0]
    under = upsample(to_pixels(fallback, grey=header.grey), pixels.shape[1], pixels.shape[0])
    return fill_lost(pixels, guidance.received[0, 0] > 0, under)
