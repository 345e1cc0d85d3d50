"""The receiver's gRPC service."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from receiver.decoders.base import DecodeOptions, Decoder, options_for
from receiver.decoders.registry import DEFAULT_DECODER, load_decoder
from receiver.guidance import Guidance
from receiver.metrics.reporter import PerceptualReporter
from receiver.previews import Previews
from receiver.rebuild import Rebuilt, draft_decoders, measured, rebuild, repair_report, report_of
from receiver.reception import Reception
from receiver.telemetry import ReceiverMetrics
from shared.bitstream import Bitstream
from shared.errors import InputError
from shared.rpc.chunks import ChunkBuffer, split_chunks
from shared.rpc.limits import HEAVY_WORKERS
from shared.rpc.semlink.v1 import packet_pb2, receiver_pb2, receiver_pb2_grpc
from shared.rpc.server import ServiceSpec
from shared.rpc.status import streaming_rpc
from shared.streams import StreamKind
from shared.telemetry.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    import grpc.aio

    from shared.telemetry.telemetry import CallTelemetry

    Context = grpc.aio.ServicerContext[Any, Any]
    Settings = receiver_pb2.ReceiveSettings | receiver_pb2.DecodeSettings

RECEIVE_ORDER = "send settings once, then the reference, then arrivals"
DECODE_ORDER = "send settings once, then reference and container"


class _Decoding:
    """A loaded decoder and the options of one call, at work in the service's threads.

    ``stop`` ends the work once the call has ended, be it cancelled, over its deadline or with the service.
    """

    def __init__(self, workers: ThreadPoolExecutor, decoder: Decoder, options: DecodeOptions) -> None:
        self._workers = workers
        self.decoder, self.options = decoder, options
        self.stop = threading.Event()

    def end(self, context: Context) -> None:
        """Have what still computes for this call end; to be called when the call is over."""
        del context
        self.stop.set()

    async def rebuilt(self, bitstream: Bitstream) -> Rebuilt:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._workers, rebuild, bitstream, self.decoder, self.options, self.stop)

    def drafts(self) -> list[_Decoding]:
        """Return what shows a picture sooner: the HCI up-sampled, then the decoder without its flow."""
        sooner = [_Decoding(self._workers, *one) for one in draft_decoders(self.decoder, self.options)]
        for draft in sooner:
            draft.stop = self.stop
        return sooner

    async def draft(self, bitstream: Bitstream) -> Rebuilt:
        """Return what is there sooner; nothing where no HCI is: a sketch takes no longer than a draft of it."""
        if bitstream.stream(StreamKind.HCI) is None:
            return Rebuilt(bitstream, Guidance(bitstream.header), 0.0)
        return await self.rebuilt(bitstream)

    async def before(self, bitstream: Bitstream) -> AsyncIterator[Rebuilt]:
        """Yield what is there before the picture of ``bitstream``: that of its first streams, then drafts of all."""
        for count in range(len(bitstream.streams)):
            yield await self.rebuilt(Bitstream(bitstream.header, bitstream.streams[:count]))
        for draft in self.drafts():
            yield await draft.draft(bitstream)

    async def measured(self, rebuilt: Rebuilt, reference: ChunkBuffer) -> Rebuilt:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._workers, measured, rebuilt, reference.join())


class _Call:
    """What has arrived in one call: the reference and the packets."""

    def __init__(self, picture_index: int) -> None:
        self.reference = ChunkBuffer("the reference picture")
        self.reception = Reception(picture_index)

    def take(self, request: receiver_pb2.ReceiveRequest) -> bool:
        """Take in one message after the settings; return whether it was a packet that came through."""
        part = request.WhichOneof("part")
        if part == "reference_chunk":
            self.reference.add(request.reference_chunk)
        elif part != "arrival":
            raise InputError(f"unexpected '{part}' message: {RECEIVE_ORDER}")
        elif request.arrival.fate == packet_pb2.FATE_DELIVERED:
            self.reception.push(request.arrival.packet.data)
            return True
        return False

    def progress(self, stage: str) -> receiver_pb2.ReceiveResponse:
        return receiver_pb2.ReceiveResponse(
            progress=_progress(stage, self.reception.received_packets, self.reception.complete)
        )


class ReceiverService(receiver_pb2_grpc.ReceiverServiceServicer):
    """Reassembles, decodes and measures. Keeps its decoders loaded, and no other state between calls.

    Args:
        device: where the decoders compute; the empty one is their own choice.
        telemetry: counts what came of the pictures.
        perceptual: report perceptual distances and classifier agreement in the metrics, where there is a reference.
    """

    def __init__(self, device: str = "", telemetry: Telemetry | None = None, *, perceptual: bool = False) -> None:
        self._device = device
        self._telemetry = telemetry = telemetry or Telemetry()
        self._metrics = ReceiverMetrics(telemetry.registry)
        self._perceptual = PerceptualReporter(telemetry.loading) if perceptual else None
        self._loaded: dict[str, Decoder] = {}
        self._loading = threading.Lock()
        self._workers = ThreadPoolExecutor(HEAVY_WORKERS, thread_name_prefix="decode")
        telemetry.watch("decode", self._workers._work_queue.qsize)  # noqa: SLF001 - the executor has no public one

    @streaming_rpc
    async def Receive(  # noqa: N802 - gRPC's name
        self, request_iterator: AsyncIterator[receiver_pb2.ReceiveRequest], context: Context
    ) -> AsyncIterator[receiver_pb2.ReceiveResponse]:
        """Rebuild one picture from packets; see ``proto/semlink/v1/receiver.proto``."""
        async with self._begun("Receive", RECEIVE_ORDER, request_iterator, context) as (settings, decoding, call):
            async for response in self._received(settings, decoding, request_iterator, call):
                yield response

    async def _received(
        self,
        settings: receiver_pb2.ReceiveSettings,
        decoding: _Decoding,
        request_iterator: AsyncIterator[receiver_pb2.ReceiveRequest],
        call: CallTelemetry,
    ) -> AsyncIterator[receiver_pb2.ReceiveResponse]:
        taken = _Call(settings.picture_index)
        reception = taken.reception
        previews = Previews(decoding.rebuilt, [draft.draft for draft in decoding.drafts()])
        async with contextlib.aclosing(previews.while_reading(request_iterator)) as happening:
            async for event in happening:
                if isinstance(event, Rebuilt):
                    for preview in _preview_chunks(previews.count, event):
                        yield receiver_pb2.ReceiveResponse(preview=preview)
                elif taken.take(event):
                    if settings.progressive:
                        previews.offer(reception.bitstream())
                    yield taken.progress("receive")
        yield taken.progress("decode")
        bitstream, rebuilt = reception.bitstream(), previews.newest
        if bitstream is None or rebuilt is None or rebuilt.bitstream != bitstream:
            with call.stage("decode"):
                rebuilt = None if bitstream is None else await decoding.rebuilt(bitstream)
        if rebuilt is not None and taken.reference:
            yield taken.progress("measure")
            rebuilt = await self._measured(decoding, rebuilt, taken.reference, settings.session, call)
        for chunk in _file_chunks(rebuilt):
            yield receiver_pb2.ReceiveResponse(**chunk)
        report = report_of(decoding.decoder, decoding.options, rebuilt, reception.status())
        report.packets_rejected = reception.rejected_packets
        report.repairs.extend(map(repair_report, reception.repairs()))
        self._metrics.received(settings.session, report)
        yield receiver_pb2.ReceiveResponse(report=report)

    @streaming_rpc
    async def Decode(  # noqa: N802 - gRPC's name
        self, request_iterator: AsyncIterator[receiver_pb2.DecodeRequest], context: Context
    ) -> AsyncIterator[receiver_pb2.DecodeResponse]:
        """Rebuild one picture from a container; see ``proto/semlink/v1/receiver.proto``."""
        async with self._begun("Decode", DECODE_ORDER, request_iterator, context) as (settings, decoding, call):
            async for response in self._decoded(settings, decoding, request_iterator, call):
                yield response

    async def _decoded(
        self,
        settings: receiver_pb2.DecodeSettings,
        decoding: _Decoding,
        request_iterator: AsyncIterator[receiver_pb2.DecodeRequest],
        call: CallTelemetry,
    ) -> AsyncIterator[receiver_pb2.DecodeResponse]:
        reference, container = ChunkBuffer("the reference picture"), ChunkBuffer("the .sem file")
        async for request in request_iterator:
            part = request.WhichOneof("part")
            if part == "reference_chunk":
                reference.add(request.reference_chunk)
            elif part == "container_chunk":
                container.add(request.container_chunk)
            else:
                raise InputError(f"unexpected '{part}' message: {DECODE_ORDER}")
        bitstream = Bitstream.unpack(container.join())
        yield receiver_pb2.DecodeResponse(progress=_progress("decode", 0))
        number = 0
        if settings.progressive:
            async for shown in decoding.before(bitstream):
                number += shown.pixels is not None
                for preview in _preview_chunks(number, shown):
                    yield receiver_pb2.DecodeResponse(preview=preview)
        with call.stage("decode"):
            rebuilt = await decoding.rebuilt(bitstream)
        if reference:
            yield receiver_pb2.DecodeResponse(progress=_progress("measure", 0))
            rebuilt = await self._measured(decoding, rebuilt, reference, settings.session, call)
        for chunk in _file_chunks(rebuilt):
            yield receiver_pb2.DecodeResponse(**chunk)
        report = report_of(decoding.decoder, decoding.options, rebuilt)
        self._metrics.received(settings.session, report)
        yield receiver_pb2.DecodeResponse(report=report)

    @contextlib.asynccontextmanager
    async def _begun(
        self, method: str, order: str, requests: AsyncIterator[Any], context: Context
    ) -> AsyncIterator[tuple[Any, _Decoding, CallTelemetry]]:
        """Yield a call's settings, the decoder that they ask for, which stops when the call ends, and telemetry."""
        settings = await _settings(requests, order)
        with self._telemetry.call(method, settings.session, context) as call:
            decoding = await self._decoding(settings)
            context.add_done_callback(decoding.end)  # type: ignore[arg-type]  # the stubs ask for a class of their own
            yield settings, decoding, call

    async def _measured(
        self,
        decoding: _Decoding,
        rebuilt: Rebuilt,
        reference: ChunkBuffer,
        session: packet_pb2.Session,
        call: CallTelemetry,
    ) -> Rebuilt:
        """Return ``rebuilt`` with its quality; perceptual measures go to the metrics, if the service reports them."""
        with call.stage("measure"):
            rebuilt = await decoding.measured(rebuilt, reference)
        if self._perceptual is not None and rebuilt.pixels is not None:
            with call.stage("perceptual"):
                loop = asyncio.get_running_loop()
                found = await loop.run_in_executor(self._workers, self._perceptual, rebuilt.pixels, reference.join())
            self._metrics.count_perceptual(session, found)
        return rebuilt

    async def _decoding(self, settings: Settings) -> _Decoding:
        """Return the decoder that ``settings`` name, loaded, with the options that they ask for."""
        loop = asyncio.get_running_loop()
        decoder = await loop.run_in_executor(self._workers, self._decoder, settings.decoder or DEFAULT_DECODER)
        options = options_for(
            decoder,
            steps=settings.steps if settings.HasField("steps") else None,
            fidelity=settings.fidelity if settings.HasField("fidelity") else None,
            seed=settings.seed,
            trust=settings.trust_map,
        )
        return _Decoding(self._workers, decoder, options)

    def _decoder(self, name: str) -> Decoder:
        """Return the decoder called ``name``, loaded once; the next call tries again what could not be loaded."""
        with self._loading:
            if name not in self._loaded:
                with self._telemetry.loading(name):
                    self._loaded[name] = load_decoder(name, self._device)
            return self._loaded[name]


def receiver_spec(device: str = "", telemetry: Telemetry | None = None, *, perceptual: bool = False) -> ServiceSpec:
    """Return the receiver as a service to run; its decoders compute on ``device``, the empty one is their choice."""
    telemetry = telemetry or Telemetry()
    service = ReceiverService(device, telemetry, perceptual=perceptual)
    return ServiceSpec(
        receiver_pb2.DESCRIPTOR.services_by_name["ReceiverService"].full_name,
        lambda server: receiver_pb2_grpc.add_ReceiverServiceServicer_to_server(service, server),
        telemetry,
    )


async def _settings(requests: AsyncIterator[Any], order: str) -> Any:
    """Return the settings, which every call begins with."""
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
    """Yield picture and trust map as the response fields that carry them."""
    if rebuilt is not None:
        yield from ({"picture_chunk": chunk} for chunk in split_chunks(rebuilt.png))
        yield from ({"trust_map_chunk": chunk} for chunk in split_chunks(rebuilt.trust_png))


def _progress(stage: str, received: int, whole: list[StreamKind] | None = None) -> receiver_pb2.ReceiveProgress:
    return receiver_pb2.ReceiveProgress(
        stage=stage,
        packets_received=received,
        whole=[packet_pb2.StreamKind.ValueType(kind) for kind in whole or []],
    )
