"""The receiver's gRPC service."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from receiver.cost import PACKET_BYTES, RECEPTION_BYTES, DecodeMemory
from receiver.decoder_registry import LoadedDecoders, check_decoding, check_name, load_decoder, weights_bytes
from receiver.decoders.base import options_for
from receiver.decoding import Decoding
from receiver.metrics.reporter import PerceptualReporter
from receiver.previews import Previews
from receiver.rebuild import Rebuilt, make_report, repair_report
from receiver.reception import Reception
from receiver.telemetry import ReceiverMetrics
from shared.bitstream import MAX_BITSTREAM_BYTES, Bitstream
from shared.devices import check_device
from shared.errors import InputError, LimitError, LinkError
from shared.rpc.budget import Budget, Share
from shared.rpc.chunks import ChunkBuffer, split_chunks
from shared.rpc.lanes import HEAVY_WORK, Lanes
from shared.rpc.limits import DEFAULT_LIMITS, HEAVY_WORKERS, MAX_CALL_PACKETS, ServiceLimits
from shared.rpc.semlink.v1 import packet_pb2, receiver_pb2, receiver_pb2_grpc
from shared.rpc.server import ServiceSpec
from shared.rpc.status import streaming_rpc
from shared.telemetry.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    import grpc.aio

    from receiver.decoders.base import Decoder
    from shared.streams import StreamKind
    from shared.telemetry.telemetry import CallTelemetry

    Context = grpc.aio.ServicerContext[Any, Any]
    Settings = receiver_pb2.ReceiveSettings | receiver_pb2.DecodeSettings

RECEIVE_ORDER = "send settings once, then the reference, then arrivals"
DECODE_ORDER = "send settings once, then reference and container"


class _Call:
    """The reference and the packets that have arrived in one call."""

    def __init__(self, picture_index: int, share: Share) -> None:
        self.reference = ChunkBuffer("the reference picture", share)
        self.reception = Reception(picture_index)
        self._share = share
        self._packet_bytes = 0

    def take(self, request: receiver_pb2.ReceiveRequest) -> bool:
        """Take one message that follows the settings; return whether it was a delivered packet."""
        part = request.WhichOneof("part")
        if part == "reference_chunk":
            self.reference.add(request.reference_chunk)
        elif part != "arrival":
            raise InputError(f"unexpected '{part}' message: {RECEIVE_ORDER}")
        elif request.arrival.fate == packet_pb2.FATE_DELIVERED:
            self._push(request.arrival.packet.data)
            return True
        return False

    def _push(self, packet: bytes) -> None:
        if self.reception.received_packets >= MAX_CALL_PACKETS:
            raise LimitError(f"more than {MAX_CALL_PACKETS} packets in one call; a picture has fewer")
        more = len(packet) + PACKET_BYTES
        if self._packet_bytes + more <= RECEPTION_BYTES:  # repair and reassembly hold no more
            self._share.grow(more)
            self._packet_bytes += more
        self.reception.push(packet)

    def progress(self, stage: str) -> receiver_pb2.ReceiveResponse:
        return receiver_pb2.ReceiveResponse(
            progress=_progress(stage, self.reception.received_packets, self.reception.complete)
        )


class ReceiverService(receiver_pb2_grpc.ReceiverServiceServicer):
    """Reassembles, decodes and measures. Keeps decoders loaded and no other state between calls.

    Args:
        device: where the decoders compute; empty: each decoder selects its device.
        telemetry: counts pictures, streams and quality.
        perceptual: report perceptual distances and classifier agreement in the metrics, where there is a reference.
        limits: the memory of all calls together.

    Raises:
        SetupError: this machine has no such device.
    """

    def __init__(
        self,
        device: str = "",
        telemetry: Telemetry | None = None,
        *,
        perceptual: bool = False,
        limits: ServiceLimits = DEFAULT_LIMITS,
    ) -> None:
        check_device(device)
        self._device = device
        self._telemetry = telemetry = telemetry or Telemetry()
        self._metrics = ReceiverMetrics(telemetry.registry)
        self._perceptual = PerceptualReporter(telemetry.loading) if perceptual else None
        self._decoders = LoadedDecoders(self._load_decoder)
        self._budget = Budget(limits.memory_bytes)
        self._weights_bytes: dict[str, int] = {}
        self._lanes = Lanes(HEAVY_WORKERS, "decode")
        telemetry.watch("decode", self._lanes.waiting)

    @streaming_rpc
    async def Receive(  # noqa: N802 - gRPC's name
        self, request_iterator: AsyncIterator[receiver_pb2.ReceiveRequest], context: Context
    ) -> AsyncIterator[receiver_pb2.ReceiveResponse]:
        """Rebuild one picture from packets; see ``proto/semlink/v1/receiver.proto``."""
        with self._budget.share() as share:
            async with self._begin_call("Receive", RECEIVE_ORDER, request_iterator, context, share) as (
                settings,
                decoding,
                call,
            ):
                arrived = _Call(settings.picture_index, share)
                async for response in self._receive(settings, decoding, request_iterator, arrived, call):
                    yield response

    async def _receive(
        self,
        settings: receiver_pb2.ReceiveSettings,
        decoding: Decoding,
        request_iterator: AsyncIterator[receiver_pb2.ReceiveRequest],
        arrived: _Call,
        call: CallTelemetry,
    ) -> AsyncIterator[receiver_pb2.ReceiveResponse]:
        reception = arrived.reception
        previews = Previews(decoding.rebuild, [draft.rebuild_draft for draft in decoding.drafts()])
        async with contextlib.aclosing(previews.while_reading(request_iterator)) as events:
            async for event in events:
                if isinstance(event, Rebuilt):
                    for preview in _preview_chunks(previews.count, event):
                        yield receiver_pb2.ReceiveResponse(preview=preview)
                elif arrived.take(event):
                    if settings.progressive:
                        previews.offer(reception.bitstream())
                    yield arrived.progress("receive")
        yield arrived.progress("decode")
        bitstream, rebuilt = reception.bitstream(), previews.newest
        if bitstream is None or rebuilt is None or rebuilt.bitstream != bitstream:
            with call.stage("decode"):
                rebuilt = None if bitstream is None else await decoding.rebuild(bitstream)
        files = _file_chunks(rebuilt)
        if rebuilt is not None and arrived.reference:
            yield arrived.progress("measure")
            rebuilt = await self._measure(decoding, rebuilt, arrived.reference, settings.session, call)
        for chunk in files:
            yield receiver_pb2.ReceiveResponse(**chunk)
        report = make_report(decoding.decoder, decoding.options, rebuilt, reception.status())
        report.packets_rejected = reception.rejected_packets
        report.repairs.extend(map(repair_report, reception.repairs()))
        self._metrics.count_picture(settings.session, report)
        yield receiver_pb2.ReceiveResponse(report=report)

    @streaming_rpc
    async def Decode(  # noqa: N802 - gRPC's name
        self, request_iterator: AsyncIterator[receiver_pb2.DecodeRequest], context: Context
    ) -> AsyncIterator[receiver_pb2.DecodeResponse]:
        """Rebuild one picture from a container; see ``proto/semlink/v1/receiver.proto``."""
        with self._budget.share() as share:
            async with self._begin_call("Decode", DECODE_ORDER, request_iterator, context, share) as (
                settings,
                decoding,
                call,
            ):
                reference = ChunkBuffer("the reference picture", share)
                async for response in self._decode(settings, decoding, request_iterator, reference, call):
                    yield response

    async def _decode(
        self,
        settings: receiver_pb2.DecodeSettings,
        decoding: Decoding,
        request_iterator: AsyncIterator[receiver_pb2.DecodeRequest],
        reference: ChunkBuffer,
        call: CallTelemetry,
    ) -> AsyncIterator[receiver_pb2.DecodeResponse]:
        container = ChunkBuffer("the .sem file", limit=MAX_BITSTREAM_BYTES)
        async for request in request_iterator:
            part = request.WhichOneof("part")
            if part == "reference_chunk":
                reference.add(request.reference_chunk)
            elif part == "container_chunk":
                container.add(request.container_chunk)
            else:
                raise InputError(f"unexpected '{part}' message: {DECODE_ORDER}")
        bitstream = Bitstream.unpack(container.join())
        if reference:
            await decoding.check_reference(reference, bitstream.header)
        yield receiver_pb2.DecodeResponse(progress=_progress("decode", 0))
        number = 0
        if settings.progressive:
            async for preview_picture in decoding.rebuild_previews(bitstream):
                number += preview_picture.pixels is not None
                for preview in _preview_chunks(number, preview_picture):
                    yield receiver_pb2.DecodeResponse(preview=preview)
        with call.stage("decode"):
            rebuilt = await decoding.rebuild(bitstream)
        files = _file_chunks(rebuilt)
        if reference:
            yield receiver_pb2.DecodeResponse(progress=_progress("measure", 0))
            rebuilt = await self._measure(decoding, rebuilt, reference, settings.session, call)
        for chunk in files:
            yield receiver_pb2.DecodeResponse(**chunk)
        report = make_report(decoding.decoder, decoding.options, rebuilt)
        self._metrics.count_picture(settings.session, report)
        yield receiver_pb2.DecodeResponse(report=report)

    @contextlib.asynccontextmanager
    async def _begin_call(
        self, method: str, order: str, requests: AsyncIterator[Any], context: Context, share: Share
    ) -> AsyncIterator[tuple[Any, Decoding, CallTelemetry]]:
        """Yield the settings of a call, its loaded decoder, which stops when the call ends, and its telemetry."""
        settings = await _read_settings(requests, order)
        with self._telemetry.call(method, settings.session, context) as call:
            decoding = await self._prepare_decoding(settings, share)
            context.add_done_callback(decoding.end)  # type: ignore[arg-type]  # the stubs ask for a class of their own
            yield settings, decoding, call

    async def _measure(
        self,
        decoding: Decoding,
        rebuilt: Rebuilt,
        reference: ChunkBuffer,
        session: packet_pb2.Session,
        call: CallTelemetry,
    ) -> Rebuilt:
        """Return ``rebuilt`` with its quality; perceptual measures go to the metrics, if the service reports them."""
        with call.stage("measure"):
            rebuilt = await decoding.measure(rebuilt, reference)
        if self._perceptual is not None and rebuilt.pixels is not None:
            with call.stage("perceptual"):
                # Always among the heavy work: its networks are slow, however small the picture is.
                found = await self._lanes.run(HEAVY_WORK, self._perceptual, rebuilt.pixels, reference.join())
            self._metrics.count_perceptual(session, found)
        return rebuilt

    async def _prepare_decoding(self, settings: Settings, share: Share) -> Decoding:
        """Load the decoder in ``settings`` and build its options."""
        chosen = {name: getattr(settings, name) for name in ("steps", "fidelity") if settings.HasField(name)}
        check_name(settings.decoder)
        check_decoding(settings.decoder, **chosen)  # refused before anything loads
        decoder = await self._get_decoder(settings.decoder)
        options = options_for(decoder, **chosen, seed=settings.seed, trust=settings.trust_map)
        return Decoding(self._lanes, DecodeMemory(share), decoder, options)

    async def _get_decoder(self, name: str) -> Decoder:
        """Return the decoder ``name``. Calls have no use of the memory of its weights from the first call on.

        Raises:
            LimitError: there is too little memory.
        """
        if name not in self._weights_bytes:
            needed = await asyncio.to_thread(weights_bytes, name, self._device)
            if name not in self._weights_bytes:
                self._budget.keep(needed, f"decoder {name}")
                self._weights_bytes[name] = needed
        try:
            return await asyncio.to_thread(self._decoders.lazy(name))  # no lane may wait for it
        except LinkError:
            self._budget.release(self._weights_bytes.pop(name, 0))
            raise

    def _load_decoder(self, name: str) -> Decoder:
        """Load the decoder ``name`` and record it."""
        with self._telemetry.loading(name):
            decoder = load_decoder(name, self._device)
        self._metrics.show_models(decoder)
        return decoder


def receiver_spec(
    device: str = "",
    telemetry: Telemetry | None = None,
    *,
    perceptual: bool = False,
    limits: ServiceLimits = DEFAULT_LIMITS,
) -> ServiceSpec:
    """Return the receiver as a service to run; the arguments are those of ``ReceiverService``."""
    telemetry = telemetry or Telemetry()
    service = ReceiverService(device, telemetry, perceptual=perceptual, limits=limits)
    return ServiceSpec(
        receiver_pb2.DESCRIPTOR.services_by_name["ReceiverService"].full_name,
        lambda server: receiver_pb2_grpc.add_ReceiverServiceServicer_to_server(service, server),
        telemetry,
        limits,
    )


async def _read_settings(requests: AsyncIterator[Any], order: str) -> Any:
    """Return the settings, the first message of every call."""
    first = await anext(requests, None)
    if first is None:
        raise InputError(f"the call ended without settings: {order}")
    if first.WhichOneof("part") != "settings":
        raise InputError(f"unexpected '{first.WhichOneof('part')}' message: {order}")
    return first.settings


def _preview_chunks(number: int, rebuilt: Rebuilt) -> Iterator[receiver_pb2.Preview]:
    kinds = [stream.kind for stream in rebuilt.bitstream.streams if stream.kind not in rebuilt.guidance.damaged]
    whole = [packet_pb2.StreamKind.ValueType(kind) for kind in kinds]
    chunks = list(split_chunks(rebuilt.png))
    for place, chunk in enumerate(chunks, start=1):
        yield receiver_pb2.Preview(number=number, chunk=chunk, last=place == len(chunks), whole=whole)


def _file_chunks(rebuilt: Rebuilt | None) -> Iterator[dict[str, Any]]:
    """Yield picture and trust map in chunks, each as the field of a response."""
    if rebuilt is not None:
        yield from ({"picture_chunk": chunk} for chunk in split_chunks(rebuilt.png))
        yield from ({"trust_map_chunk": chunk} for chunk in split_chunks(rebuilt.trust_png))


def _progress(stage: str, received: int, whole: list[StreamKind] | None = None) -> receiver_pb2.ReceiveProgress:
    return receiver_pb2.ReceiveProgress(
        stage=stage,
        packets_received=received,
        whole=[packet_pb2.StreamKind.ValueType(kind) for kind in whole or []],
    )
