"""Sessions: the link in this process or over services elsewhere, with the same calls."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from concurrent.futures import CancelledError, Future
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from semlink.client.addresses import SERVICE_NAMES, Addresses
from semlink.pipeline.transfer import ignore_arrival, ignore_preview, ignore_stage
from shared.errors import ConfigError, ServiceError
from shared.rpc.limits import DEFAULT_TIMEOUT_S

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Sequence

    from semlink.client.client import LinkClient
    from semlink.pipeline.transfer import Carried, Decoded, OnArrival, OnPreview, OnStage, Transfer
    from shared.rpc.semlink.v1 import channel_pb2, receiver_pb2, sender_pb2

T = TypeVar("T")


class Session(Protocol):
    """The calls of the link, which ``LocalSession`` and ``RemoteSession`` implement."""

    def encode(
        self, picture: bytes, settings: sender_pb2.SendSettings, on_stage: OnStage = ignore_stage
    ) -> sender_pb2.SendReport:
        """Encode a picture file; the report holds the container."""
        ...

    def decode(
        self,
        container: bytes,
        settings: receiver_pb2.DecodeSettings | None = None,
        *,
        reference: bytes = b"",
        on_preview: OnPreview = ignore_preview,
    ) -> Decoded:
        """Decode a ``.sem`` container; with ``reference``, a picture file, quality is measured."""
        ...

    def transmit(self, packets: Sequence[bytes], settings: channel_pb2.ChannelSettings) -> Carried:
        """Send ``packets`` over a channel."""
        ...

    def transfer(
        self,
        picture: bytes,
        send: sender_pb2.SendSettings,
        channel: channel_pb2.ChannelSettings,
        receive: receiver_pb2.ReceiveSettings | None = None,
        *,
        on_stage: OnStage = ignore_stage,
        on_arrival: OnArrival = ignore_arrival,
    ) -> Transfer:
        """Send a picture file over the whole link; ``on_arrival`` takes each packet, with its bytes if delivered."""
        ...

    def codecs(self) -> sender_pb2.ListCodecsResponse:
        """Return the codecs by name."""
        ...

    def channels(self) -> channel_pb2.ListChannelsResponse:
        """Return the channels by name."""
        ...

    def describe(self, settings: channel_pb2.ChannelSettings) -> channel_pb2.DescribeChannelResponse:
        """Return the channel that a transmission with ``settings`` would use."""
        ...

    def predict_loss(self, request: channel_pb2.PredictLossRequest) -> channel_pb2.PredictLossResponse:
        """Return the predicted loss and the channel uses of streams, for every MCS and number of repair packets."""
        ...

    def prepare(self, receive: receiver_pb2.ReceiveSettings) -> None:
        """Check ``receive``, and start to load what it needs, where the receiver runs in this process."""
        ...

    def close(self) -> None:
        """Close connections, if there are any."""
        ...


class RemoteSession:
    """The link over services at ``addresses``; a service without an address runs on loopback in this process.

    Several threads may call. The calls run on an event loop in a thread of its own.

    Raises:
        ConfigError: a ``device`` is given, but the receiver runs elsewhere.
    """

    def __init__(self, addresses: Addresses, *, device: str = "", timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
        if device and addresses.receiver:
            raise ConfigError(
                f"--device {device}: the receiver at {addresses.receiver} has its own --device; leave this one out"
            )
        self._given, self._device, self._timeout_s = addresses, device, timeout_s
        self._loop = asyncio.new_event_loop()
        self._stack = contextlib.AsyncExitStack()
        self._thread = threading.Thread(target=self._loop.run_forever, name="semlink-client", daemon=True)
        self._state = threading.Lock()
        self._closed = False
        self._calls: set[Future[Any]] = set()
        self._addresses = dict.fromkeys(SERVICE_NAMES, "")
        self._client: LinkClient | None = None
        self._lock = asyncio.Lock()

    def close(self) -> None:
        """Close the connections and stop the services that were started here."""
        with self._state:
            if self._closed:
                return
            self._closed = True
        if self._thread.is_alive():
            for call in list(self._calls):
                call.cancel()
            asyncio.run_coroutine_threadsafe(self._stack.aclose(), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        self._loop.close()

    def prepare(self, receive: receiver_pb2.ReceiveSettings) -> None:
        """Do nothing: a service checks its settings in each call, and loads at its first use."""

    def encode(
        self, picture: bytes, settings: sender_pb2.SendSettings, on_stage: OnStage = ignore_stage
    ) -> sender_pb2.SendReport:
        """Encode a picture file at the sender."""
        return self._call(("sender",), lambda client: client.encode(picture, settings, on_stage))

    def decode(
        self,
        container: bytes,
        settings: receiver_pb2.DecodeSettings | None = None,
        *,
        reference: bytes = b"",
        on_preview: OnPreview = ignore_preview,
    ) -> Decoded:
        """Decode a ``.sem`` container at the receiver."""
        return self._call(
            ("receiver",),
            lambda client: client.decode(container, settings, reference=reference, on_preview=on_preview),
        )

    def transmit(self, packets: Sequence[bytes], settings: channel_pb2.ChannelSettings) -> Carried:
        """Send ``packets`` over the channel service."""
        return self._call(("channel",), lambda client: client.transmit(packets, settings))

    def transfer(
        self,
        picture: bytes,
        send: sender_pb2.SendSettings,
        channel: channel_pb2.ChannelSettings,
        receive: receiver_pb2.ReceiveSettings | None = None,
        *,
        on_stage: OnStage = ignore_stage,
        on_arrival: OnArrival = ignore_arrival,
    ) -> Transfer:
        """Send a picture file over the three services."""
        return self._call(
            ("sender", "channel", "receiver"),
            lambda client: client.transfer(picture, send, channel, receive, on_stage=on_stage, on_arrival=on_arrival),
        )

    def codecs(self) -> sender_pb2.ListCodecsResponse:
        """Return the codecs of the sender."""
        return self._call(("sender",), lambda client: client.codecs())

    def channels(self) -> channel_pb2.ListChannelsResponse:
        """Return the channels of the channel service."""
        return self._call(("channel",), lambda client: client.channels())

    def describe(self, settings: channel_pb2.ChannelSettings) -> channel_pb2.DescribeChannelResponse:
        """Return the channel that a transmission with ``settings`` would use."""
        return self._call(("channel",), lambda client: client.describe(settings))

    def predict_loss(self, request: channel_pb2.PredictLossRequest) -> channel_pb2.PredictLossResponse:
        """Return the channel service's prediction for streams, for every MCS and number of repair packets."""
        return self._call(("channel",), lambda client: client.predict_loss(request))

    def _call(self, services: tuple[str, ...], method: Callable[[LinkClient], Coroutine[Any, Any, T]]) -> T:
        async def run() -> T:
            return await method(await self._reach(services))

        with self._state:
            if self._closed:
                raise ServiceError("this client is closed; connect again")
            if not self._thread.is_alive():
                self._thread.start()
            future = asyncio.run_coroutine_threadsafe(run(), self._loop)
            self._calls.add(future)
            future.add_done_callback(self._calls.discard)
        try:
            return future.result()
        except CancelledError as error:
            raise ServiceError("the client was closed during the call; connect again") from error
        except BaseException:
            future.cancel()
            raise

    async def _reach(self, services: tuple[str, ...]) -> LinkClient:
        """Return a client of ``services``; one without an address is started here at its first use."""
        from semlink.client.client import LinkClient  # noqa: PLC0415 - imports gRPC
        from semlink.client.local_services import open_client_spans, start_missing_services  # noqa: PLC0415

        async with self._lock:
            new = [name for name in services if not self._addresses[name]]
            if new:
                starting = start_missing_services(self._given, new, device=self._device)
                at = await self._stack.enter_async_context(starting)
                self._addresses.update({name: getattr(at, name) for name in new})
                spans = await self._stack.enter_async_context(open_client_spans())
                here = [name for name in SERVICE_NAMES if not getattr(self._given, name)]
                client = LinkClient(Addresses(**self._addresses), self._timeout_s, spans, here)
                self._client = await self._stack.enter_async_context(client)
            return cast("LinkClient", self._client)


@contextlib.contextmanager
def open_session(addresses: Addresses, *, device: str = "", timeout_s: float = DEFAULT_TIMEOUT_S) -> Iterator[Session]:
    """Yield a session: in this process where no service has an address, over the services otherwise.

    Raises:
        ConfigError: a ``device`` is given, but the receiver runs elsewhere.
    """
    session: Session
    if addresses.given:
        session = RemoteSession(addresses, device=device, timeout_s=timeout_s)
    else:
        from semlink.pipeline.session import LocalSession  # noqa: PLC0415 - imports numpy and more

        session = LocalSession(device)
    try:
        yield session
    finally:
        session.close()
