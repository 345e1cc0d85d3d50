"""The gRPC client of the three services: encode, transmit or decode alone, or send a picture over the whole link."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Self, TypeVar

import grpc.aio

from semlink.client.addresses import SERVICE_NAMES
from semlink.pipeline.settings_over import settings_over
from semlink.pipeline.transfer import Carried, Decoded, Preview, Transfer, ignore_arrival, ignore_preview, ignore_stage
from shared.errors import ServiceError
from shared.rpc.chunks import split_chunks
from shared.rpc.connect import connect, open_channel
from shared.rpc.limits import DEFAULT_TIMEOUT_S
from shared.rpc.semlink.v1 import (
    channel_pb2,
    channel_pb2_grpc,
    packet_pb2,
    receiver_pb2,
    receiver_pb2_grpc,
    sender_pb2,
    sender_pb2_grpc,
)
from shared.rpc.status import link_error_from_rpc
from shared.telemetry.spans import NoSpans

if TYPE_CHECKING:
    from collections.abc import Awaitable, Collection, Iterator, Sequence

    from google.protobuf.message import Message

    from semlink.client.addresses import Addresses
    from semlink.pipeline.transfer import OnArrival, OnPreview, OnStage
    from shared.telemetry.spans import Spans


M = TypeVar("M", bound="Message")
Report = TypeVar("Report", sender_pb2.SendReport, channel_pb2.LinkReport, receiver_pb2.ReceiveReport)

CLOSED_STREAM_WAIT_S = 2.0
"""How long a service that stopped reading is waited for, to learn its error."""


class LinkClient:
    """Client of the services at ``addresses``; use as ``async with``.

    Args:
        addresses: address of each service; a method needs those of the services that it calls.
        timeout_s: time limit of each call in seconds.
        here: services that run in this process; calls of them have no time limit.
        spans: records each transfer as a trace that includes the services' spans.
    """

    def __init__(
        self,
        addresses: Addresses,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        spans: Spans | None = None,
        here: Collection[str] = (),
    ) -> None:
        self._addresses = addresses
        self._timeout_s = timeout_s
        self._limits_s = {name: None if name in here else timeout_s for name in SERVICE_NAMES}
        self._spans: Spans = spans or NoSpans()
        self._channels: dict[str, grpc.aio.Channel] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        for channel in self._channels.values():
            await channel.close()

    async def encode(
        self, picture: bytes, settings: sender_pb2.SendSettings, on_stage: OnStage = ignore_stage
    ) -> sender_pb2.SendReport:
        """Encode a picture file at the sender; its report holds the container."""
        await self._reach("sender")
        call = sender_pb2_grpc.SenderServiceStub(self._channel("sender")).Send(timeout=self._limits_s["sender"])
        with self._translate_failures("sender"):
            await _upload(call, _send_requests(picture, settings))
            return await _pipe_packets(call, None, on_stage)

    async def decode(
        self,
        container: bytes,
        settings: receiver_pb2.DecodeSettings | None = None,
        *,
        reference: bytes = b"",
        on_preview: OnPreview = ignore_preview,
    ) -> Decoded:
        """Decode a ``.sem`` container at the receiver; with ``reference``, a picture file, it measures quality."""
        await self._reach("receiver")
        call = receiver_pb2_grpc.ReceiverServiceStub(self._channel("receiver")).Decode(
            timeout=self._limits_s["receiver"]
        )
        with self._translate_failures("receiver"):
            await _upload(call, _decode_requests(container, settings, reference))
            return await _gather_picture(call, on_preview=on_preview)

    async def codecs(self) -> sender_pb2.ListCodecsResponse:
        """Return the codecs of the sender."""
        await self._reach("sender")
        with self._translate_failures("sender"):
            stub = sender_pb2_grpc.SenderServiceStub(self._channel("sender"))
            return await stub.ListCodecs(sender_pb2.ListCodecsRequest(), timeout=self._limits_s["sender"])

    async def channels(self) -> channel_pb2.ListChannelsResponse:
        """Return the channels of the channel service, by name."""
        with self._translate_failures("channel"):
            stub = channel_pb2_grpc.ChannelServiceStub(self._channel("channel"))
            return await stub.ListChannels(channel_pb2.ListChannelsRequest(), timeout=self._limits_s["channel"])

    async def describe(self, settings: channel_pb2.ChannelSettings) -> channel_pb2.DescribeChannelResponse:
        """Return the channel that a transmission with ``settings`` would use."""
        await self._reach("channel")
        with self._translate_failures("channel"):
            stub = channel_pb2_grpc.ChannelServiceStub(self._channel("channel"))
            request = channel_pb2.DescribeChannelRequest(settings=settings)
            return await stub.DescribeChannel(request, timeout=self._limits_s["channel"])

    async def predict_loss(self, request: channel_pb2.PredictLossRequest) -> channel_pb2.PredictLossResponse:
        """Return the predicted loss and the channel uses of streams, for every MCS and number of repair packets."""
        await self._reach("channel")
        with self._translate_failures("channel"):
            stub = channel_pb2_grpc.ChannelServiceStub(self._channel("channel"))
            return await stub.PredictLoss(request, timeout=self._limits_s["channel"])

    async def transmit(self, packets: Sequence[bytes], settings: channel_pb2.ChannelSettings) -> Carried:
        """Send ``packets`` over the channel service; return their arrivals, delivered ones with their bytes."""
        await self._reach("channel")
        call = channel_pb2_grpc.ChannelServiceStub(self._channel("channel")).Transmit(timeout=self._limits_s["channel"])
        with self._translate_failures("channel"):
            sending = asyncio.create_task(_upload(call, _transmit_requests(packets, settings)))
            try:
                return await _gather_arrivals(call)
            finally:
                await sending

    async def transfer(
        self,
        picture: bytes,
        send: sender_pb2.SendSettings,
        channel: channel_pb2.ChannelSettings,
        receive: receiver_pb2.ReceiveSettings | None = None,
        *,
        on_stage: OnStage = ignore_stage,
        on_arrival: OnArrival = ignore_arrival,
    ) -> Transfer:
        """Send a picture file over the whole link.

        Packets are piped from service to service while the sender makes them. The sender adds the repair packets of
        the channel's profile, and the receiver takes the picture index of ``send``. The result holds the outcome of
        each packet, not its bytes. ``on_arrival`` runs in a thread, one packet after the other.
        """
        await self._reach("sender", "channel", "receiver")
        with self._spans.span("transfer", attributes={"codec": send.codec, "channel": channel.profile}) as trace_parent:
            described = await self.describe(channel)
            session = packet_pb2.Session(codec=send.codec, es_n0_db=described.es_n0_db, trace_parent=trace_parent)
            send, channel, receive = _with_session(session, send, channel, receive or receiver_pb2.ReceiveSettings())
            send = settings_over(described, send)
            receive.picture_index = send.picture_index
            return await self._run_transfer(picture, send, channel, receive, on_stage, on_arrival)

    async def _run_transfer(
        self,
        picture: bytes,
        send: sender_pb2.SendSettings,
        channel: channel_pb2.ChannelSettings,
        receive: receiver_pb2.ReceiveSettings,
        on_stage: OnStage,
        on_arrival: OnArrival,
    ) -> Transfer:
        sending = sender_pb2_grpc.SenderServiceStub(self._channel("sender")).Send(timeout=self._limits_s["sender"])
        carrying = channel_pb2_grpc.ChannelServiceStub(self._channel("channel")).Transmit(
            timeout=self._limits_s["channel"]
        )
        receiving = receiver_pb2_grpc.ReceiverServiceStub(self._channel("receiver")).Receive(
            timeout=self._limits_s["receiver"]
        )

        async def send_picture() -> sender_pb2.SendReport:
            with self._translate_failures("sender"):
                await _write(carrying, channel_pb2.TransmitRequest(settings=channel))
                await _upload(sending, _send_requests(picture, send))
                return await _pipe_packets(sending, carrying, on_stage)

        async def carry_packets() -> tuple[list[packet_pb2.Arrival], channel_pb2.LinkReport]:
            with self._translate_failures("channel"):
                await _write(receiving, receiver_pb2.ReceiveRequest(settings=receive))
                for chunk in split_chunks(picture):
                    await _write(receiving, receiver_pb2.ReceiveRequest(reference_chunk=chunk))
                return await _pipe_arrivals(carrying, receiving, on_stage, on_arrival)

        async def receive_picture() -> Decoded:
            with self._translate_failures("receiver"):
                return await _gather_picture(receiving, on_stage)

        at_sender, at_channel, at_receiver = tasks = (
            asyncio.create_task(send_picture()),
            asyncio.create_task(carry_packets()),
            asyncio.create_task(receive_picture()),
        )
        await _wait_for_all(tasks)
        arrivals, link = at_channel.result()
        return Transfer(sent=at_sender.result(), link=link, received=at_receiver.result(), arrivals=arrivals)

    def _channel(self, service: str) -> grpc.aio.Channel:
        if service not in self._channels:
            self._channels[service] = open_channel(f"the {service}", getattr(self._addresses, service))
        return self._channels[service]

    async def _reach(self, *services: str) -> None:
        """Connect to ``services``, and wait for one that is about to start.

        Raises:
            ConfigError: the address of one of them is not an address.
            ServiceError: one of them cannot be reached.
        """
        for service in services:
            at = getattr(self._addresses, service)
            await connect(self._channel(service), f"the {service} at {at}", self._timeout_s)

    @contextlib.contextmanager
    def _translate_failures(self, service: str) -> Iterator[None]:
        """Raise each failure of a call to ``service`` as its LinkError."""
        try:
            yield
        except grpc.aio.AioRpcError as error:
            address = getattr(self._addresses, service)
            raise link_error_from_rpc(error, service=f"the {service} at {address}") from error


def _with_session(
    session: packet_pb2.Session,
    send: sender_pb2.SendSettings,
    channel: channel_pb2.ChannelSettings,
    receive: receiver_pb2.ReceiveSettings,
) -> tuple[sender_pb2.SendSettings, channel_pb2.ChannelSettings, receiver_pb2.ReceiveSettings]:
    """Return copies of the settings of one transfer with ``session`` added."""
    return (
        _merge(sender_pb2.SendSettings(session=session), send),
        _merge(channel_pb2.ChannelSettings(session=session), channel),
        _merge(receiver_pb2.ReceiveSettings(session=session), receive),
    )


def _merge(message: M, other: M) -> M:
    message.MergeFrom(other)
    return message


class _StreamClosedError(Exception):
    """The next service does not read any more; its own error says why."""


async def _upload(call: Any, requests: Iterator[Any]) -> None:
    """Write all ``requests``. If the call has ended early, its error is raised when the call is read.

    They are written one by one, because grpc.aio reports a call with a request iterator as cancelled if it fails early.
    """
    with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
        for request in requests:
            await call.write(request)
        await call.done_writing()


async def _write(call: Any, message: Any) -> None:
    await _finish_write(call.write(message))


async def _finish_write(writing: Awaitable[None]) -> None:
    try:
        await writing
    except (grpc.aio.AioRpcError, asyncio.InvalidStateError) as error:
        raise _StreamClosedError from error


async def _wait_for_all(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Wait for all ``tasks``; of several failures, raise that of the earliest service on the way."""
    try:
        done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        if pending and all(isinstance(task.exception(), _StreamClosedError) for task in done if task.exception()):
            await asyncio.wait(pending, timeout=CLOSED_STREAM_WAIT_S)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    failures = [error for task in tasks if not task.cancelled() and (error := task.exception()) is not None]
    if failures:
        raise min(failures, key=lambda error: isinstance(error, _StreamClosedError))


def _send_requests(picture: bytes, settings: sender_pb2.SendSettings) -> Iterator[sender_pb2.SendRequest]:
    yield sender_pb2.SendRequest(settings=settings)
    for chunk in split_chunks(b"" if settings.container else picture):
        yield sender_pb2.SendRequest(picture_chunk=chunk)


def _transmit_requests(
    packets: Sequence[bytes], settings: channel_pb2.ChannelSettings
) -> Iterator[channel_pb2.TransmitRequest]:
    yield channel_pb2.TransmitRequest(settings=settings)
    for packet in packets:
        yield channel_pb2.TransmitRequest(packet=packet_pb2.Packet(data=packet))


def _decode_requests(
    container: bytes, settings: receiver_pb2.DecodeSettings | None, reference: bytes
) -> Iterator[receiver_pb2.DecodeRequest]:
    yield receiver_pb2.DecodeRequest(settings=settings or receiver_pb2.DecodeSettings())
    for chunk in split_chunks(reference):
        yield receiver_pb2.DecodeRequest(reference_chunk=chunk)
    for chunk in split_chunks(container):
        yield receiver_pb2.DecodeRequest(container_chunk=chunk)


async def _pipe_packets(sending: Any, carrying: Any | None, on_stage: OnStage) -> sender_pb2.SendReport:
    """Pipe the sender's packets into the channel, if there is one; return the sender's report."""
    report: sender_pb2.SendReport | None = None
    async for event in sending:
        kind = event.WhichOneof("event")
        if kind == "progress":
            on_stage(event.progress.stage, event.progress.done)
        elif kind == "packet" and carrying is not None:
            await _write(carrying, channel_pb2.TransmitRequest(packet=event.packet))
        elif kind == "report":
            report = event.report
    if carrying is not None:
        await _finish_write(carrying.done_writing())
    return _require_report(report, "sender")


async def _pipe_arrivals(
    carrying: Any, receiving: Any, on_stage: OnStage, on_arrival: OnArrival
) -> tuple[list[packet_pb2.Arrival], channel_pb2.LinkReport]:
    """Pipe the channel's arrivals into the receiver; return them and the channel's report."""
    arrivals: list[packet_pb2.Arrival] = []
    report: channel_pb2.LinkReport | None = None
    async for event in carrying:
        kind = event.WhichOneof("event")
        if kind == "arrival":
            on_stage("transmit", 1.0)
            await _write(receiving, receiver_pb2.ReceiveRequest(arrival=event.arrival))
            await asyncio.to_thread(on_arrival, event.arrival)
            event.arrival.ClearField("packet")
            arrivals.append(event.arrival)
        elif kind == "report":
            report = event.report
    await _finish_write(receiving.done_writing())
    return arrivals, _require_report(report, "channel")


async def _gather_arrivals(call: Any) -> Carried:
    """Return all arrivals and the channel's report."""
    arrivals: list[packet_pb2.Arrival] = []
    report: channel_pb2.LinkReport | None = None
    async for event in call:
        kind = event.WhichOneof("event")
        if kind == "arrival":
            arrivals.append(event.arrival)
        elif kind == "report":
            report = event.report
    return Carried(arrivals, _require_report(report, "channel"))


async def _gather_picture(
    receiving: Any, on_stage: OnStage = ignore_stage, on_preview: OnPreview = ignore_preview
) -> Decoded:
    """Return the receiver's picture, trust map and report."""
    png, trust_png, preview_png = bytearray(), bytearray(), bytearray()
    report: receiver_pb2.ReceiveReport | None = None
    async for event in receiving:
        kind = event.WhichOneof("event")
        if kind == "progress":
            on_stage(event.progress.stage, 1.0)
        elif kind == "picture_chunk":
            png += event.picture_chunk
        elif kind == "trust_map_chunk":
            trust_png += event.trust_map_chunk
        elif kind == "preview":
            preview_png += event.preview.chunk
            if event.preview.last:
                on_preview(Preview(event.preview.number, bytes(preview_png), tuple(event.preview.whole)))
                preview_png.clear()
        elif kind == "report":
            report = event.report
    return Decoded(bytes(png), _require_report(report, "receiver"), bytes(trust_png))


def _require_report(report: Report | None, service: str) -> Report:
    """Return ``report``, the last event of every call."""
    if report is None:
        raise ServiceError(f"the {service} ended the call without a report: look at its log")
    return report
