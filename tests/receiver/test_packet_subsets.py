"""Every packet counts: any subset of the packets of one picture makes a picture, and more packets a better one."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data

from receiver.decoders.base import DecodeOptions
from receiver.decoders.upsample import UpsampleDecoder
from receiver.metrics import pixel
from receiver.rebuild import make_report, rebuild
from receiver.reception import Reception
from sender.encode import encode_picture
from sender.expected_loss import ExpectedLoss
from sender.extractors.extractors import Extractors
from sender.packets import make_packets
from shared.codecs.recipe import Codec
from shared.picture import Picture
from shared.streams import StreamKind

PICTURE = np.ascontiguousarray(data.astronaut()[:192, :256])
CODEC = Codec(name="some", summary="a base and slices", streams=(StreamKind.BASE, StreamKind.HCI), parts=True)


@pytest.fixture(scope="module")
def packets() -> tuple[bytes, ...]:
    """Return a picture of eight packets: the base, six slices and a caption."""
    codec = CODEC.model_copy(update={"streams": (*CODEC.streams, StreamKind.CAPTION)})
    bitstream = encode_picture(Picture(PICTURE), codec, Extractors(), 600, "an astronaut", ExpectedLoss(0.25))
    made = make_packets(bitstream, order=codec.streams).source
    assert len(made) == 8
    return made


def psnr_db(received: tuple[bytes, ...]) -> float | None:
    """Return the PSNR of what these packets make; None without a picture."""
    reception = Reception(0)
    for packet in received:
        reception.push(packet)
    bitstream = reception.bitstream()
    assert bitstream is not None
    rebuilt = rebuild(bitstream, UpsampleDecoder(), DecodeOptions())
    make_report(UpsampleDecoder(), DecodeOptions(), rebuilt, reception.status())
    return None if rebuilt.pixels is None else pixel.psnr_db(rebuilt.pixels, PICTURE)


def test_all_255_subsets_of_eight_packets_decode_and_more_packets_are_better(packets: tuple[bytes, ...]) -> None:
    caption = packets[-1]  # alone, it makes a picture only in the pocket decoder
    means = []
    for size in range(1, 9):
        found = [psnr_db(chosen) for chosen in combinations(packets, size) if chosen != (caption,)]
        assert None not in found
        means.append(float(np.mean([one for one in found if one is not None])))
    assert all(more > fewer for fewer, more in pairwise(means)), means
    assert means[-1] - means[0] > 4


@given(st.integers(64, 200), st.integers(64, 200), st.floats(0.01, 1), st.data())
@settings(deadline=None, max_examples=8)
def test_any_packets_of_any_picture_decode(width: int, height: int, loss: float, choose: st.DataObject) -> None:
    grey = choose.draw(st.booleans())
    pixels = np.ascontiguousarray(PICTURE[:height, :width, 0] if grey else PICTURE[:height, :width])
    bitstream = encode_picture(Picture(pixels), CODEC, Extractors(), 400, loss=ExpectedLoss(loss, 128))
    made = make_packets(bitstream, packet_bytes=128).source
    reception = Reception(0)
    for packet in choose.draw(st.lists(st.sampled_from(made), min_size=1, unique=True)):
        reception.push(packet)
    received = reception.bitstream()
    assert received is not None
    rebuilt = rebuild(received, UpsampleDecoder(), DecodeOptions())
    assert rebuilt.guidance.damaged == ()
    assert (rebuilt.pixels is not None) == bool(received.streams)
