"""What is expected to arrive of slices, against the sum over every fate of every packet."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channel.link.protection_options import predict_stream_options
from channel.profile.registry import load_profile
from semlink.pipeline.received_slices import (
    MOST_COUNTED,
    count_slices,
    expected_part,
    is_complete,
    predict_profile,
)
from shared.streams import StreamKind

HCI, BASE, CAPTION = StreamKind.HCI, StreamKind.BASE, StreamKind.CAPTION
LENGTHS = {HCI: [100, 100, 100], BASE: [60], CAPTION: [30]}


def early_gain(shares):
    return np.sqrt(shares)


def sum_over_fates(loss: float, packets: int, repairs: int, gain, others: int) -> float:
    total = 0.0
    for fate in itertools.product((False, True), repeat=packets + others + repairs):
        probability = math.prod(loss if lost else 1 - loss for lost in fate)
        share = 1.0 if sum(fate) <= repairs else 1 - sum(fate[:packets]) / packets
        total += probability * float(gain(np.array(share)))
    return total


@settings(deadline=None)  # the first example imports scipy
@given(
    loss=st.floats(0, 1),
    packets=st.integers(1, 4),
    others=st.integers(0, 3),
    repairs=st.integers(0, 4),
    gain=st.sampled_from([is_complete, early_gain]),
)
def test_the_expected_part_is_the_mean_over_all_fates(loss, packets, others, repairs, gain) -> None:
    found = expected_part(loss, packets, np.arange(repairs + 1), gain, others)
    assert found[repairs] == pytest.approx(sum_over_fates(loss, packets, repairs, gain, others), abs=1e-9)
    assert (np.diff(found) >= -1e-12).all()


@pytest.mark.parametrize("loss", [0.0, 0.1, 0.6, 1.0])
def test_the_mean_share_of_many_packets_is_near_the_exact_part(loss) -> None:
    repairs = np.array([0, 5, 40])
    exact, mean = (expected_part(loss, packets, repairs, early_gain) for packets in (MOST_COUNTED, MOST_COUNTED + 1))
    assert mean == pytest.approx(exact, abs=0.03)


def test_options_of_slices_count_what_arrives_and_those_of_whole_streams_stay() -> None:
    config = load_profile("rayleigh", {"snr_db": "5", "mcs": "6"}).config()
    options = predict_stream_options(LENGTHS[HCI], config, 1.0)
    whole, slices = count_slices(options, is_complete), count_slices(options, early_gain)
    for given_, same, more in zip(options.schemes, whole.schemes, slices.schemes, strict=True):
        assert same.loss_probability == pytest.approx(given_.loss_probability)
        assert (more.loss_probability <= given_.loss_probability + 1e-12).all()


def test_the_profile_as_it_is_has_its_own_mcs_and_shares_repair_packets_among_streams_of_equal_overhead() -> None:
    config = load_profile("rayleigh", {"snr_db": "8", "mcs": "6", "propagation.fading": "independent"}).config()
    options = {kind: predict_stream_options(lengths, config, 3.0) for kind, lengths in LENGTHS.items()}
    indices = {HCI: 6, BASE: 4, CAPTION: 6}
    found = predict_profile(options, indices, {HCI: 0.5, BASE: 0.5}, {HCI: early_gain})
    assert {kind: (one.scheme.index, one.repair_packets) for kind, one in found.items()} == {
        HCI: (6, 2),
        BASE: (4, 2),
        CAPTION: (6, 0),
    }
    losses = {
        kind: next(one.packet_loss for one in options[kind].schemes if one.scheme.index == indices[kind])
        for kind in LENGTHS
    }
    assert found[HCI].complete == pytest.approx(sum_over_fates(losses[HCI], 3, 2, early_gain, 1))
    assert found[BASE].complete == pytest.approx(sum_over_fates(losses[BASE], 1, 2, is_complete, 3))
    assert found[CAPTION].complete == pytest.approx(1 - losses[CAPTION])
    assert predict_profile(options, indices | {HCI: 99}, {}, {}) is None
