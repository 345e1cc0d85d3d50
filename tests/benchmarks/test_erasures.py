"""What a benchmark sends over lost packets fits the bytes that it says, and arrives as often as it says."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from benchmarks.common.erasures import (
    Split,
    choose_split,
    draw_arrivals,
    largest_payload,
    list_splits,
    receive,
)
from sender.packets import make_packets
from shared.bitstream import Bitstream, PictureHeader
from shared.repair.encoder import RepairEncoder
from shared.streams import Stream, StreamKind


def make_bitstream(payload_bytes: int) -> Bitstream:
    return Bitstream(PictureHeader(64, 64), (Stream(StreamKind.HCI, bytes(payload_bytes)),))


def make_split_packets(split: Split) -> list[bytes]:
    source = make_packets(make_bitstream(split.payload_bytes), packet_bytes=split.packet_bytes).source
    assert len(source) == split.source
    return [*source, *RepairEncoder().repair_packets(source, split.repair)]


@pytest.mark.parametrize("wire_bytes", [20, 256, 265, 266, 300, 1080])
def test_the_largest_payload_takes_the_bytes_and_one_more_byte_does_not_fit(wire_bytes):
    def count(payload_bytes):
        return sum(map(len, make_packets(make_bitstream(payload_bytes)).all))

    largest = largest_payload(wire_bytes)
    assert count(largest) <= wire_bytes < count(largest + 1)


@pytest.mark.parametrize("wire_bytes", [500, 1080])
def test_every_split_takes_the_bytes_at_most(wire_bytes):
    splits = list_splits(wire_bytes, 100)
    assert {split.source for split in splits} >= {1, 2, 3}
    for split in splits:
        assert sum(map(len, make_split_packets(split))) <= wire_bytes


def test_delivery_is_the_share_of_receptions_that_are_complete():
    split = Split(2, 2, 100)
    packets = make_split_packets(split)
    delivery = 0.0
    for arrivals in product([False, True], repeat=4):
        received = receive(packets, arrivals)
        complete = received is not None and received.stream(StreamKind.HCI) is not None
        assert complete == (sum(arrivals) >= split.source)
        delivery += complete * 0.75 ** sum(arrivals) * 0.25 ** (4 - sum(arrivals))
    assert split.delivery(0.25) == pytest.approx(delivery)


def test_more_loss_asks_for_more_repair():
    curve = [(125, 20.0), (1000, 25.0)]
    shares = [
        split.repair / (split.source + split.repair)
        for split in (choose_split(1080, loss, curve, 12.0) for loss in (0.01, 0.1, 0.25, 0.5))
    ]
    assert shares == sorted(shares)
    assert shares[0] < 0.3 < shares[-1]


def test_more_loss_loses_the_same_packets_and_more():
    few, many = (draw_arrivals(3, 7, 1000, loss) for loss in (0.1, 0.5))
    assert np.all(few[many])
    assert 0.05 < 1 - few.mean() < 0.15
