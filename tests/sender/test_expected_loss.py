"""The loss that a sender prepares for, after repair."""

from itertools import product
from math import prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data

from sender.encode import encode_picture
from sender.expected_loss import ExpectedLoss
from sender.extractors.extractors import Extractors
from shared.codecs.registry import get_codec
from shared.errors import ConfigError
from shared.packets import unit_room
from shared.picture import Picture
from shared.repair.encoder import repair_count


def missing_share(packets: int, repair: int, loss: float) -> float:
    """Return the share of ``packets`` that is missing, by the sum over all fates of packets and repair packets."""
    total = 0.0
    for lost in product((False, True), repeat=packets + repair):
        probability = prod(loss if one else 1 - loss for one in lost)
        total += probability * (0 if sum(lost) <= repair else sum(lost[:packets]) / packets)
    return total


@pytest.mark.parametrize(("packets", "overhead"), [(1, 1.0), (4, 0.25), (4, 0.5), (5, 0.0), (5, 1.0)])
@pytest.mark.parametrize("loss", [0.0, 0.01, 0.2, 0.7, 1.0])
def test_the_loss_after_repair_is_the_mean_over_all_fates(packets: int, overhead: float, loss: float) -> None:
    expected = missing_share(packets, repair_count(packets, overhead), loss)
    found = ExpectedLoss(loss, 256, overhead).after_repair(packets * unit_room(256, 1))
    assert found == pytest.approx(expected, abs=1e-12)


@settings(deadline=None)
@given(st.floats(0, 1), st.integers(32, 1024), st.floats(0, 10), st.integers(1, 10**6))
def test_repair_never_adds_to_the_loss(loss: float, packet_bytes: int, overhead: float, max_bytes: int) -> None:
    assert 0 <= ExpectedLoss(loss, packet_bytes, overhead).after_repair(max_bytes) <= loss + 1e-12


@pytest.mark.parametrize("overhead", [-0.1, 11, float("nan")])
def test_an_overhead_out_of_range_is_refused(overhead: float) -> None:
    with pytest.raises(ConfigError, match="repair overhead"):
        ExpectedLoss(0.1, 256, overhead)


def test_a_link_whose_repair_replaces_what_is_lost_gets_the_whole_hci() -> None:
    picture = data.astronaut()[:128, :192]
    codec, extractors = get_codec("resilient"), Extractors()
    repaired = encode_picture(Picture(picture), codec, extractors, 300, loss=ExpectedLoss(0.05, 256, 2.0))
    assert repaired == encode_picture(Picture(picture), get_codec("hci"), extractors, 300)
    plain = encode_picture(Picture(picture), codec, extractors, 300, "", ExpectedLoss(0.05))
    assert len(plain.streams[0].units) >= 4
