"""The sender's gRPC service."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from sender.encode import encode_picture
from sender.extractors.extractors import Extractors
from sender.messages import (
    list_codecs,
    requested_captioner,
    requested_codec,
    requested_loss,
    requested_packets,
    send_report,
)
from sender.telemetry import SenderMetrics
from shared.bitstream import Bitstream
from shared.errors import InputError
from shared.picture import load_picture
from shared.rpc.budget import Budget, Share
from shared.rpc.chunks import ChunkBuffer
from shared.rpc.limits import DEFAULT_LIMITS, HEAVY_WORKERS, ServiceLimits
from shared.rpc.semlink.v1 import packet_pb2, sender_pb2, sender_pb2_grpc
from shared.rpc.server import ServiceSpec
from shared.rpc.status import streaming_rpc
from shared.telemetry.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import grpc.aio

    from sender.hci_search import DecoderInTheLoop
    from sender.rdo import FeatureDistortion
    from sender.residual import ResidualCodes
    from shared.codecs.recipe import Codec
    from shared.picture import Picture
    from shared.telemetry.telemetry import CallTelemetry

    Context = grpc.aio.ServicerContext[Any, Any]

ENCODE_BYTES = 60
"""Memory per pixel of a picture that is encoded, beside that of the decoder in the loop."""


class SenderService(sender_pb2_grpc.SenderServiceServicer):
    """Encodes pictures and makes packets. It keeps no state between calls, apart from the counts of ``telemetry``."""

    def __init__(
        self,
        telemetry: Telemetry,
        decoder_in_the_loop: DecoderInTheLoop | None,
        feature_distortion: FeatureDistortion | None,
        device: str,
        limits: ServiceLimits = DEFAULT_LIMITS,
        residual_codes: ResidualCodes | None = None,
    ) -> None:
        self._telemetry = telemetry
        self._budget = Budget(limits.memory_bytes)
        self._metrics = SenderMetrics(telemetry.registry)
        self._extractors = Extractors(
            decoder_in_the_loop, telemetry.loading, feature_distortion, device, residual_codes
        )
        self._workers = ThreadPoolExecutor(HEAVY_WORKERS, thread_name_prefix="encode")
        telemetry.watch("encode", self._workers._work_queue.qsize)  # noqa: SLF001 - the executor has no public one

    @streaming_rpc
    async def Send(  # noqa: N802 - gRPC's name
        self, request_iterator: AsyncIterator[sender_pb2.SendRequest], context: Context
    ) -> AsyncIterator[sender_pb2.SendResponse]:
        """Encode one picture; see ``proto/semlink/v1/sender.proto``."""
        with self._budget.share() as share:
            settings, data = await _settings_and_picture(request_iterator, share)
            with self._telemetry.call("Send", settings.session, context) as call:
                async for response in self._send(settings, data, share, call):
                    yield response

    async def _send(
        self, settings: sender_pb2.SendSettings, data: bytes, share: Share, call: CallTelemetry
    ) -> AsyncIterator[sender_pb2.SendResponse]:
        codec, extractors = requested_codec(settings), self._extractors
        if not settings.container:
            extractors = extractors.of_profile(requested_captioner(settings), codec)
        loop = asyncio.get_running_loop()
        notes: tuple[str, ...] = ()
        started_s = time.perf_counter()
        if settings.container:
            bitstream = Bitstream.unpack(settings.container)
        else:
            yield _progress("read", 0.1)
            with call.stage("read"):
                picture = await loop.run_in_executor(self._workers, load_picture, data)
            share.grow(ENCODE_BYTES * picture.header.pixels)
            notes = picture.notes
            yield _progress("encode", 0.2)
            started_s = time.perf_counter()
            with call.stage("encode"):
                bitstream = await loop.run_in_executor(self._workers, _encode, picture, codec, extractors, settings)
        encode_s = time.perf_counter() - started_s
        yield _progress("packetise", 0.9)
        with call.stage("packetise"):
            packets = await loop.run_in_executor(self._workers, requested_packets, bitstream, codec, settings)
        for packet in packets.all:
            yield sender_pb2.SendResponse(packet=packet_pb2.Packet(data=packet))
        report = send_report(codec, bitstream, packets, notes=notes, encode_s=encode_s)
        self._metrics.record(report)
        yield sender_pb2.SendResponse(report=report)

    async def ListCodecs(  # noqa: N802 - gRPC's name
        self, request: sender_pb2.ListCodecsRequest, context: Context
    ) -> sender_pb2.ListCodecsResponse:
        """Return the codecs by name."""
        del request, context
        return list_codecs()


def sender_spec(
    telemetry: Telemetry | None = None,
    decoder_in_the_loop: DecoderInTheLoop | None = None,
    feature_distortion: FeatureDistortion | None = None,
    device: str = "",
    limits: ServiceLimits = DEFAULT_LIMITS,
    residual_codes: ResidualCodes | None = None,
) -> ServiceSpec:
    """Return the sender as a service to run. ``device`` is where captioners of model profiles compute.

    Without a ``decoder_in_the_loop``, the codec `adaptive` chooses its highly compressed image (HCI) by a table.
    Without a ``feature_distortion``, a rate-task optimisation is an error, and without ``residual_codes`` a codec that
    sends residual tokens.
    """
    telemetry = telemetry or Telemetry()
    return ServiceSpec(
        sender_pb2.DESCRIPTOR.services_by_name["SenderService"].full_name,
        lambda server: sender_pb2_grpc.add_SenderServiceServicer_to_server(
            SenderService(telemetry, decoder_in_the_loop, feature_distortion, device, limits, residual_codes), server
        ),
        telemetry,
        limits,
    )


def _encode(picture: Picture, codec: Codec, extractors: Extractors, settings: sender_pb2.SendSettings) -> Bitstream:
    caption = settings.caption if settings.HasField("caption") else None
    return encode_picture(picture, codec, extractors, settings.max_bytes, caption, requested_loss(settings))


async def _settings_and_picture(
    requests: AsyncIterator[sender_pb2.SendRequest],
    share: Share,
) -> tuple[sender_pb2.SendSettings, bytes]:
    settings: sender_pb2.SendSettings | None = None
    picture = ChunkBuffer("the picture file", share)
    async for request in requests:
        part = request.WhichOneof("part")
        if part == "settings" and settings is None and not len(picture):
            settings = request.settings
        elif part == "picture_chunk" and settings is not None:
            picture.add(request.picture_chunk)
        else:
            raise InputError(f"unexpected '{part}' message: send settings once, then picture chunks")
    if settings is None:
        raise InputError("the call ended without settings: send settings once, then picture chunks")
    return settings, picture.join()


def _progress(stage: str, done: float) -> sender_pb2.SendResponse:
    return sender_pb2.SendResponse(progress=sender_pb2.SendProgress(stage=stage, done=done))
