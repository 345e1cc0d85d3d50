"""A session in one process: the calls of the three services, made on the pipeline, without gRPC."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

from channel.propagation.timing import wall_wait_s
from channel.service.loss_messages import predict_loss
from channel.service.messages import arrival_message, describe_channel, list_channels, read_profile, report_message
from receiver.decoder_registry import check_decoding, require_files
from receiver.decoders.base import options_for
from receiver.rebuild import (
    check_reference,
    draft_decoders,
    holds_picture,
    make_report,
    measure_quality,
    rebuild,
    repair_report,
)
from receiver.reception import Reception
from semlink.pipeline.pipeline import Pipeline
from semlink.pipeline.settings_over import settings_over
from semlink.pipeline.transfer import Carried, Decoded, Preview, Transfer, ignore_arrival, ignore_preview, ignore_stage
from sender.encode import check_request
from sender.messages import list_codecs, requested_codec, requested_loss, requested_packets, send_report
from shared.bitstream import Bitstream
from shared.picture import load_picture
from shared.rpc.semlink.v1 import channel_pb2, receiver_pb2, sender_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from channel.profile.profile import ResolvedProfile
    from receiver.decoders.base import DecodeOptions, Decoder
    from receiver.rebuild import Rebuilt
    from semlink.pipeline.transfer import OnArrival, OnPreview, OnStage
    from shared.codecs.recipe import Codec
    from shared.picture import Picture
    from shared.rpc.semlink.v1 import packet_pb2

    Settings = receiver_pb2.ReceiveSettings | receiver_pb2.DecodeSettings


class LocalSession:
    """The link in this process. Models load at their first use; several threads may call.

    Args:
        device: where decoders compute, ``cpu``, ``cuda`` ...; empty: CUDA where there is one.
    """

    def __init__(self, device: str = "") -> None:
        self.pipeline = Pipeline(device)

    def close(self) -> None:
        """Do nothing: there is no connection to close."""

    def prepare(self, receive: receiver_pb2.ReceiveSettings) -> None:
        """Check ``receive``, and start to load the channel's codes and its decoder in a thread.

        A refusal of something else does not wait for them.

        Raises:
            LinkError: the decoder or an option is refused.
        """
        _check_settings(receive)
        threading.Thread(target=self._load, args=(receive.decoder,), daemon=True).start()

    def encode(
        self, picture: bytes, settings: sender_pb2.SendSettings, on_stage: OnStage = ignore_stage
    ) -> sender_pb2.SendReport:
        """Encode a picture file; the report holds the container.

        Raises:
            LinkError: the picture, the codec or the budget is refused, or weights are missing.
        """
        codec, loaded = requested_codec(settings), load_picture(picture)
        bitstream, encode_s = self._encode(loaded, codec, settings, on_stage)
        return send_report(
            codec, bitstream, requested_packets(bitstream, codec, settings), notes=loaded.notes, encode_s=encode_s
        )

    def decode(
        self,
        container: bytes,
        settings: receiver_pb2.DecodeSettings | None = None,
        *,
        reference: bytes = b"",
        on_preview: OnPreview = ignore_preview,
    ) -> Decoded:
        """Decode a ``.sem`` container; with ``reference``, a picture file, quality is measured.

        Raises:
            LinkError: the container, the reference or an option is refused, or weights are missing.
        """
        settings = settings or receiver_pb2.DecodeSettings()
        bitstream = Bitstream.unpack(container)
        _check_settings(settings)
        if reference:
            check_reference(reference, bitstream.header)
        decoder = self.pipeline.decoder(settings.decoder)
        options = _options(decoder, settings)
        if settings.progressive:
            parts = [Bitstream(bitstream.header, bitstream.streams[:count]) for count in range(len(bitstream.streams))]
            early = [rebuild(part, decoder, options) for part in parts]
            _number_previews([*early, *_drafts(bitstream, decoder, options)], on_preview)
        rebuilt = rebuild(bitstream, decoder, options)
        if reference:
            rebuilt = measure_quality(rebuilt, reference)
        return Decoded(rebuilt.png, make_report(decoder, options, rebuilt), rebuilt.trust_png)

    def transmit(self, packets: Sequence[bytes], settings: channel_pb2.ChannelSettings) -> Carried:
        """Send ``packets`` over the channel of ``settings``; a ``time_scale`` is ignored.

        Raises:
            LinkError: the channel or a packet is refused.
        """
        resolved = _resolve(settings)
        sent = self.pipeline.transmit(packets, resolved.config, picture_index=settings.picture_index)
        return Carried([arrival_message(one) for one in sent.arrivals], report_message(resolved, sent.report))

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
        """Send a picture file over the whole link, as ``LinkClient.transfer`` does over the services.

        Raises:
            LinkError: something is refused, or weights are missing.
        """
        receive = receive or receiver_pb2.ReceiveSettings()
        _check_settings(receive)
        codec, loaded, resolved = requested_codec(send), load_picture(picture), _resolve(channel)
        send = settings_over(describe_channel(channel), send)
        if not send.container:
            check_request(loaded, codec, send.max_bytes, _caption(send))
        self.prepare(receive)
        bitstream, encode_s = self._encode(loaded, codec, send, on_stage)
        packets = requested_packets(bitstream, codec, send)
        on_stage("transmit", 0.0)
        sent = self.pipeline.transmit(packets.all, resolved.config, picture_index=channel.picture_index)
        decoder = self.pipeline.decoder(receive.decoder)
        options = _options(decoder, receive)
        reception, started_s = Reception(send.picture_index), time.perf_counter()
        for arrival in sent.arrivals:
            time.sleep(wall_wait_s(arrival.arrival_s, time.perf_counter() - started_s, resolved.config.time_scale))
            on_stage("transmit", 1.0)
            if arrival.packet is not None:
                reception.push(arrival.packet)
            on_arrival(arrival_message(arrival))
        on_stage("decode", 1.0)
        received = reception.bitstream()
        rebuilt = None if received is None else measure_quality(rebuild(received, decoder, options), picture)
        report = make_report(decoder, options, rebuilt, reception.status())
        report.packets_rejected = reception.rejected_packets
        report.repairs.extend(map(repair_report, reception.repairs()))
        return Transfer(
            sent=send_report(
                codec, bitstream, packets, notes=() if send.container else loaded.notes, encode_s=encode_s
            ),
            link=report_message(resolved, sent.report),
            received=Decoded(rebuilt.png, report, rebuilt.trust_png) if rebuilt else Decoded(b"", report),
            arrivals=[_without_packet(arrival_message(one)) for one in sent.arrivals],
        )

    def predict_loss(self, request: channel_pb2.PredictLossRequest) -> channel_pb2.PredictLossResponse:
        """Return the predicted loss and the channel uses of streams, for every MCS and number of repair packets."""
        return predict_loss(request)

    def codecs(self) -> sender_pb2.ListCodecsResponse:
        """Return the codecs by name."""
        return list_codecs()

    def channels(self) -> channel_pb2.ListChannelsResponse:
        """Return the channels by name."""
        return list_channels()

    def describe(self, settings: channel_pb2.ChannelSettings) -> channel_pb2.DescribeChannelResponse:
        """Return the channel that a transmission with ``settings`` would use."""
        return describe_channel(settings)

    def _load(self, decoder: str) -> None:
        """Load the channel's codes, then the decoder, ahead of their use, which reports what fails."""
        with contextlib.suppress(Exception):
            self.pipeline.chains()
            self.pipeline.decoder(decoder)

    def _encode(
        self, picture: Picture, codec: Codec, settings: sender_pb2.SendSettings, on_stage: OnStage
    ) -> tuple[Bitstream, float]:
        """Return the bitstream and the seconds that it took."""
        if settings.container:
            return Bitstream.unpack(settings.container), 0.0
        on_stage("encode", 0.0)
        started_s = time.perf_counter()
        loss = requested_loss(settings)
        bitstream = self.pipeline.encode(
            picture, codec, settings.max_bytes, _caption(settings), loss, settings.captioner
        )
        return bitstream, time.perf_counter() - started_s


def _number_previews(made: Sequence[Rebuilt], on_preview: OnPreview) -> None:
    """Hand out the pictures among ``made``, numbered from 1."""
    pictures = [rebuilt for rebuilt in made if rebuilt.pixels is not None]
    for number, rebuilt in enumerate(pictures, start=1):
        streams = rebuilt.bitstream.streams
        kinds = tuple(int(one.kind) for one in streams if one.kind not in rebuilt.guidance.damaged)
        on_preview(Preview(number, rebuilt.png, kinds))


def _drafts(bitstream: Bitstream, decoder: Decoder, options: DecodeOptions) -> Iterator[Rebuilt]:
    """Yield quick drafts; without an HCI there are none, since a fallback picture takes as long as the final one."""
    if holds_picture(bitstream):
        for draft, draft_options in draft_decoders(decoder, options):
            yield rebuild(bitstream, draft, draft_options)


def _resolve(settings: channel_pb2.ChannelSettings) -> ResolvedProfile:
    return read_profile(settings).resolve(time_scale=settings.time_scale, run_seed=settings.run_seed, device="cpu")


def _caption(settings: sender_pb2.SendSettings) -> str | None:
    return settings.caption if settings.HasField("caption") else None


def _check_settings(settings: Settings) -> None:
    """Refuse an unknown decoder and options outside their range before any model loads."""
    chosen = {name: getattr(settings, name) for name in ("steps", "fidelity") if settings.HasField(name)}
    check_decoding(settings.decoder, **chosen)
    require_files(settings.decoder)  # encoding takes seconds, which a missing file would waste


def _options(decoder: Decoder, settings: Settings) -> DecodeOptions:
    return options_for(
        decoder,
        steps=settings.steps if settings.HasField("steps") else None,
        fidelity=settings.fidelity if settings.HasField("fidelity") else None,
        seed=settings.seed,
        trust=settings.trust_map,
    )


def _without_packet(arrival: packet_pb2.Arrival) -> packet_pb2.Arrival:
    arrival.ClearField("packet")
    return arrival
