"""The receiver's gRPC service."""

from __future__ import annotations

import asyncio
import functools
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from receiver.decoder import Decoder, Guidance, decoder_named, guidance_in
from receiver.quality import Quality, quality
from receiver.reassembly import PictureStatus, Reassembler
from shared.bitstream import Bitstream
from shared.errors import InputError, LinkError
from shared.packets import PICTURE_IDS
from shared.picture import encode_png, load_picture
from shared.rpc.chunks import ChunkBuffer, chunks_of
from shared.rpc.limits import HEAVY_WORKERS
from shared.rpc.semlink.v1 import packet_pb2, receiver_pb2, receiver_pb2_grpc
from shared.rpc.server import ServiceSpec
from shared.rpc.status import serves

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    import grpc.aio
    import numpy as np
    from numpy.typing import NDArray

    from shared.streams import StreamKind

    Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True, slots=True)
class _Rebuilt:
    """What was rebuilt from the guidance: pixels and the same as PNG (None: nothing to start from), and its quality."""

    guidance: Guidance
    decode_s: float
    pixels: NDArray[np.uint8] | None = None
    png: bytes | None = None
    quality: Quality | None = None


class ReceiverService(receiver_pb2_grpc.ReceiverServiceServicer):
    """Reassembles, decodes and measures. Keeps its decoders loaded, and no other state between calls."""

    def __init__(self) -> None:
        self._decoder = functools.cache(decoder_named)
        self._workers = ThreadPoolExecutor(HEAVY_WORKERS, thread_name_prefix="decode")

    @serves
    async def Receive(  # noqa: N802 - gRPC's name
        self, request_iterator: AsyncIterator[receiver_pb2.ReceiveRequest], context: Context
    ) -> AsyncIterator[receiver_pb2.ReceiveResponse]:
        """Rebuild one picture from packets; see ``proto/semlink/v1/receiver.proto``."""
        del context
        settings: receiver_pb2.ReceiveSettings | None = None
        reference = ChunkBuffer("the reference picture")
        reassembler = Reassembler()
        received = 0
        whole: list[StreamKind] = []
        async for request in request_iterator:
            part = request.WhichOneof("part")
            if part == "settings" and settings is None:
                settings = request.settings
                decoder = self._decoder(settings.decoder)
            elif part == "reference_chunk" and settings is not None:
                reference.add(request.reference_chunk)
            elif part == "arrival" and settings is not None:
                if request.arrival.fate != packet_pb2.FATE_DELIVERED:
                    continue
                received += 1
                event = reassembler.push(request.arrival.packet.data)
                if event is not None:
                    whole.append(event.stream.kind)
                yield receiver_pb2.ReceiveResponse(progress=_progress("receive", received, whole))
            else:
                raise InputError(f"unexpected '{part}' message: send settings once, then the reference, then arrivals")
        if settings is None:
            raise InputError("the call ended without settings: send settings once, then the reference, then arrivals")
        picture_id = settings.picture_index % PICTURE_IDS
        status = reassembler.status(picture_id)
        bitstream = reassembler.bitstream(picture_id)
        yield receiver_pb2.ReceiveResponse(progress=_progress("decode", received, whole))
        rebuilt = await self._rebuilt(bitstream, decoder)
        if reference:
            yield receiver_pb2.ReceiveResponse(progress=_progress("measure", received, whole))
            rebuilt = await self._measured(rebuilt, reference.joined())
        for chunk in _picture_chunks(rebuilt):
            yield receiver_pb2.ReceiveResponse(picture_chunk=chunk)
        report = _report(decoder, bitstream, rebuilt, status)
        report.packets_rejected = reassembler.counts.damaged
        yield receiver_pb2.ReceiveResponse(report=report)

    @serves
    async def Decode(  # noqa: N802 - gRPC's name
        self, request_iterator: AsyncIterator[receiver_pb2.DecodeRequest], context: Context
    ) -> AsyncIterator[receiver_pb2.DecodeResponse]:
        """Rebuild one picture from a container; see ``proto/semlink/v1/receiver.proto``."""
        del context
        settings: receiver_pb2.DecodeSettings | None = None
        reference, container = ChunkBuffer("the reference picture"), ChunkBuffer("the .sem file")
        async for request in request_iterator:
            part = request.WhichOneof("part")
            if part == "settings" and settings is None:
                settings = request.settings
                decoder = self._decoder(settings.decoder)
            elif part == "reference_chunk" and settings is not None:
                reference.add(request.reference_chunk)
            elif part == "container_chunk" and settings is not None:
                container.add(request.container_chunk)
            else:
                raise InputError(f"unexpected '{part}' message: send settings once, then reference and container")
        if settings is None:
            raise InputError("the call ended without settings: send settings once, then reference and container")
        bitstream = Bitstream.unpack(container.joined())
        yield receiver_pb2.DecodeResponse(progress=_progress("decode", 0))
        rebuilt = await self._rebuilt(bitstream, decoder)
        if reference:
            yield receiver_pb2.DecodeResponse(progress=_progress("measure", 0))
            rebuilt = await self._measured(rebuilt, reference.joined())
        for chunk in _picture_chunks(rebuilt):
            yield receiver_pb2.DecodeResponse(picture_chunk=chunk)
        yield receiver_pb2.DecodeResponse(report=_report(decoder, bitstream, rebuilt, None))

    async def _rebuilt(self, bitstream: Bitstream | None, decoder: Decoder) -> _Rebuilt | None:
        if bitstream is None:
            return None
        return await asyncio.get_running_loop().run_in_executor(self._workers, _rebuild, bitstream, decoder)

    async def _measured(self, rebuilt: _Rebuilt | None, reference: bytes) -> _Rebuilt | None:
        if rebuilt is None or rebuilt.pixels is None:
            return rebuilt
        loop = asyncio.get_running_loop()
        return replace(rebuilt, quality=await loop.run_in_executor(self._workers, _quality, rebuilt.pixels, reference))


def receiver_spec() -> ServiceSpec:
    """Return the receiver as a service to run."""
    return ServiceSpec(
        receiver_pb2.DESCRIPTOR.services_by_name["ReceiverService"].full_name,
        lambda server: receiver_pb2_grpc.add_ReceiverServiceServicer_to_server(ReceiverService(), server),
    )


def _rebuild(bitstream: Bitstream, decoder: Decoder) -> _Rebuilt:
    started_s = time.perf_counter()
    guidance = guidance_in(bitstream)
    pixels = decoder.reconstruct(guidance)
    decode_s = time.perf_counter() - started_s
    return _Rebuilt(guidance, decode_s, pixels, None if pixels is None else encode_png(pixels))


def _quality(pixels: NDArray[np.uint8], reference: bytes) -> Quality:
    try:
        return quality(pixels, load_picture(reference).pixels)
    except LinkError as error:
        raise type(error)(f"reference picture: {error}") from error


def _picture_chunks(rebuilt: _Rebuilt | None) -> Iterator[bytes]:
    return chunks_of(rebuilt.png) if rebuilt is not None and rebuilt.png is not None else iter(())


def _progress(stage: str, received: int, whole: list[StreamKind] | None = None) -> receiver_pb2.ReceiveProgress:
    return receiver_pb2.ReceiveProgress(
        stage=stage,
        packets_received=received,
        whole=[packet_pb2.StreamKind.ValueType(kind) for kind in whole or []],
    )


def _report(
    decoder: Decoder, bitstream: Bitstream | None, rebuilt: _Rebuilt | None, status: PictureStatus | None
) -> receiver_pb2.ReceiveReport:
    report = receiver_pb2.ReceiveReport(decoder=decoder.name, streams=_stream_reports(bitstream, rebuilt, status))
    if bitstream is None or rebuilt is None:
        report.reason = "no packet that tells the picture's size arrived"
        return report
    report.width, report.height = bitstream.header.width, bitstream.header.height
    report.decode_s = rebuilt.decode_s
    report.rebuilt = rebuilt.png is not None
    if not report.rebuilt:
        damaged = ", ".join(kind.name for kind in rebuilt.guidance.damaged)
        report.reason = (
            f"what arrived of {damaged} does not decode"
            if damaged
            else f"no stream that decoder '{decoder.name}' can start from came whole"
        )
    if rebuilt.quality is not None:
        report.quality.psnr_db = rebuilt.quality.psnr_db
        if rebuilt.quality.ms_ssim is not None:
            report.quality.ms_ssim = rebuilt.quality.ms_ssim
    return report


def _stream_reports(
    bitstream: Bitstream | None, rebuilt: _Rebuilt | None, status: PictureStatus | None
) -> list[receiver_pb2.StreamReport]:
    received = {stream.kind: stream.received for stream in status.streams} if status is not None else {}
    payload_bytes = {stream.kind: len(stream.payload) for stream in bitstream.streams} if bitstream is not None else {}
    damaged = rebuilt.guidance.damaged if rebuilt is not None else ()

    def state(kind: StreamKind) -> receiver_pb2.StreamState.ValueType:
        if kind not in payload_bytes:
            return receiver_pb2.STREAM_STATE_INCOMPLETE
        return receiver_pb2.STREAM_STATE_DAMAGED if kind in damaged else receiver_pb2.STREAM_STATE_WHOLE

    return [
        receiver_pb2.StreamReport(
            kind=packet_pb2.StreamKind.ValueType(kind),
            state=state(kind),
            bytes=payload_bytes.get(kind, 0),
            packets_received=received.get(kind, 0),
        )
        for kind in sorted(received.keys() | payload_bytes.keys())
    ]
