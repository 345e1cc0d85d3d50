"""The link's own codecs, through the sender's and the receiver's services in this process."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import AsyncExitStack
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

from receiver.pocket.config import weights_folder
from semlink.client.client import LinkClient
from semlink.client.local_services import Addresses, reachable_services
from semlink.evaluate.codec import enlarged
from semlink.pipeline.coding_spec import REAL_ESRGAN, LinkSpec
from shared.bitstream import Bitstream
from shared.codecs.registry import codecs
from shared.errors import DataError
from shared.picture import encode_png, load_picture
from shared.pixels import grey_to_rgb
from shared.rpc.semlink.v1 import receiver_pb2, sender_pb2
from shared.rpc.wire import wire_message

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    import numpy as np
    from numpy.typing import NDArray

T = TypeVar("T")

TIMEOUT_S = 900.0
WEIGHTS = (".safetensors", ".json", ".npz", ".npy")


class LinkSession:
    """The services and a client, for callers that are not asynchronous; use as ``with``. They start on first use."""

    def __init__(self, device: str = "") -> None:
        """Have the decoder compute on ``device``; the empty one is its own choice."""
        self._device = device
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self._client: LinkClient | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._runner.run(self._stack.aclose())
        self._runner.close()

    @property
    def client(self) -> LinkClient:
        """The client, connected."""
        if self._client is None:
            self._client = self.run(self._started())
        return self._client

    def run(self, call: Coroutine[Any, Any, T]) -> T:
        """Return what ``call`` returns; the services run meanwhile."""
        return self._runner.run(call)

    async def _started(self) -> LinkClient:
        services = reachable_services(Addresses(), ["sender", "receiver"], device=self._device)
        addresses = await self._stack.enter_async_context(services)
        return await self._stack.enter_async_context(LinkClient(addresses, TIMEOUT_S))


class LinkCodec:
    """One of the link's codecs with one way to decode it; the ``.sem`` file counts."""

    suffix = ".sem"

    def __init__(self, spec: LinkSpec, session: LinkSession) -> None:
        self.name = spec.name
        self.coder = spec.codec
        self._spec = spec
        self._session = session

    def encode(self, pixels: NDArray[np.uint8], budget_bytes: int) -> bytes:
        """Return the container that the sender makes."""
        settings = wire_message(sender_pb2.SendSettings, codec=self._spec.codec, budget_bytes=budget_bytes)
        return self._session.run(self._session.client.encode(encode_png(pixels), settings)).container

    def decode(self, data: bytes, width: int, height: int) -> NDArray[np.uint8]:
        """Return the receiver's picture."""
        del width, height
        given = {"steps": self._spec.steps, "fidelity": self._spec.fidelity, "seed": self._spec.seed}
        settings = wire_message(
            receiver_pb2.DecodeSettings,
            decoder=self._spec.decoder,
            **{name: value for name, value in given.items() if value is not None},
        )
        received = self._session.run(self._session.client.decode(self._kept(data), settings))
        if not received.report.rebuilt:
            raise DataError(f"not rebuilt: {received.report.reason}")
        return grey_to_rgb(load_picture(received.png).pixels)

    def _kept(self, data: bytes) -> bytes:
        """Return the container without the streams that the specification drops."""
        if not self._spec.dropped:
            return data
        whole = Bitstream.unpack(data)
        streams = tuple(stream for stream in whole.streams if stream.kind not in self._spec.dropped)
        return Bitstream(whole.header, streams).pack()


class LinkEsrganCodec(LinkCodec):
    """The link's HCI, enlarged by Real-ESRGAN as published: what the decoder adds to it is measured against this."""

    def __init__(self, spec: LinkSpec, session: LinkSession) -> None:
        """Load the network.

        Raises:
            SetupError: Real-ESRGAN's weights are not installed.
        """
        from semlink.evaluate.baselines.avif_esrgan import real_esrgan_x4  # noqa: PLC0415 - imports torch

        super().__init__(spec, session)
        real_esrgan_x4()

    def decode(self, data: bytes, width: int, height: int) -> NDArray[np.uint8]:
        """Return the enlarged HCI."""
        from receiver.guidance import guidance_in  # noqa: PLC0415
        from receiver.pocket.sizes import quarter_size  # noqa: PLC0415
        from semlink.evaluate.baselines.avif_esrgan import four_times  # noqa: PLC0415

        hci = guidance_in(Bitstream.unpack(self._kept(data))).hci
        if hci is None:
            raise DataError("not rebuilt: there is no HCI to enlarge")
        return enlarged(four_times(enlarged(grey_to_rgb(hci.pixels), *quarter_size(width, height))), width, height)


def link_codec(spec: LinkSpec, session: LinkSession) -> LinkCodec:
    """Return the codec that ``spec`` describes.

    Raises:
        SetupError: something that it needs is not installed.
    """
    return (LinkEsrganCodec if spec.decoder == REAL_ESRGAN else LinkCodec)(spec, session)


def recipe_of(name: str) -> str:
    """Return what the name of a codec tells a sender, as far as it differs from a recipe's defaults; else nothing."""
    return codecs()[name].model_dump_json(exclude_defaults=True) if name in codecs() else ""


def weights_digest() -> str:
    """Return a hash over all weights and tables that the link's codecs use: others, other results."""
    digest = hashlib.sha256()
    shipped = {Path(str(resources.files(name))) for name in ("models", "shared")}
    for folder in sorted(shipped | {weights_folder()}):
        for file in sorted(folder.rglob("*")):
            if file.suffix in WEIGHTS:
                digest.update(file.name.encode() + b"\0")
                digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()
