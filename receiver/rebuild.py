"""From a bitstream to a picture: decode it, measure it, and report on it."""

from __future__ import annotations

import contextlib
import functools
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from receiver.decoders.upsample import UpsampleDecoder
from receiver.guidance import Guidance, guidance_in
from receiver.metrics.pixel import Quality, check_same_size, quality
from shared.errors import LinkError
from shared.picture import encode_png, load_picture
from shared.rpc.semlink.v1 import packet_pb2, receiver_pb2
from shared.streams import StreamKind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from threading import Event

    import numpy as np
    from numpy.typing import NDArray

    from receiver.decoders.base import DecodeOptions, Decoder
    from receiver.reassembly import PictureStatus
    from shared.bitstream import Bitstream, PictureHeader
    from shared.repair.decoder import RepairStatus


@dataclass(frozen=True)
class Rebuilt:
    """The result of decoding a bitstream. ``pixels`` is None if the decoder could not make a picture.

    ``pixels`` is uint8 ``[H, W, 3]`` or ``[H, W]``. ``trust_map`` is uint8 ``[ceil(H / 16), ceil(W / 16)]``, from 0
    (invented) to 255 (received), and ``trust`` its mean, 0 to 1.
    """

    bitstream: Bitstream
    guidance: Guidance
    decode_s: float
    pixels: NDArray[np.uint8] | None = None
    trust_map: NDArray[np.uint8] | None = None
    trust: float | None = None
    fidelity: float | None = None
    quality: Quality | None = None

    @functools.cached_property
    def png(self) -> bytes:
        """The picture as a PNG file; empty without a picture. It is encoded once."""
        return b"" if self.pixels is None else encode_png(self.pixels)

    @functools.cached_property
    def trust_png(self) -> bytes:
        """The trust map as a PNG file; empty without a trust map."""
        return b"" if self.trust_map is None else encode_png(self.trust_map)

    @property
    def invented(self) -> bool:
        """Whether there is a picture although only its size was received."""
        return self.pixels is not None and self.guidance.is_empty


def rebuild(bitstream: Bitstream, decoder: Decoder, options: DecodeOptions, stop: Event | None = None) -> Rebuilt:
    """Decode ``bitstream`` with ``decoder``.

    Raises:
        ServiceError: ``stop`` was set during the work.
        SetupError, LimitError: as the decoder raises them.
    """
    started_s = time.perf_counter()
    guidance = guidance_in(bitstream)
    decoded = decoder.reconstruct(guidance, options, stop)
    decode_s = time.perf_counter() - started_s
    if decoded is None:
        return Rebuilt(bitstream, guidance, decode_s)
    return Rebuilt(
        bitstream,
        guidance,
        decode_s,
        pixels=decoded.pixels,
        trust_map=decoded.trust_map,
        trust=0.0 if guidance.is_empty else decoded.trust,
        fidelity=decoded.fidelity,
    )


def rebuild_files(bitstream: Bitstream, decoder: Decoder, options: DecodeOptions, stop: Event | None = None) -> Rebuilt:
    """Decode ``bitstream`` as ``rebuild`` does, and encode the files of the result, which takes as long for some.

    Raises:
        ServiceError, SetupError, LimitError: as ``rebuild``.
    """
    rebuilt = rebuild(bitstream, decoder, options, stop)
    _ = rebuilt.png, rebuilt.trust_png  # kept from now on
    return rebuilt


def draft_decoders(decoder: Decoder, options: DecodeOptions) -> list[tuple[Decoder, DecodeOptions]]:
    """Return faster decoders for drafts of the picture: the up-sampled HCI, then ``decoder`` without its refiner."""
    if isinstance(decoder, UpsampleDecoder):
        return []
    without_refiner = [(decoder, replace(options, steps=0))] if options.steps else []
    return [(UpsampleDecoder(), options), *without_refiner]


def check_reference(reference: bytes, header: PictureHeader) -> None:
    """Check that ``reference`` is a picture of the size in ``header``, before the work of decoding.

    Raises:
        InputError: as ``measure_quality``.
    """
    with _name_reference():
        check_same_size((header.height, header.width), load_picture(reference).pixels.shape)


def holds_picture(bitstream: Bitstream) -> bool:
    """Whether ``bitstream`` has something to enlarge: an HCI or its base."""
    return any(bitstream.stream(kind) is not None for kind in (StreamKind.HCI, StreamKind.BASE))


def measure_quality(rebuilt: Rebuilt, reference: bytes) -> Rebuilt:
    """Return ``rebuilt`` with its quality against ``reference``, a picture file.

    Raises:
        InputError: the reference is not a picture, or has another size.
    """
    if rebuilt.pixels is None:
        return rebuilt
    with _name_reference():
        return replace(rebuilt, quality=quality(rebuilt.pixels, load_picture(reference).pixels))


@contextlib.contextmanager
def _name_reference() -> Iterator[None]:
    """Say in an error's message that it is about the reference picture."""
    try:
        yield
    except LinkError as error:
        raise type(error)(f"reference picture: {error}") from error


def make_report(
    decoder: Decoder, options: DecodeOptions, rebuilt: Rebuilt | None, status: PictureStatus | None = None
) -> receiver_pb2.ReceiveReport:
    """Return the report of a call.

    ``rebuilt`` is None if not even the size of the picture is known. ``status`` is None for a container, which has no
    packets.
    """
    report = receiver_pb2.ReceiveReport(
        decoder=decoder.name, device=decoder.device, streams=_stream_reports(rebuilt, status)
    )
    if decoder.default_steps is not None:
        report.steps, report.seed = options.steps, options.seed
    if rebuilt is None:
        report.reason = "no packet with the picture's size arrived"
        return report
    report.width, report.height = rebuilt.bitstream.header.width, rebuilt.bitstream.header.height
    report.decode_s = rebuilt.decode_s
    report.rebuilt, report.invented = rebuilt.pixels is not None, rebuilt.invented
    report.reason = _reason(decoder, rebuilt)
    if rebuilt.fidelity is not None:
        report.fidelity = rebuilt.fidelity
    if rebuilt.trust is not None:
        report.trust = rebuilt.trust
    if rebuilt.guidance.received is not None:
        report.hci_received = float(rebuilt.guidance.received.mean())
    if rebuilt.quality is not None:
        report.quality.psnr_db = rebuilt.quality.psnr_db
        if rebuilt.quality.ms_ssim is not None:
            report.quality.ms_ssim = rebuilt.quality.ms_ssim
    return report


def _reason(decoder: Decoder, rebuilt: Rebuilt) -> str:
    """Return why there is no picture, or only an invented one; empty if neither is the case."""
    if rebuilt.pixels is not None and not rebuilt.invented:
        return ""
    damaged = ", ".join(kind.name for kind in rebuilt.guidance.damaged)
    if rebuilt.invented:
        missing = f"{damaged} does not decode" if damaged else "no stream is complete"
        return f"{missing}; the result is the mean of all training pictures"
    if damaged:
        return f"{damaged} does not decode"
    hint = "" if rebuilt.guidance.is_empty else "; --decoder pocket makes a picture from the other streams"
    return f"no stream is complete that decoder '{decoder.name}' can start from{hint}"


def describe_streams(guidance: Guidance) -> dict[StreamKind, str]:
    """Return the content of each decoded stream as text."""
    texts = {}
    if guidance.hci is not None:
        height, width = guidance.hci.pixels.shape[:2]
        arrived, slices = guidance.slices
        part = f", {arrived} of {slices} slices" if slices else ""
        if arrived or (not slices and guidance.hci is not guidance.base):
            texts[StreamKind.HCI] = f"{width}x{height} ({guidance.hci.coder}{part})"
    if guidance.base is not None:
        height, width = guidance.base.pixels.shape[:2]
        texts[StreamKind.BASE] = f"{width}x{height} ({guidance.base.coder})"
    if guidance.caption is not None:
        texts[StreamKind.CAPTION] = guidance.caption
    if guidance.tokens is not None:
        texts[StreamKind.TOKENS] = f"{len(guidance.tokens.codes)} {guidance.tokens.kind.name}s"
    if guidance.residual is not None and (arrived := int((guidance.residual >= 0).sum())):
        texts[StreamKind.TOKENS] = f"{arrived} of {guidance.residual.size} residual tokens"
    if guidance.latent is not None:
        texts[StreamKind.LATENT] = f"channels {', '.join(map(str, guidance.latent.ids))}"
    if guidance.regions is not None:
        texts[StreamKind.REGIONS] = ", ".join(
            f"{region.name or 'unnamed'} ({region.detail or 'no detail'})" for region in guidance.regions
        )
    return texts


def _stream_reports(rebuilt: Rebuilt | None, status: PictureStatus | None) -> list[receiver_pb2.StreamReport]:
    received = {stream.kind: stream.received for stream in status.streams} if status is not None else {}
    streams = rebuilt.bitstream.streams if rebuilt is not None else ()
    payload_bytes = {stream.kind: len(stream.payload) for stream in streams}
    units = {stream.kind: [len(unit) for unit in stream.units] for stream in streams}
    damaged = rebuilt.guidance.damaged if rebuilt is not None else ()
    content = describe_streams(rebuilt.guidance) if rebuilt is not None else {}

    def state(kind: StreamKind) -> receiver_pb2.StreamState.ValueType:
        if len(units.get(kind, ())) > 1 and 0 in units[kind] and kind not in damaged:
            return receiver_pb2.STREAM_STATE_INCOMPLETE
        if kind not in payload_bytes:
            return receiver_pb2.STREAM_STATE_INCOMPLETE
        return receiver_pb2.STREAM_STATE_DAMAGED if kind in damaged else receiver_pb2.STREAM_STATE_WHOLE

    return [
        receiver_pb2.StreamReport(
            kind=packet_pb2.StreamKind.ValueType(kind),
            state=state(kind),
            bytes=payload_bytes.get(kind, 0),
            packets_received=received.get(kind, 0),
            content=content.get(kind, ""),
            units=len(units.get(kind, ())),
            units_received=sum(length > 0 for length in units.get(kind, ())),
        )
        for kind in sorted(received.keys() | payload_bytes.keys())
    ]


def repair_report(status: RepairStatus) -> receiver_pb2.RepairReport:
    """Return the state of one repaired object as a message."""
    return receiver_pb2.RepairReport(
        kinds=[packet_pb2.StreamKind.ValueType(kind) for kind in status.kinds],
        state=receiver_pb2.RepairState.Value(f"REPAIR_STATE_{status.state.name}"),
        source_packets=status.source_packets,
        source_received=status.source_received,
        repair_received=status.repair_received,
        missing_symbols=status.missing_symbols,
    )
