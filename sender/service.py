"""The sender's gRPC service."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from sender.encode import encode_picture
from sender.extractors.extractors import Extractors
from sender.repair import repair_packets
from sender.report import send_report
from sender.telemetry import SenderMetrics
from shared.codecs.changes import changed
from shared.codecs.registry import codec_named, codecs
from shared.errors import ConfigError, InputError
from shared.packets import PICTURE_IDS, SEQUENCE_COUNTS, Packetiser
from shared.picture import load_picture
from shared.repair.encoder import RepairEncoder
from shared.rpc.chunks import ChunkBuffer
from shared.rpc.limits import HEAVY_WORKERS
from shared.rpc.semlink.v1 import packet_pb2, sender_pb2, sender_pb2_grpc
from shared.rpc.server import ServiceSpec
from shared.rpc.status import serves
from shared.streams import StreamKind
from shared.telemetry.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    import grpc.aio

    from sender.hci_search import Judge
    from sender.rdo import Analyst
    from shared.codecs.recipe import Codec
    from shared.telemetry.telemetry import CallTelemetry

    Context = grpc.aio.ServicerContext[Any, Any]


class SenderService(sender_pb2_grpc.SenderServiceServicer):
    """Extracts guidance, codes it and packetises it. Keeps no state between calls but what ``telemetry`` counts."""

    def __init__(self, judge: Judge | None, telemetry: Telemetry, analyst: Analyst | None) -> None:
        self._telemetry = telemetry
        self._metrics = SenderMetrics(telemetry.registry)
        self._extractors = Extractors(judge, telemetry.loading, analyst)
        self._workers = ThreadPoolExecutor(HEAVY_WORKERS, thread_name_prefix="encode")
        telemetry.watch("encode", self._workers._work_queue.qsize)  # noqa: SLF001 - the executor has no public one

    @serves
    async def Send(  # noqa: N802 - gRPC's name
        self, request_iterator: AsyncIterator[sender_pb2.SendRequest], context: Context
    ) -> AsyncIterator[sender_pb2.SendResponse]:
        """Encode one picture; see ``proto/semlink/v1/sender.proto``."""
        settings, data = await _settings_and_picture(request_iterator)
        with self._telemetry.call("Send", settings.session, context) as call:
            async for response in self._sent(settings, data, call):
                yield response

    async def _sent(
        self, settings: sender_pb2.SendSettings, data: bytes, call: CallTelemetry
    ) -> AsyncIterator[sender_pb2.SendResponse]:
        codec = requested_codec(settings)
        packetiser = Packetiser(settings.packet_bytes) if settings.packet_bytes else Packetiser()
        packetiser.next_count.update(_checked_counts(settings.next_sequence_counts))
        yield _progress("read", 0.1)
        caption = settings.caption if settings.HasField("caption") else None
        encode = partial(
            encode_picture,
            codec=codec,
            extractors=self._extractors,
            budget_bytes=settings.budget_bytes,
            caption=caption,
        )
        loop = asyncio.get_running_loop()
        with call.stage("read"):
            picture = await loop.run_in_executor(self._workers, load_picture, data)
        yield _progress("encode", 0.2)
        started_s = time.perf_counter()
        with call.stage("encode"):
            bitstream = await loop.run_in_executor(self._workers, encode, picture)
        encode_s = time.perf_counter() - started_s
        yield _progress("packetise", 0.9)
        with call.stage("packetise"):
            packets = packetiser.packetise(bitstream, settings.picture_index % PICTURE_IDS, codec.streams)
        for packet in packets:
            yield sender_pb2.SendResponse(packet=packet_pb2.Packet(data=packet))
        repairing = RepairEncoder(settings.next_repair_count % SEQUENCE_COUNTS)
        with call.stage("repair"):
            repairs = await loop.run_in_executor(
                self._workers, repair_packets, packets, dict(settings.repair_overheads), repairing
            )
        for packet in repairs:
            yield sender_pb2.SendResponse(packet=packet_pb2.Packet(data=packet))
        report = send_report(codec, picture, bitstream, packets=packets, repairs=repairs, encode_s=encode_s)
        report.next_repair_count = repairing.next_count
        report.next_sequence_counts.update({int(kind): count for kind, count in packetiser.next_count.items()})
        self._metrics.sent(report)
        yield sender_pb2.SendResponse(report=report)

    async def ListCodecs(  # noqa: N802 - gRPC's name
        self, request: sender_pb2.ListCodecsRequest, context: Context
    ) -> sender_pb2.ListCodecsResponse:
        """Return the codecs by name."""
        del request, context
        return sender_pb2.ListCodecsResponse(
            codecs=[
                sender_pb2.Codec(
                    name=codec.name,
                    summary=codec.summary,
                    streams=[packet_pb2.StreamKind.ValueType(kind) for kind in codec.streams],
                )
                for codec in codecs().values()
            ]
        )


def sender_spec(
    judge: Judge | None = None, telemetry: Telemetry | None = None, analyst: Analyst | None = None
) -> ServiceSpec:
    """Return the sender as a service to run.

    Without a ``judge`` the codec `adaptive` chooses by its table; without an ``analyst`` trade-offs are refused.
    """
    telemetry = telemetry or Telemetry()
    return ServiceSpec(
        sender_pb2.DESCRIPTOR.services_by_name["SenderService"].full_name,
        lambda server: sender_pb2_grpc.add_SenderServiceServicer_to_server(
            SenderService(judge, telemetry, analyst), server
        ),
        telemetry,
    )


async def _settings_and_picture(
    requests: AsyncIterator[sender_pb2.SendRequest],
) -> tuple[sender_pb2.SendSettings, bytes]:
    settings: sender_pb2.SendSettings | None = None
    picture = ChunkBuffer("the picture file")
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
    return settings, picture.joined()


def requested_codec(settings: sender_pb2.SendSettings) -> Codec:
    """Return the codec that ``settings`` name, with the changes that they ask for.

    Raises:
        UnknownNameError: there is no such codec.
        ConfigError: a change outside its rule.
    """
    changes: dict[str, object] = {
        name: getattr(settings, name) for name in ("tokens", "planes") if settings.HasField(name)
    }
    if settings.HasField("trade_off"):
        changes["trade_off"] = {"alpha": settings.trade_off.alpha, "beta": settings.trade_off.beta}
    return changed(codec_named(settings.codec), changes)


def _checked_counts(counts: Mapping[int, int]) -> dict[StreamKind, int]:
    known = {int(kind) for kind in StreamKind}
    for kind, count in counts.items():
        if kind not in known or count >= SEQUENCE_COUNTS:
            raise ConfigError(
                f"sequence count {count} of stream kind {kind}: kinds are {min(known)} to {max(known)}, "
                f"counts 0 to {SEQUENCE_COUNTS - 1}"
            )
    return {StreamKind(kind): count for kind, count in counts.items()}


def _progress(stage: str, done: float) -> sender_pb2.SendResponse:
    return sender_pb2.SendResponse(progress=sender_pb2.SendProgress(stage=stage, done=done))
