"""The decoder of a model profile, behind the interface of ``receiver.decoders.base``. Imports torch at first use."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from receiver.decoders.base import DecodeCost, ModelId
from receiver.decoders.batches import decode_in_batches
from receiver.hub.conditions import make_conditions
from receiver.pocket.decoder import PocketDecoder
from shared.hub.files import find_profile
from shared.hub.layout import DECODER_ROLES, parts_of
from shared.lazy import Lazy
from shared.out_of_memory import report_out_of_memory

if TYPE_CHECKING:
    import threading
    from collections.abc import Hashable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from receiver.decoders.base import DecodeOptions, Reconstruction
    from receiver.guidance import Guidance
    from receiver.hub.pipeline import HubPipeline
    from shared.bitstream import PictureHeader
    from shared.hub.profile import ModelProfile

    Request = tuple[Guidance, DecodeOptions]


class HubDecoder:
    """A pretrained generator that starts from the decoded picture. Several threads may call it at once.

    The start is the received HCI (highly compressed image), enlarged or restored by the pocket decoder, which also
    makes a start from the other streams where there is no HCI. The networks load at first use.
    """

    def __init__(self, profile: ModelProfile, device: str = "") -> None:
        """Use the models of ``profile`` on ``device``: "cpu", "cuda", "cuda:N"; "" is CUDA if there is a GPU."""
        self.name = profile.name
        self.default_steps: int | None = profile.steps
        self.max_steps = profile.max_steps
        self._profile = profile
        self._device_name = device
        self._pipeline = Lazy(self._load_pipeline)
        self._pocket = PocketDecoder(device)

    @property
    def device(self) -> str:
        """Where it computes.

        Raises:
            SetupError: there is no such device.
        """
        return self._pocket.device

    @property
    def models(self) -> tuple[ModelId, ...]:
        """The models of the profile that it loads."""
        parts = [part for part in parts_of(self._profile) if part.role in DECODER_ROLES]
        return tuple(ModelId(part.role, part.source.at, part.source.revision or "") for part in parts)

    def cost(self, header: PictureHeader, steps: int) -> DecodeCost:
        """Return what decoding takes, as ``Decoder.cost``.

        Raises:
            SetupError, LimitError, ConfigError: as ``load``, if it was not loaded.
        """
        from receiver.hub.cost import decode_cost  # noqa: PLC0415

        return decode_cost(self.load().model, self._profile, header, steps, self._pocket.cost(header, 0))

    def load(self) -> HubPipeline:
        """Load the networks if they are not loaded yet, and return the pipeline that runs them.

        Raises:
            SetupError: a file is missing or damaged or of another network; or a package or the device is missing.
            LimitError: the memory of the device is too small.
            ConfigError: a setting of the profile does not fit the base.
        """
        return self._pipeline()

    def reconstruct(
        self, guidance: Guidance, options: DecodeOptions, stop: threading.Event | None = None
    ) -> Reconstruction:
        """Return the picture, and the trust map if asked for. Once ``stop`` is set, the work ends at the next network.

        Raises:
            SetupError, LimitError, ConfigError: as ``load``; or the memory is too small for the picture.
            ServiceError: ``stop`` was set.
        """
        return self.reconstruct_many([(guidance, options)], stop)[0]

    def reconstruct_many(
        self, requests: Sequence[Request], stop: threading.Event | None = None
    ) -> list[Reconstruction]:
        """Return what ``reconstruct`` returns, for each request. Pictures of one size are decoded as a batch.

        Raises:
            SetupError, LimitError, ConfigError, ServiceError: as ``reconstruct``.
        """
        pipeline = self.load().with_stop(stop)

        def key(guidance: Guidance, options: DecodeOptions) -> Hashable:
            if not _is_generated(guidance, options):
                return object()  # alone
            return make_conditions(guidance, self._profile).shape, options.steps

        def decode(chosen: Sequence[Request]) -> list[Reconstruction]:
            header = chosen[0][0].header
            what = f"a picture of {header.width}x{header.height} by {self.name}"
            with report_out_of_memory(what, str(pipeline.device)), self._report_damaged_weights():
                return self._decode(pipeline, chosen, stop)

        return decode_in_batches(requests, key, pipeline.side**2, decode)

    def _decode(
        self, pipeline: HubPipeline, requests: Sequence[Request], stop: threading.Event | None
    ) -> list[Reconstruction]:
        """Decode requests of one size, one shape of conditions and equal steps."""
        import torch  # noqa: PLC0415 - seconds to import

        from receiver.pocket.finish import finish  # noqa: PLC0415
        from shared.pixels import to_tensor  # noqa: PLC0415

        starts = torch.stack([to_tensor(self._start(guidance, options, stop)) for guidance, options in requests])
        steps = requests[0][1].steps
        if _is_generated(*requests[0]):
            conditions = [make_conditions(guidance, self._profile) for guidance, _ in requests]
            starts = pipeline.generate(starts, conditions, [options.seed for _, options in requests], steps)
        return [finish(*one, self._profile.fidelity) for one in zip(starts, requests, strict=True)]

    def _start(self, guidance: Guidance, options: DecodeOptions, stop: threading.Event | None) -> NDArray[np.uint8]:
        """Return the decoded picture where the sampling starts, ``[H, W, 3]`` or ``[H, W]``."""
        from receiver.decoders.base import DecodeOptions  # noqa: PLC0415
        from shared.hci.stream import upsample  # noqa: PLC0415 - loads the codecs

        if guidance.hci is not None and self._profile.start == "lanczos":
            return upsample(guidance.hci.pixels, guidance.header.width, guidance.header.height)
        plain = DecodeOptions(steps=0, fidelity=0.0, seed=options.seed, trust=False)
        return self._pocket.reconstruct(guidance, plain, stop).pixels

    @contextlib.contextmanager
    def _report_damaged_weights(self) -> Iterator[None]:
        try:
            yield
        except FloatingPointError as error:
            from receiver.hub.trial import report_not_finite  # noqa: PLC0415 - imports torch

            raise report_not_finite(self._profile, error) from error

    def _load_pipeline(self) -> HubPipeline:
        import torch  # noqa: PLC0415 - seconds to import

        from receiver.hub.load import load_model  # noqa: PLC0415
        from receiver.hub.pipeline import HubPipeline  # noqa: PLC0415
        from shared.torch_devices import select_device  # noqa: PLC0415

        found = find_profile(self._profile, DECODER_ROLES)
        device = select_device(self._device_name)
        with report_out_of_memory(f"model profile {self.name}", str(device)), torch.inference_mode():
            return HubPipeline(load_model(self._profile, found, device), self._profile, device)


def _is_generated(guidance: Guidance, options: DecodeOptions) -> bool:
    """Whether the base is used: without steps, or where nothing arrived, the start is the picture."""
    return options.steps > 0 and not guidance.is_empty
