from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channel.phy.mcs import mcs
from channel.profile.registry import load_profile
from semlink.pipeline.channel_uses import count_channel_uses
from semlink.pipeline.protection import (
    Importance,
    best_equal_protection,
    equal_protection,
    measured_importance,
    protection_of,
    require_measured,
    settings_of,
    stream_lengths,
    unequal_protection,
    uses_of,
)
from sender.repair import repair_packets
from shared.bitstream import Bitstream, PictureHeader
from shared.errors import BudgetError, ConfigError, PacketError
from shared.packets import Packetiser
from shared.repair.encoder import RepairEncoder
from shared.streams import Stream, StreamKind

HCI, CAPTION, REGIONS = StreamKind.HCI, StreamKind.CAPTION, StreamKind.REGIONS
LENGTHS = {HCI: [128, 128, 128, 90], CAPTION: [60], REGIONS: [100]}
MOSTLY_HCI = Importance(
    {
        frozenset({HCI, CAPTION}): 0.2,
        frozenset({HCI}): 0.25,
        frozenset({CAPTION}): 0.8,
        frozenset(): 1.0,
    }
)


def config_at(snr_db: float, channel: str = "awgn", index: int = 6):
    return load_profile(channel, {"snr_db": str(snr_db), "mcs": str(index)}).config(run_seed=1)


def packets_of(lengths: dict[StreamKind, list[int]]) -> list[bytes]:
    streams = tuple(Stream(kind, bytes(sum(sizes) - 9 * len(sizes) - 4)) for kind, sizes in sorted(lengths.items()))
    return Packetiser(128).packetise(Bitstream(PictureHeader(64, 64), streams), 0)


def test_expected_loss_is_the_mean_over_all_subsets_and_unmeasured_streams_count_for_nothing() -> None:
    assert MOSTLY_HCI.expected_loss({HCI: 1.0, CAPTION: 1.0}) == pytest.approx(0.2)
    assert MOSTLY_HCI.expected_loss({HCI: 0.5, CAPTION: 0.5}) == pytest.approx((0.2 + 0.25 + 0.8 + 1.0) / 4)
    assert MOSTLY_HCI.expected_loss({HCI: 0.5, REGIONS: 0.1}) == pytest.approx((0.25 + 1.0) / 2)


def test_what_was_measured_says_that_a_picture_is_nearer_with_its_hci_than_without() -> None:
    importance = measured_importance()
    assert importance.loss(frozenset({HCI})) < importance.loss(frozenset({CAPTION}))
    assert importance.loss(frozenset(StreamKind)) <= importance.loss(frozenset())


@pytest.mark.parametrize("channel", ["awgn", "rayleigh"])
@pytest.mark.parametrize("snr_db", [0.0, 3.0, 12.0])
def test_unequal_protection_keeps_the_channel_uses_and_expects_no_more_loss(channel: str, snr_db: float) -> None:
    config = config_at(snr_db, channel)
    room = uses_of(equal_protection(LENGTHS, config))
    equal = best_equal_protection(LENGTHS, config, room, MOSTLY_HCI)
    unequal = unequal_protection(LENGTHS, config, room, MOSTLY_HCI)
    losses = [
        MOSTLY_HCI.expected_loss({kind: one.whole for kind, one in chosen.items()}) for chosen in (equal, unequal)
    ]
    assert uses_of(unequal) <= room
    assert losses[1] <= losses[0] + 1e-9


def test_near_the_cliff_the_stream_that_matters_gets_the_more_robust_scheme() -> None:
    config = config_at(0.2)
    chosen = unequal_protection(LENGTHS, config, uses_of(equal_protection(LENGTHS, config)), MOSTLY_HCI)
    assert chosen[HCI].scheme.spectral_efficiency < config.scheme.spectral_efficiency
    assert chosen[HCI].whole > 0.9 > equal_protection(LENGTHS, config)[HCI].whole
    assert chosen[REGIONS].scheme.spectral_efficiency > chosen[HCI].scheme.spectral_efficiency


def test_under_fading_one_stream_alone_gets_repair_for_a_faster_scheme() -> None:
    config = config_at(12.0, "rayleigh")
    lengths = {HCI: LENGTHS[HCI]}
    chosen = unequal_protection(lengths, config, uses_of(equal_protection(lengths, config)), MOSTLY_HCI)
    assert chosen[HCI].repair_packets > 0
    assert chosen[HCI].whole > equal_protection(lengths, config)[HCI].whole


@pytest.mark.parametrize(("hci_packets", "repaired"), [(1000, True), (2000, False)])
def test_streams_of_thousands_of_packets_are_dealt_with_in_seconds_within_what_one_object_of_repair_holds(
    hci_packets: int, repaired: bool
) -> None:
    config = config_at(12.0, "rayleigh")
    lengths = {HCI: [128] * hci_packets, CAPTION: [60] * 900, REGIONS: [100] * 40}
    start_s = time.process_time()
    chosen = unequal_protection(lengths, config, uses_of(equal_protection(lengths, config)), MOSTLY_HCI)
    assert time.process_time() - start_s < 5
    assert (chosen[HCI].repair_packets > 0) == repaired
    assert all(one.repair_packets == 0 or len(lengths[kind]) <= 1024 for kind, one in chosen.items())
    assert chosen[HCI].whole > 0.999 or not repaired


@settings(max_examples=8, deadline=None)
@given(repairs=st.lists(st.integers(0, 6), min_size=3, max_size=3))
def test_the_settings_bring_exactly_the_chosen_repair_packets_and_uses(repairs: list[int]) -> None:
    config = config_at(5.0)
    packets = packets_of(LENGTHS)
    lengths = stream_lengths(packets)
    chosen = {
        kind: protection_of(lengths[kind], mcs(index), repair, config)
        for kind, index, repair in zip(lengths, (4, 6, 9), repairs, strict=True)
    }
    profile = load_profile("awgn", {"snr_db": "5", "mcs": "6", **settings_of(chosen, lengths)})
    made = repair_packets(packets, profile.repair_overheads(), RepairEncoder())
    assert len(made) == sum(repairs)
    assert count_channel_uses([*packets, *made], profile.config()) == uses_of(chosen)


def test_channel_uses_that_hold_nothing_are_refused() -> None:
    with pytest.raises(BudgetError, match="10 channel uses"):
        unequal_protection(LENGTHS, config_at(5.0), 10, MOSTLY_HCI)


def test_packets_that_carry_no_one_stream_are_refused() -> None:
    with pytest.raises(PacketError, match="before any are repaired"):
        stream_lengths([bytes(20)])


def test_a_stream_that_nobody_measured_is_refused() -> None:
    require_measured([HCI, CAPTION], MOSTLY_HCI)
    with pytest.raises(ConfigError, match="REGIONS is worth"):
        require_measured([HCI, REGIONS], MOSTLY_HCI)
    with pytest.raises(ConfigError, match="TOKENS is worth"):
        require_measured([CAPTION, StreamKind.TOKENS])
