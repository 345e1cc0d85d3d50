"""How an HCI is cut, and that base and slices keep their bytes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage import data

from sender.encode import encode_picture
from sender.expected_loss import ExpectedLoss
from sender.extractors.extractors import Extractors
from sender.hci_parts import PartsEncoder, PartsPlan, plan_parts
from shared.bitstream import PictureHeader
from shared.codecs.registry import get_codec
from shared.errors import BudgetError, ConfigError
from shared.hci.slices import decode_slices, grid_shape
from shared.packets import unit_room
from shared.picture import Picture
from shared.streams import StreamKind

PICTURE = data.astronaut()[:256, :320]
HEADER = PictureHeader(768, 512)
HEIGHT, WIDTH = PICTURE.shape[:2]


@given(
    st.integers(64, 8192),
    st.integers(64, 8192),
    st.integers(100, 100_000),
    st.floats(0.01, 1),
    st.integers(32, 1024),
)
def test_a_plan_has_slices_that_fit_into_packets(
    width: int, height: int, budget: int, loss: float, packet: int
) -> None:
    plan = plan_parts(PictureHeader(width, height), budget, loss, packet)
    assert plan is not None
    columns, rows = grid_shape(plan.slices, width, height)
    assert columns * rows == plan.slices >= 4
    assert budget / plan.slices <= plan.longest_slice_bytes or plan.slices == 4096
    assert plan.longest_slice_bytes <= unit_room(packet, plan.slices)
    assert plan.base_bytes <= unit_room(packet, 1)


def test_more_loss_never_gives_fewer_slices_and_no_loss_none() -> None:
    assert plan_parts(HEADER, 1000, 0.0, 256) is None
    plans = [plan_parts(HEADER, 1000, loss, 256) for loss in (0.01, 0.1, 0.25, 0.5, 1.0)]
    slices = [plan.slices for plan in plans if plan is not None]
    assert slices == sorted(slices)
    assert len(slices) == 5


@pytest.mark.parametrize("picture", [PICTURE, np.ascontiguousarray(PICTURE[..., 1])], ids=["colour", "grey"])
def test_slices_take_the_bytes_they_are_given(picture: np.ndarray) -> None:
    slices = PartsEncoder(picture, PartsPlan(4, 241, 45), coder="learned").slices(500)
    assert len(slices) == 4
    assert 0.95 * 500 < sum(map(len, slices)) <= 500 - 4
    found = decode_slices(slices, WIDTH, HEIGHT, grey=picture.ndim == 2)
    assert found is not None
    assert found.received.all()


def test_a_detailed_slice_gets_coarser_so_that_a_packet_holds_it() -> None:
    half_flat = PICTURE.copy()
    half_flat[:, : WIDTH // 2] = 128
    slices = PartsEncoder(half_flat, PartsPlan(4, 120, 45), coder="learned").slices(600)
    assert len(slices) == 4
    assert max(map(len, slices)) <= 120
    assert max(map(len, PartsEncoder(half_flat, PartsPlan(4, 600, 45), coder="learned").slices(600))) > 120
    assert sum(map(len, slices)) > 240


def test_a_picture_too_small_for_its_slices_gets_fewer() -> None:
    small = np.ascontiguousarray(PICTURE[:64, :64])
    slices = PartsEncoder(small, PartsPlan(40, 241, 45)).slices(300)
    assert 1 <= len(slices) < 40
    with pytest.raises(BudgetError, match="too few"):
        PartsEncoder(small, PartsPlan(40, 241, 45)).slices(3)


def test_a_base_keeps_its_bytes_or_is_left_out() -> None:
    assert 0 < len(PartsEncoder(PICTURE, PartsPlan(4, 241, 45)).base()) <= 45
    assert PartsEncoder(PICTURE, PartsPlan(4, 241, 2)).base() == b""


def test_without_loss_resilient_is_the_whole_hci() -> None:
    picture, extractors = Picture(PICTURE), Extractors()
    whole = encode_picture(picture, get_codec("hci"), extractors, 300)
    assert encode_picture(picture, get_codec("resilient"), extractors, 300) == whole
    cut = encode_picture(picture, get_codec("resilient"), extractors, 300, "a woman", ExpectedLoss(0.25))
    assert len(cut.pack()) <= 300
    assert [stream.kind for stream in cut.streams] == [StreamKind.HCI, StreamKind.CAPTION, StreamKind.BASE]
    assert len(cut.streams[0].units) == 6


@pytest.mark.parametrize("loss", [-0.1, 1.5, float("nan")])
def test_a_loss_that_is_no_share_is_refused(loss: float) -> None:
    with pytest.raises(ConfigError, match="expected loss"):
        ExpectedLoss(loss)


@pytest.mark.parametrize("max_bytes", [40, 96, 200, 230])
def test_few_bytes_leave_out_the_base_and_then_the_slices(max_bytes: int) -> None:
    codec = get_codec("resilient").model_copy(update={"streams": (StreamKind.BASE, StreamKind.HCI)})
    made = encode_picture(Picture(PICTURE), codec, Extractors(), max_bytes, loss=ExpectedLoss(0.25))
    assert len(made.pack()) <= max_bytes
    assert (made.stream(StreamKind.BASE) is not None) == (max_bytes > 225)
