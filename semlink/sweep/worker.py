"""A worker makes rows: sender, channel and receiver in one process, with models that are loaded once.

What does not depend on a task's noise is computed once and cached for later tasks: the packets of a picture at one
rate, the settings of a point's channel, and the measures of one set of received streams.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from channel.link.expected_loss import expected_packet_loss
from receiver.metrics.reporter import Measures
from semlink.pipeline.channel_uses import fit_container
from semlink.pipeline.coding_spec import ChannelCode
from semlink.pipeline.pipeline import Pipeline, Transmitted, receive
from semlink.pipeline.separate_coding import FileCache, choose_best_mcs, mean_colour, send_file
from semlink.pipeline.spec_decoding import decode_as_specified
from semlink.sweep.cache import ResultCache
from semlink.sweep.row import (
    TOO_SMALL,
    ReceivedPicture,
    TransmissionSummary,
    encode_webp,
    hash_pixels,
    make_row,
)
from sender.expected_loss import NO_LOSS, ExpectedLoss
from sender.packets import make_packets
from shared.codecs.registry import get_codec
from shared.errors import BudgetError
from shared.outcome import INVENTED, LOST, REBUILT
from shared.picture import load_picture
from shared.pixels import grey_to_rgb
from shared.streams import StreamKind

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from channel.config import ChannelConfig
    from receiver.metrics.reporter import Reference
    from semlink.sweep.plan import Task
    from shared.bitstream import Bitstream
    from shared.codecs.recipe import Codec
    from shared.picture import Picture

INDEX_DIGITS: Final = 15
"""Hexadecimal digits of the picture's hash that make its index, with which the channel draws noise."""
CACHED_PICTURES: Final = 2


@dataclass(slots=True)
class WorkerResult:
    """Rows, and the pictures to keep: WebP files by the hash of their pixels."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    pictures: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _PointChannel:
    """Channel settings of a point with seed 0, and the repair overhead by stream kind that its profile asks for."""

    config: ChannelConfig
    overheads: Mapping[int, float]


@dataclass(frozen=True, slots=True)
class _EncodedPicture:
    """All packets of a picture, the size of its container, and the kinds of its streams."""

    packets: tuple[bytes, ...]
    container_bytes: int
    kinds: tuple[str, ...]


class Worker:
    """The models and caches of one worker. Decoders and measures compute on ``device``: cpu, cuda ...

    A row depends on its task only, not on earlier tasks or on how tasks are shared among workers.
    """

    def __init__(self, device: str = "cpu") -> None:
        self._device = device
        self._pipeline = Pipeline(device)
        self._measures: dict[tuple[str, ...], Measures] = {}
        self._files = FileCache()
        self._pictures, self._references = ResultCache(CACHED_PICTURES), ResultCache(CACHED_PICTURES)
        self._channels, self._bitstreams, self._encoded = ResultCache(), ResultCache(), ResultCache()
        self._transmitted, self._decoded, self._measured = ResultCache(), ResultCache(), ResultCache()

    def make_rows(self, data: bytes, tasks: Sequence[Task]) -> WorkerResult:
        """Return the rows of ``tasks``, which all send the picture in the file ``data``.

        Raises:
            LinkError: a task cannot be carried out, for instance because weights are missing.
        """
        result = WorkerResult()
        for task in tasks:
            started_s = time.perf_counter()
            picture = self._pictures.get(task.picture.digest, partial(load_picture, data, task.picture.levels))
            send = self._send_file if task.point.codec.is_classical else self._send_streams
            sent, received = send(picture, task)
            if task.keep:
                result.pictures[received.digest] = received.file
            result.rows.append(make_row(task, sent, received, time.perf_counter() - started_s))
        return result

    def _send_streams(self, picture: Picture, task: Task) -> tuple[TransmissionSummary, ReceivedPicture]:
        """Send a picture as streams of a codec of the link."""
        channel = self._resolve_channel(task)
        try:
            encoded = self._encode(picture, task, channel)
        except BudgetError:
            return TransmissionSummary(channel.config.mcs), self._replace_picture(picture, task, TOO_SMALL)
        config = channel.config.model_copy(update={"run_seed": task.seed})
        transmitted, bitstream = self._transmitted.get(  # codecs that differ in decoding only share it
            (task.picture.digest, config.model_dump_json(), encoded.packets),
            lambda: self._transmit(encoded.packets, config, picture_index(task)),
        )
        sent = TransmissionSummary(
            config.mcs,
            transmitted.report.packets,
            transmitted.report.outcomes,
            transmitted.report.cost.total.channel_uses,
            encoded.container_bytes,
            encoded.kinds,
            tuple(stream.kind.name for stream in bitstream.streams) if bitstream else (),
        )
        if bitstream is None:
            return sent, self._replace_picture(picture, task, LOST)
        key = (task.picture.digest, task.point.codec.source, task.point.measures, bitstream.pack())
        return sent, self._decoded.get(key, lambda: self._decode(picture, task, bitstream))

    def _send_file(self, picture: Picture, task: Task) -> tuple[TransmissionSummary, ReceivedPicture]:
        """Send a picture as one file of a classical codec."""
        config = self._resolve_channel(task).config.model_copy(update={"run_seed": task.seed})
        file = send_file(
            grey_to_rgb(picture.pixels),
            task.point.codec,
            config,
            channel_uses=max_channel_uses(task),
            picture_index=picture_index(task),
            chains=self._pipeline.chains(),
            files=self._files,
        )
        packets = file.cost.total.packets if file.cost else 0
        sent = TransmissionSummary(file.mcs_index, packets, file.packet_outcomes, file.channel_uses, file.file_bytes)
        ending = REBUILT if file.complete else LOST if file.channel_uses else TOO_SMALL
        return sent, self._measure(picture, task, file.pixels, ending)

    def _encode(self, picture: Picture, task: Task, channel: _PointChannel) -> _EncodedPicture:
        """Return the packets of a picture, computed once per codec, rate, MCS and packet size.

        Raises:
            BudgetError: the rate does not hold the smallest encoding.
        """
        point, config = task.point, channel.config
        key: tuple[Hashable, ...] = (task.picture.digest, point.codec.source, point.rate_kind, point.rate)
        key += (point.packet_bytes, tuple(sorted(channel.overheads.items())))
        key += (_expected_loss(get_codec(point.codec.codec), channel, point.packet_bytes),)
        if max_channel_uses(task):
            schemes = tuple(sorted(config.stream_mcs.items()))
            key += (config.mcs, schemes, config.propagation.model_dump_json())
        return self._encoded.get(key, lambda: self._packetise(picture, task, channel))

    def _packetise(self, picture: Picture, task: Task, channel: _PointChannel) -> _EncodedPicture:
        codec, captioner = get_codec(task.point.codec.codec), task.point.codec.captioner
        loss = _expected_loss(codec, channel, task.point.packet_bytes)

        def encode_at(budget: int) -> tuple[_EncodedPicture, tuple[bytes, ...]]:
            bitstream = self._bitstreams.get(
                (task.picture.digest, codec.name, captioner, budget, loss),
                lambda: self._pipeline.encode(picture, codec, budget, loss=loss, captioner=captioner),
            )
            packets = make_packets(
                bitstream,
                packet_bytes=task.point.packet_bytes,
                picture_index=picture_index(task),
                order=codec.streams,
                repair_overheads=channel.overheads,
            ).all
            kinds = tuple(stream.kind.name for stream in bitstream.streams)
            return _EncodedPicture(packets, len(bitstream.pack()), kinds), packets

        channel_uses = max_channel_uses(task)
        if channel_uses:
            return fit_container(encode_at, channel_uses, channel.config, task.point.packet_bytes)
        return encode_at(max_container_bytes(task))[0]

    def _transmit(
        self, packets: Sequence[bytes], config: ChannelConfig, index: int
    ) -> tuple[Transmitted, Bitstream | None]:
        """Return the transmission and the complete streams; None if no stream is complete."""
        transmitted = self._pipeline.transmit(packets, config, picture_index=index)
        return transmitted, receive(transmitted.arrivals, picture_index=index).bitstream()

    def _decode(self, picture: Picture, task: Task, bitstream: Bitstream) -> ReceivedPicture:
        """Return the picture that the point's decoder makes of ``bitstream``, with its measures."""
        rebuilt = decode_as_specified(self._pipeline, task.point.codec, bitstream)
        if rebuilt.pixels is None:
            return self._replace_picture(picture, task, LOST)
        return self._measure(picture, task, rebuilt.pixels, INVENTED if rebuilt.invented else REBUILT)

    def _replace_picture(self, picture: Picture, task: Task, ending: str) -> ReceivedPicture:
        """Return the original's mean colour, with its measures, in place of a picture that is missing."""
        return self._measure(picture, task, mean_colour(grey_to_rgb(picture.pixels)), ending)

    def _measure(self, picture: Picture, task: Task, pixels: NDArray[np.uint8], ending: str) -> ReceivedPicture:
        names, digest = task.point.measures, hash_pixels(pixels)

        def compare() -> ReceivedPicture:
            measures = self._load_measures(names)
            reference: Reference = self._references.get(
                (task.picture.digest, names), lambda: measures.reference(grey_to_rgb(picture.pixels))
            )
            return ReceivedPicture(
                digest, ending, measures.compare(grey_to_rgb(pixels), reference), encode_webp(pixels)
            )

        return replace(self._measured.get((task.picture.digest, names, digest), compare), ending=ending)

    def _load_measures(self, names: tuple[str, ...]) -> Measures:
        """Return the measures called ``names``, loaded once.

        Raises:
            SetupError: weights are not installed, or damaged.
        """
        if names not in self._measures:
            measures = Measures(names, self._device)
            measures.require_all()
            self._measures[names] = measures
        return self._measures[names]

    def _resolve_channel(self, task: Task) -> _PointChannel:
        def resolve() -> _PointChannel:
            profile = task.point.load_profile()
            config = profile.resolve().config
            if task.point.codec.channel_code is ChannelCode.BEST:
                index = choose_best_mcs(max_channel_uses(task), config).index
                config = config.model_copy(update={"mcs": index})
            return _PointChannel(config, {int(kind): one for kind, one in profile.repair_overheads().items()})

        size = task.picture.width, task.picture.height
        return self._channels.get((task.point.key, size), resolve)


def max_channel_uses(task: Task) -> int:
    """Return the most channel uses of a picture; 0 if the rate is a number of bytes."""
    point, picture = task.point, task.picture
    if point.rate_kind == "cbr":
        return int(point.rate * 3 * picture.width * picture.height)
    return int(point.rate) if point.rate_kind == "channel_uses" else 0


def max_container_bytes(task: Task) -> int:
    """Return the most bytes of a picture's container; 0: the codec's own rate.

    Raises:
        BudgetError: the rate is less than a byte. A sender would take 0 for the codec's own rate.
    """
    point, picture = task.point, task.picture
    if point.rate_kind != "bpp":
        return int(point.rate)
    most = int(point.rate * picture.width * picture.height / 8)
    if most < 1:
        raise BudgetError(f"{point.rate:g} bpp are less than a byte for {picture.width}x{picture.height} pixels", 1)
    return most


def picture_index(task: Task) -> int:
    """Return the index with which the channel draws a picture's noise. It depends on the picture's file alone."""
    return int(task.picture.digest[:INDEX_DIGITS], 16)


def _expected_loss(codec: Codec, channel: _PointChannel, packet_bytes: int) -> ExpectedLoss:
    """Return what a codec with parts prepares for over ``channel``."""
    if not codec.parts:
        return NO_LOSS
    overhead = channel.overheads.get(StreamKind.HCI, 0.0)
    return ExpectedLoss(expected_packet_loss(channel.config, packet_bytes), packet_bytes, overhead)
