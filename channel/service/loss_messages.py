"""Predicted losses as messages of the wire contract: the answer to ``PredictLoss``, and how a client reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from channel.link.protection_options import (
    SchemeOptions,
    StreamOptions,
    predict_channel_uses,
    predict_stream_options,
)
from channel.phy.mcs import mcs
from channel.service.messages import read_profile
from shared.errors import ConfigError
from shared.rpc.semlink.v1 import channel_pb2, packet_pb2
from shared.streams import StreamKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


def loss_request(
    settings: channel_pb2.ChannelSettings, lengths: Mapping[StreamKind, Sequence[int]], max_repair_overhead: float
) -> channel_pb2.PredictLossRequest:
    """Return the request for streams whose source packets have ``lengths`` bytes, by stream kind."""
    streams = [
        channel_pb2.StreamPackets(kind=packet_pb2.StreamKind.ValueType(kind), packet_bytes=sizes)
        for kind, sizes in lengths.items()
    ]
    return channel_pb2.PredictLossRequest(settings=settings, streams=streams, max_repair_overhead=max_repair_overhead)


def predict_loss(request: channel_pb2.PredictLossRequest) -> channel_pb2.PredictLossResponse:
    """Return the options of every stream of ``request``, and the channel uses of its settings as they are.

    Raises:
        UnknownNameError, ConfigError, SetupError, InputError: as ``Profile.resolve`` and ``predict_stream_options``, or
            a stream kind is unknown or occurs twice.
    """
    profile = read_profile(request.settings)
    config = profile.config()
    lengths = _read_lengths(request.streams)
    return channel_pb2.PredictLossResponse(
        streams=[
            _stream_message(
                kind,
                predict_stream_options(sizes, config, request.max_repair_overhead),
                config.stream_scheme(kind).index,
            )
            for kind, sizes in lengths.items()
        ],
        channel_uses=predict_channel_uses(lengths, config, profile.repair_overheads()),
    )


def read_stream_options(response: channel_pb2.PredictLossResponse) -> dict[StreamKind, StreamOptions]:
    """Return the options of every stream in ``response``, by stream kind."""
    return {
        StreamKind(stream.kind): StreamOptions(
            stream.source_packets,
            tuple(
                SchemeOptions(
                    mcs(scheme.mcs),
                    scheme.source_channel_uses,
                    scheme.repair_packet_channel_uses,
                    np.array(scheme.loss_probability),
                    scheme.packet_loss,
                    np.array(scheme.loss_correlation),
                )
                for scheme in stream.schemes
            ),
        )
        for stream in response.streams
    }


def read_profile_mcs(response: channel_pb2.PredictLossResponse) -> dict[StreamKind, int]:
    """Return the MCS of every stream in ``response`` with the settings as they are, by stream kind."""
    return {StreamKind(stream.kind): stream.profile_mcs for stream in response.streams}


def _read_lengths(streams: Iterable[channel_pb2.StreamPackets]) -> dict[StreamKind, list[int]]:
    known = {int(kind) for kind in StreamKind}
    lengths: dict[StreamKind, list[int]] = {}
    for stream in streams:
        if stream.kind not in known:
            raise ConfigError(f"stream kind {stream.kind}: kinds are {min(known)} to {max(known)}")
        kind = StreamKind(stream.kind)
        if kind in lengths:
            raise ConfigError(f"stream {kind.name} occurs twice: give the packets of each stream kind once")
        lengths[kind] = list(stream.packet_bytes)
    if not lengths:
        raise ConfigError("no stream: give the packet lengths of at least one stream")
    return lengths


def _stream_message(kind: StreamKind, options: StreamOptions, profile_mcs: int) -> channel_pb2.StreamPrediction:
    return channel_pb2.StreamPrediction(
        kind=packet_pb2.StreamKind.ValueType(kind),
        profile_mcs=profile_mcs,
        source_packets=options.source_packets,
        schemes=[
            channel_pb2.SchemePrediction(
                mcs=one.scheme.index,
                source_channel_uses=one.source_uses,
                repair_packet_channel_uses=one.repair_packet_uses,
                loss_probability=one.loss_probability.tolist(),
                packet_loss=one.packet_loss,
                loss_correlation=one.loss_correlation.tolist(),
            )
            for one in options.schemes
        ],
    )
