"""The choice of scheme from an SNR."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channel.config import ChannelConfig
from channel.link.link import Link
from channel.link.outcome import PacketOutcome
from channel.phy.capacity import required_es_n0_db
from channel.phy.mcs import MCS_INDICES, transport_block
from channel.phy.mcs_selection import fastest_mcs, load_thresholds
from shared.errors import ConfigError
from shared.validation import validate

PACKET_BYTES = 256


def test_the_threshold_of_every_scheme_is_above_the_theoretical_bound():
    assert tuple(row.scheme.index for row in load_thresholds()) == MCS_INDICES
    for row in load_thresholds():
        uses = transport_block(PACKET_BYTES, row.scheme).channel_uses
        order = row.scheme.modulation_order
        for bler in (0.1, 0.001):
            gap_db = row.es_n0_db(bler) - required_es_n0_db(8 * PACKET_BYTES, uses, bler, order)
            assert 0 < gap_db < 2
        assert row.es_n0_db(0.1) < row.es_n0_db(0.001) < row.es_n0_db(0.1) + 1


def test_within_one_modulation_a_higher_rate_needs_a_higher_snr():
    for slower, faster in pairwise(load_thresholds()):
        if slower.scheme.modulation_order == faster.scheme.modulation_order:
            assert slower.es_n0_db(0.001) < faster.es_n0_db(0.001)


@given(es_n0_db=st.floats(0.0, 40.0), margin_db=st.floats(0.0, 5.0), target=st.sampled_from([0.1, 0.001]))
def test_the_selected_scheme_meets_its_threshold_and_no_faster_scheme_does(es_n0_db, margin_db, target):
    try:
        chosen = fastest_mcs(es_n0_db, target_bler=target, margin_db=margin_db)
    except ConfigError:
        assert all(row.es_n0_db(target) + margin_db > es_n0_db for row in load_thresholds())
        return
    for row in load_thresholds():
        if row.scheme.spectral_efficiency > chosen.spectral_efficiency:
            assert row.es_n0_db(target) + margin_db > es_n0_db
        if row.scheme == chosen:
            assert row.es_n0_db(target) + margin_db <= es_n0_db


def test_the_ends_of_the_range():
    assert fastest_mcs(100.0).index == 28
    with pytest.raises(ConfigError, match=r"Es/N0 = -20 dB: MCS 3, .* raise the SNR"):
        fastest_mcs(-20.0)
    with pytest.raises(ConfigError, match=r"Es/N0 = nan dB"):
        fastest_mcs(math.nan)
    with pytest.raises(ConfigError, match=r"target_bler = 0.01: .*0.1 and 0.001"):
        fastest_mcs(10.0, target_bler=0.01)


@pytest.mark.parametrize("es_n0_db", [0.0, 6.0, 14.0])
def test_packets_under_the_selected_scheme_are_delivered(chains, space_packet, es_n0_db):
    settings = validate(ChannelConfig, {"snr_db": es_n0_db, "mcs": fastest_mcs(es_n0_db).index, "run_seed": 1})
    arrivals = Link(settings, chains).transmit(
        [space_packet(PACKET_BYTES, seed) for seed in range(40)], picture_index=0
    )
    assert {arrival.outcome for arrival in arrivals} == {PacketOutcome.DELIVERED}
