"""The pocket decoder as the receiver's service sees it. Imports torch and diffusers on first use only."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from receiver.decoders.base import Reconstruction
from receiver.pocket.config import config_in, way_out, weights_folder
from shared.errors import LimitError, SetupError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from torch import Tensor

    from receiver.decoders.base import DecodeOptions
    from receiver.guidance import Guidance
    from receiver.pocket.pipeline import Pipeline
    from shared.text import TextEncoder

    Request = tuple[Guidance, DecodeOptions]

OUT_OF_MEMORY = ("out of memory", "not enough memory", "allocate memory", "could not create a memory")


class PocketDecoder:
    """Restorer, then a rectified flow; a sketch stands in for a lost HCI, so that there is always a picture.

    Several threads may call it at once. The networks load on first use.
    """

    name = "pocket"

    def __init__(self, device: str = "", folder: Path | None = None) -> None:
        """Choose ``device`` ("cpu", "cuda", "cuda:N"; "" is CUDA where there is one) and the weights in ``folder``.

        Without ``folder`` they are those in the folder that ``SEMLINK_POCKET`` names, or those that ship.

        Raises:
            SetupError: the weights' configuration is missing or damaged.
        """
        self._folder = folder or weights_folder()
        self._device_name = device
        self._lock = threading.Lock()
        self._pipeline: Pipeline | None = None
        self._text: TextEncoder | None = None
        config = config_in(self._folder)
        self.default_steps: int | None = config.steps
        self._fidelity = config.fidelity

    @property
    def device(self) -> str:
        """Where it computes.

        Raises:
            SetupError: there is no such device.
        """
        from receiver.pocket.devices import device_named  # noqa: PLC0415 - imports torch

        return str(device_named(self._device_name))

    def load(self) -> Pipeline:
        """Load the networks, unless they are there, and return them at work.

        Raises:
            SetupError: weights are missing or damaged, or there is no such device.
            LimitError: the device's memory does not hold them.
        """
        with self._lock:
            if self._pipeline is None:
                self._pipeline = self._loaded()
            return self._pipeline

    def reconstruct(
        self, guidance: Guidance, options: DecodeOptions, stop: threading.Event | None = None
    ) -> Reconstruction:
        """Return the picture, and the trust map if asked for. Once ``stop`` is set the work ends at the next tile.

        Raises:
            SetupError: weights are missing or damaged, which may show in values that are no numbers only, or there is
                no such device.
            LimitError: the device's memory does not hold the picture.
            ServiceError: ``stop`` was set.
        """
        return self.reconstruct_many([(guidance, options)], stop)[0]

    def reconstruct_many(
        self, requests: Sequence[Request], stop: threading.Event | None = None
    ) -> list[Reconstruction]:
        """Return what ``reconstruct`` returns for each request; pictures of one size go through the networks together.

        Raises:
            SetupError, LimitError, ServiceError: as ``reconstruct``.
        """
        pipeline = self.load().ending_at(stop)
        groups: dict[object, list[int]] = {}
        for index, (guidance, options) in enumerate(requests):
            header = guidance.header
            key = (header.width, header.height, guidance.hci is None, guidance.latent is None, options.steps)
            groups.setdefault(key, []).append(index)
        made: dict[int, Reconstruction] = {}
        for members in groups.values():
            header = requests[members[0]][0].header
            at_once = max(1, pipeline.side**2 // header.pixels)
            for start in range(0, len(members), at_once):
                indices = members[start : start + at_once]
                with (
                    _within_memory(f"a picture of {header.width}x{header.height}", str(pipeline.device)),
                    self._working_weights(),
                ):
                    chosen = [requests[index] for index in indices]
                    pictures = _pictures(pipeline, self._text_encoder, chosen)
                    finished = [self._finished(*one) for one in zip(pictures, chosen, strict=True)]
                    made.update(zip(indices, finished, strict=True))
        return [made[index] for index in range(len(requests))]

    def _finished(self, picture: Tensor, request: Request) -> Reconstruction:
        from receiver.pocket.fidelity import fidelity_at, projected  # noqa: PLC0415 - these import torch
        from receiver.pocket.trust import trust_map  # noqa: PLC0415
        from shared.pixels import to_pixels, to_tensor  # noqa: PLC0415

        guidance, options = request
        hci, fidelity = None, None
        if guidance.hci is not None:
            hci = to_tensor(guidance.hci.pixels).to(picture.device)
            fidelity = fidelity_at(guidance.hci.scale, self._fidelity) if options.fidelity is None else options.fidelity
            picture = projected(picture, hci, fidelity)
        pixels = to_pixels(picture, grey=guidance.header.grey)
        if not options.trust:
            return Reconstruction(pixels, fidelity=fidelity)
        trust = trust_map(to_tensor(pixels).to(picture.device), hci).cpu().numpy()
        return Reconstruction(pixels, trust, float(trust.mean()) / 255, fidelity)

    def _text_encoder(self) -> TextEncoder:
        from shared.text import TextEncoder  # noqa: PLC0415 - imports torch

        with self._lock:
            if self._text is None:
                self._text = TextEncoder()
            return self._text

    @contextlib.contextmanager
    def _working_weights(self) -> Iterator[None]:
        try:
            yield
        except FloatingPointError as error:
            raise SetupError(f"the weights in {self._folder} make values that are no numbers; {way_out()}") from error

    def _loaded(self) -> Pipeline:
        from receiver.pocket.devices import device_named  # noqa: PLC0415 - these import torch and diffusers
        from receiver.pocket.pipeline import Pipeline  # noqa: PLC0415
        from receiver.pocket.weights import load_networks  # noqa: PLC0415

        device = device_named(self._device_name)
        with _within_memory("the pocket decoder", str(device)):
            return Pipeline(load_networks(self._folder, device), device)


def _pictures(pipeline: Pipeline, text: Callable[[], TextEncoder], requests: Sequence[Request]) -> Tensor:
    """Return ``[B, 3, H, W]`` for ``requests`` of one size and equal steps; all have an HCI or none, and so planes."""
    from receiver.pocket.hints import hints_of  # noqa: PLC0415 - imports torch

    header, steps = requests[0][0].header, requests[0][1].steps
    hcis = [guidance.hci.pixels for guidance, _ in requests if guidance.hci is not None]
    seeds = [options.seed for _, options in requests]
    hints = [hints_of(guidance, text) for guidance, _ in requests] if steps or not hcis else None
    return pipeline.pictures(hcis or None, seeds, header.width, header.height, steps, hints)


@contextlib.contextmanager
def _within_memory(what: str, device: str) -> Iterator[None]:
    """Turn running out of memory, in whichever way torch reports it, into a ``LimitError`` that names ``what``."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not any(words in str(error).lower() for words in OUT_OF_MEMORY):
            raise
        raise LimitError(
            f"{what} does not fit into the memory of {device}: free some, send a smaller picture, "
            "or use another device or --decoder hci"
        ) from error
