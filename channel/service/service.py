"""The channel's gRPC service: reads packets into a bounded queue, transmits them in batches, paces their arrivals."""

from __future__ import annotations

import asyncio
import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from channel.link.link import Link
from channel.link.transmission import Transmission
from channel.propagation.snr_estimator import SnrEstimator
from channel.propagation.timing import wall_wait_s
from channel.service.loss_messages import predict_loss
from channel.service.messages import (
    arrival_message,
    describe_channel,
    list_channels,
    read_profile,
    report_message,
)
from channel.service.telemetry import ChannelMetrics, channel_label
from shared.errors import InputError, LimitError, LinkError
from shared.rpc.limits import DEFAULT_LIMITS, DRAIN_S, MAX_CALL_PACKETS, MAX_DRAIN_S, QUEUE_PACKETS, ServiceLimits
from shared.rpc.semlink.v1 import channel_pb2, channel_pb2_grpc
from shared.rpc.server import ServiceSpec
from shared.rpc.status import streaming_rpc, unary_rpc
from shared.telemetry.telemetry import Telemetry
from shared.torch_imports import TORCH_IMPORTS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import grpc.aio

    from channel.config import ChannelConfig
    from channel.phy.coding import ChainCache
    from channel.profile.profile import ResolvedProfile
    from shared.telemetry.telemetry import CallTelemetry

    Context = grpc.aio.ServicerContext[Any, Any]
    Queue = asyncio.Queue[bytes | Exception | None]


class ChannelService(channel_pb2_grpc.ChannelServiceServicer):
    """Carries packets. All calls share one worker thread and one cache of built codes.

    Args:
        device: where the physical layer runs, ``cpu`` or ``cuda:N``.
        telemetry: where packets, bits and times are counted.
    """

    def __init__(self, device: str, telemetry: Telemetry) -> None:
        self._device = device
        self._telemetry = telemetry
        self._metrics = ChannelMetrics(telemetry.registry)
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="phy")
        self._queues: WeakSet[Queue] = WeakSet()
        telemetry.watch("phy", self._worker._work_queue.qsize)  # noqa: SLF001 - the executor has no public one
        telemetry.watch("packets", lambda: sum(queue.qsize() for queue in list(self._queues)))
        self._chains: ChainCache | None = None

    @streaming_rpc
    async def Transmit(  # noqa: N802 - gRPC's name
        self, request_iterator: AsyncIterator[channel_pb2.TransmitRequest], context: Context
    ) -> AsyncIterator[channel_pb2.TransmitResponse]:
        """Carry one transmission; see ``proto/semlink/v1/channel.proto``."""
        settings = await _read_settings(request_iterator)
        with self._telemetry.call("Transmit", settings.session, context) as call:
            async for response in self._transmit(settings, request_iterator, call):
                yield response

    async def _transmit(
        self,
        settings: channel_pb2.ChannelSettings,
        request_iterator: AsyncIterator[channel_pb2.TransmitRequest],
        call: CallTelemetry,
    ) -> AsyncIterator[channel_pb2.TransmitResponse]:
        resolved = await asyncio.to_thread(_resolve, settings, self._device)
        config = resolved.config
        label, estimator = channel_label(settings), SnrEstimator()
        self._metrics.show_outcomes(label, config.es_n0_db)
        queue: Queue = asyncio.Queue(QUEUE_PACKETS)
        self._queues.add(queue)
        reading = asyncio.create_task(_read_packets(request_iterator, queue))
        started_s = time.perf_counter()
        try:
            # Importing Sionna takes seconds: start while the sender still encodes.
            link: Link = await self._run(self._build_link, config, estimator)
            transmission = Transmission(link, settings.picture_index)
            async for batch in _batches(queue):
                with call.stage("transmit"):
                    carried = await self._run(transmission.carry, batch) if batch else transmission.finish()
                for arrival in carried:
                    elapsed_s = time.perf_counter() - started_s
                    await asyncio.sleep(wall_wait_s(arrival.arrival_s, elapsed_s, config.time_scale))
                    self._metrics.count_arrival(label, config.es_n0_db, arrival)
                    yield channel_pb2.TransmitResponse(arrival=arrival_message(arrival))
        except LinkError:
            await _drain(queue, reading)
            raise
        finally:
            reading.cancel()
        report = transmission.report()
        self._metrics.count_transmission(label, config, report, estimator)
        yield channel_pb2.TransmitResponse(report=report_message(resolved, report))

    @unary_rpc
    async def ListChannels(  # noqa: N802 - gRPC's name
        self, request: channel_pb2.ListChannelsRequest, context: Context
    ) -> channel_pb2.ListChannelsResponse:
        """Return the channels by name; one that cannot be used has the reason as its fault."""
        del request, context
        return await asyncio.to_thread(list_channels)

    @unary_rpc
    async def DescribeChannel(  # noqa: N802 - gRPC's name
        self, request: channel_pb2.DescribeChannelRequest, context: Context
    ) -> channel_pb2.DescribeChannelResponse:
        """Return the channel that a transmission with these settings would use."""
        del context
        return await asyncio.to_thread(describe_channel, request.settings)

    @unary_rpc
    async def PredictLoss(  # noqa: N802 - gRPC's name
        self, request: channel_pb2.PredictLossRequest, context: Context
    ) -> channel_pb2.PredictLossResponse:
        """Return the predicted loss and channel uses of streams for every MCS and number of repair packets."""
        del context
        return await asyncio.to_thread(predict_loss, request)

    def _build_link(self, config: ChannelConfig, estimator: SnrEstimator) -> Link:
        if self._chains is None:
            with TORCH_IMPORTS, self._telemetry.loading("phy"):
                from channel.phy.coding import ChainCache  # noqa: PLC0415 - imports Sionna

            self._chains = ChainCache()
        return Link(config, self._chains, estimator)

    async def _run(self, function: Any, *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._worker, function, *args)


def channel_spec(
    device: str = "cpu", telemetry: Telemetry | None = None, limits: ServiceLimits = DEFAULT_LIMITS
) -> ServiceSpec:
    """Return the channel as a service to run."""
    telemetry = telemetry or Telemetry()
    return ServiceSpec(
        channel_pb2.DESCRIPTOR.services_by_name["ChannelService"].full_name,
        lambda server: channel_pb2_grpc.add_ChannelServiceServicer_to_server(ChannelService(device, telemetry), server),
        telemetry,
        limits,
    )


async def _read_settings(requests: AsyncIterator[channel_pb2.TransmitRequest]) -> channel_pb2.ChannelSettings:
    async for request in requests:
        if request.WhichOneof("part") == "settings":
            return request.settings
        break
    raise InputError("the first message of a transmission must contain its settings")


def _resolve(settings: channel_pb2.ChannelSettings, device: str) -> ResolvedProfile:
    return read_profile(settings).resolve(time_scale=settings.time_scale, run_seed=settings.run_seed, device=device)


async def _read_packets(requests: AsyncIterator[channel_pb2.TransmitRequest], queue: Queue) -> None:
    """Put packets into the queue. While it is full nothing is read, and gRPC's flow control stops the caller."""
    end: Exception | None = None
    packets = 0
    try:
        async for request in requests:
            if request.WhichOneof("part") != "packet":
                end = InputError("settings were sent twice: send settings once, then packets only")
                break
            packets += 1
            if packets > MAX_CALL_PACKETS:
                end = LimitError(f"more than {MAX_CALL_PACKETS} packets in one call; a picture has fewer")
                break
            await queue.put(request.packet.data)
    except Exception as error:  # noqa: BLE001 - put into the queue; its consumer raises it
        end = error
    await queue.put(end)


async def _drain(queue: Queue, reading: asyncio.Task[None]) -> None:
    """Empty the queue for a while as the caller still sends, so that it receives the status of the failed call."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(MAX_DRAIN_S):
            while not (reading.done() and queue.empty()):
                async with asyncio.timeout(DRAIN_S):
                    await queue.get()


async def _batches(queue: Queue) -> AsyncIterator[list[bytes]]:
    """Yield the waiting packets, at least one, until the end mark; then yield an empty list once."""
    while True:
        items = [await queue.get()]
        while not queue.empty():
            items.append(queue.get_nowait())
        packets = [item for item in items if isinstance(item, bytes)]
        if packets:
            yield packets
        for item in items:
            if isinstance(item, Exception):
                raise item
        if items[-1] is None:
            yield []
            return
