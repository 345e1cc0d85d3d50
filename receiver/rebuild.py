"""From a bitstream to picture files: decode, measure, and what the report says about it."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from receiver.decoders.upsample import UpsampleDecoder
from receiver.guidance import Guidance, guidance_in
from receiver.metrics.pixel import Quality, quality
from shared.errors import LinkError
from shared.picture import encode_png, load_picture
from shared.rpc.semlink.v1 import packet_pb2, receiver_pb2
from shared.streams import StreamKind

if TYPE_CHECKING:
    from threading import Event

    import numpy as np
    from numpy.typing import NDArray

    from receiver.decoders.base import DecodeOptions, Decoder
    from receiver.reassembly import PictureStatus
    from shared.bitstream import Bitstream
    from shared.repair.decoder import RepairStatus


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What was rebuilt from a bitstream. ``pixels`` is None where no picture could be made.

    ``pixels`` is uint8 ``[H, W, 3]`` or ``[H, W]``, ``trust_map`` uint8 ``[ceil(H / 16), ceil(W / 16)]``, 0 invented to
    255 received; ``trust`` is its mean as 0 to 1.
    """

    bitstream: Bitstream
    guidance: Guidance
    decode_s: float
    pixels: NDArray[np.uint8] | None = None
    trust_map: NDArray[np.uint8] | None = None
    trust: float | None = None
    fidelity: float | None = None
    quality: Quality | None = None

    @property
    def png(self) -> bytes:
        """The picture as a PNG file, empty where there is none."""
        return b"" if self.pixels is None else encode_png(self.pixels)

    @property
    def trust_png(self) -> bytes:
        """The trust map as a PNG file, empty where there is none."""
        return b"" if self.trust_map is None else encode_png(self.trust_map)

    @property
    def invented(self) -> bool:
        """Whether there is a picture although nothing but its size is known."""
        return self.pixels is not None and self.guidance.is_empty


def rebuild(bitstream: Bitstream, decoder: Decoder, options: DecodeOptions, stop: Event | None = None) -> Rebuilt:
    """Return what ``decoder`` makes of the streams of ``bitstream``, unless ``stop`` is set meanwhile."""
    started_s = time.perf_counter()
    guidance = guidance_in(bitstream)
    made = decoder.reconstruct(guidance, options, stop)
    decode_s = time.perf_counter() - started_s
    if made is None:
        return Rebuilt(bitstream, guidance, decode_s)
    return Rebuilt(
        bitstream,
        guidance,
        decode_s,
        pixels=made.pixels,
        trust_map=made.trust_map,
        trust=0.0 if guidance.is_empty else made.trust,
        fidelity=made.fidelity,
    )


def draft_decoders(decoder: Decoder, options: DecodeOptions) -> list[tuple[Decoder, DecodeOptions]]:
    """Return what shows a picture sooner than ``decoder`` does: the HCI up-sampled, then ``decoder`` without its flow."""
    if isinstance(decoder, UpsampleDecoder):
        return []
    without_flow = [(decoder, replace(options, steps=0))] if options.steps else []
    return [(UpsampleDecoder(), options), *without_flow]


def measured(rebuilt: Rebuilt, reference: bytes) -> Rebuilt:
    """Return ``rebuilt`` with its quality against ``reference``, a picture file.

    Raises:
        InputError: the reference is no picture, or of another size.
    """
    if rebuilt.pixels is None:
        return rebuilt
    try:
        return replace(rebuilt, quality=quality(rebuilt.pixels, load_picture(reference).pixels))
    except LinkError as error:
        raise type(error)(f"reference picture: {error}") from error


def report_of(
    decoder: Decoder, options: DecodeOptions, rebuilt: Rebuilt | None, status: PictureStatus | None = None
) -> receiver_pb2.ReceiveReport:
    """Return the report of a call: ``rebuilt`` is None where not even the size is known, ``status`` of a container."""
    report = receiver_pb2.ReceiveReport(
        decoder=decoder.name, device=decoder.device, streams=_stream_reports(rebuilt, status)
    )
    if decoder.default_steps is not None:
        report.steps, report.seed = options.steps, options.seed
    if rebuilt is None:
        report.reason = "no packet that tells the picture's size arrived"
        return report
    report.width, report.height = rebuilt.bitstream.header.width, rebuilt.bitstream.header.height
    report.decode_s = rebuilt.decode_s
    report.rebuilt, report.invented = rebuilt.pixels is not None, rebuilt.invented
    report.reason = _reason(decoder, rebuilt)
    if rebuilt.fidelity is not None:
        report.fidelity = rebuilt.fidelity
    if rebuilt.trust is not None:
        report.trust = rebuilt.trust
    if rebuilt.quality is not None:
        report.quality.psnr_db = rebuilt.quality.psnr_db
        if rebuilt.quality.ms_ssim is not None:
            report.quality.ms_ssim = rebuilt.quality.ms_ssim
    return report


def _reason(decoder: Decoder, rebuilt: Rebuilt) -> str:
    """Return why there is no picture, or one that shows nothing of it; empty where all is well."""
    if rebuilt.pixels is not None and not rebuilt.invented:
        return ""
    damaged = ", ".join(kind.name for kind in rebuilt.guidance.damaged)
    if rebuilt.invented:
        missing = f"what arrived of {damaged} does not decode" if damaged else "no stream whole"
        return f"{missing}; the mean of all pictures is shown"
    if damaged:
        return f"what arrived of {damaged} does not decode"
    way_out = "" if rebuilt.guidance.is_empty else "; --decoder pocket draws what the others tell"
    return f"no stream that decoder '{decoder.name}' can start from came whole{way_out}"


def contents(guidance: Guidance) -> dict[StreamKind, str]:
    """Return what each stream that came whole says, in words."""
    said = {}
    if guidance.hci is not None:
        height, width = guidance.hci.pixels.shape[:2]
        said[StreamKind.HCI] = f"{width}x{height} ({guidance.hci.coder})"
    if guidance.caption is not None:
        said[StreamKind.CAPTION] = guidance.caption
    if guidance.tokens is not None:
        said[StreamKind.TOKENS] = f"{len(guidance.tokens.codes)} {guidance.tokens.kind.name}s"
    if guidance.latent is not None:
        said[StreamKind.LATENT] = f"planes {', '.join(map(str, guidance.latent.ids))}"
    if guidance.regions is not None:
        said[StreamKind.REGIONS] = ", ".join(
            f"{region.name or 'unnamed'} ({region.detail or 'no detail'})" for region in guidance.regions
        )
    return said


def _stream_reports(rebuilt: Rebuilt | None, status: PictureStatus | None) -> list[receiver_pb2.StreamReport]:
    received = {stream.kind: stream.received for stream in status.streams} if status is not None else {}
    streams = rebuilt.bitstream.streams if rebuilt is not None else ()
    payload_bytes = {stream.kind: len(stream.payload) for stream in streams}
    damaged = rebuilt.guidance.damaged if rebuilt is not None else ()
    content = contents(rebuilt.guidance) if rebuilt is not None else {}

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
            content=content.get(kind, ""),
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
