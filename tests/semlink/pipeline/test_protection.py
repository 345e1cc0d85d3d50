from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channel.link.channel_uses import count_channel_uses
from channel.phy.mcs import mcs
from channel.profile.registry import load_profile
from semlink.pipeline.protection import (
    Protection,
    choose_equal_protection,
    choose_unequal_protection,
    expected_loss,
    predict_equal_protection,
    predict_options,
    predict_protection,
    profile_changes,
    stream_lengths,
    total_uses,
)
from semlink.pipeline.stream_importance import (
    IMPORTANCE_FILE,
    Importance,
    check_measured,
    hash_decoder,
    load_importance,
)
from sender.repair import repair_packets
from shared.bitstream import Bitstream, PictureHeader
from shared.codecs.builtin import BUILTIN_CODECS
from shared.errors import BudgetError, ConfigError, PacketError
from shared.packets import Packetiser
from shared.repair.encoder import RepairEncoder
from shared.streams import Stream, StreamKind

if TYPE_CHECKING:
    from channel.config import ChannelConfig

HCI, CAPTION, REGIONS = StreamKind.HCI, StreamKind.CAPTION, StreamKind.REGIONS
LENGTHS = {HCI: [128, 128, 128, 90], CAPTION: [60], REGIONS: [100]}
MOSTLY_HCI = Importance(
    {
        **{frozenset({HCI, CAPTION, *rest}): 0.2 for rest in ((), (REGIONS,))},
        **{frozenset({HCI, *rest}): 0.25 for rest in ((), (REGIONS,))},
        **{frozenset({CAPTION, *rest}): 0.8 for rest in ((), (REGIONS,))},
        **{frozenset(rest): 1.0 for rest in ((), (REGIONS,))},
    }
)


def config_at(snr_db: float, channel: str = "awgn", index: int = 6, **changes: str):
    return load_profile(channel, {"snr_db": str(snr_db), "mcs": str(index)} | changes).config(run_seed=1)


def choose_within_equal_uses(
    lengths: dict[StreamKind, list[int]], config: ChannelConfig
) -> dict[StreamKind, Protection]:
    """Return the unequal protection in the channel uses of the MCS of ``config`` without repair."""
    channel_uses = total_uses(predict_equal_protection(lengths, config))
    return choose_unequal_protection(predict_options(lengths, config), channel_uses, MOSTLY_HCI)


def packets_of(lengths: dict[StreamKind, list[int]]) -> list[bytes]:
    streams = tuple(Stream(kind, bytes(sum(sizes) - 9 * len(sizes) - 4)) for kind, sizes in sorted(lengths.items()))
    return Packetiser(128).packetise(Bitstream(PictureHeader(64, 64), streams), 0)


def test_expected_loss_is_the_mean_over_all_subsets() -> None:
    assert MOSTLY_HCI.expected_loss({HCI: 1.0, CAPTION: 1.0}) == pytest.approx(0.2)
    assert MOSTLY_HCI.expected_loss({HCI: 0.5, CAPTION: 0.5}) == pytest.approx((0.2 + 0.25 + 0.8 + 1.0) / 4)
    assert MOSTLY_HCI.expected_loss({HCI: 0.5, REGIONS: 0.1}) == pytest.approx((0.25 + 1.0) / 2)
    assert MOSTLY_HCI.expected_loss({}) == 1.0


def test_more_of_a_picture_is_measured_to_be_better() -> None:
    importance = load_importance()
    base = frozenset({StreamKind.BASE})
    assert importance.loss(base | {HCI}) < importance.loss(base) < importance.loss(frozenset())
    assert importance.loss(frozenset({HCI})) < importance.loss(frozenset({CAPTION}))
    for gains in importance.gain_by_share.values():
        assert (gains[0], gains[-1]) == (0, 1)
        assert list(gains) == sorted(gains)


def test_the_worth_of_streams_was_measured_with_the_weights_that_ship() -> None:
    assert load_importance().decoder_sha256 == hash_decoder()


@pytest.mark.parametrize("channel", ["awgn", "rayleigh"])
@pytest.mark.parametrize("snr_db", [0.0, 3.0, 12.0])
def test_unequal_protection_fits_the_channel_uses_and_has_no_larger_expected_loss(channel: str, snr_db: float) -> None:
    config = config_at(snr_db, channel)
    room = total_uses(predict_equal_protection(LENGTHS, config))
    equal = choose_equal_protection(predict_options(LENGTHS, config), room, MOSTLY_HCI)
    unequal = choose_unequal_protection(predict_options(LENGTHS, config), room, MOSTLY_HCI)
    assert total_uses(unequal) <= room
    assert expected_loss(unequal, MOSTLY_HCI) <= expected_loss(equal, MOSTLY_HCI) + 1e-9


def test_near_the_cliff_the_important_stream_gets_the_more_robust_scheme() -> None:
    config = config_at(0.2)
    chosen = choose_within_equal_uses(LENGTHS, config)
    assert chosen[HCI].scheme.spectral_efficiency < config.scheme.spectral_efficiency
    assert chosen[HCI].complete > 0.9 > predict_equal_protection(LENGTHS, config)[HCI].complete
    assert chosen[REGIONS].scheme.spectral_efficiency > chosen[HCI].scheme.spectral_efficiency


def test_under_independent_fading_a_single_stream_gets_a_faster_scheme_and_repair() -> None:
    config = config_at(12.0, "rayleigh", **{"propagation.fading": "independent"})
    lengths = {HCI: LENGTHS[HCI]}
    chosen = choose_within_equal_uses(lengths, config)
    assert chosen[HCI].repair_packets > 0
    assert chosen[HCI].complete > predict_equal_protection(lengths, config)[HCI].complete


@pytest.mark.parametrize(("hci_packets", "repaired"), [(1000, True), (2000, False)])
def test_streams_of_thousands_of_packets_take_seconds_and_respect_the_limit_of_a_repaired_object(
    hci_packets: int, repaired: bool
) -> None:
    config = config_at(12.0, "rayleigh")
    lengths = {HCI: [128] * hci_packets, CAPTION: [60] * 900, REGIONS: [100] * 40}
    start_s = time.process_time()
    chosen = choose_within_equal_uses(lengths, config)
    assert time.process_time() - start_s < 5
    assert (chosen[HCI].repair_packets > 0) == repaired
    assert all(one.repair_packets == 0 or len(lengths[kind]) <= 1024 for kind, one in chosen.items())
    assert chosen[HCI].complete > 0.999 or not repaired


@settings(max_examples=8, deadline=None)
@given(repairs=st.lists(st.integers(0, 6), min_size=3, max_size=3))
def test_the_profile_changes_result_in_exactly_the_chosen_repair_packets_and_uses(repairs: list[int]) -> None:
    config = config_at(5.0)
    packets = packets_of(LENGTHS)
    lengths = stream_lengths(packets)
    chosen = {
        kind: predict_protection(lengths[kind], mcs(index), repair, config)
        for kind, index, repair in zip(lengths, (4, 6, 9), repairs, strict=True)
    }
    changes = profile_changes(chosen, {kind: len(sizes) for kind, sizes in lengths.items()})
    profile = load_profile("awgn", {"snr_db": "5", "mcs": "6", **changes})
    made = repair_packets(packets, profile.repair_overheads(), RepairEncoder())
    assert len(made) == sum(repairs)
    assert count_channel_uses([*packets, *made], profile.config()) == total_uses(chosen)


def test_too_few_channel_uses_are_refused() -> None:
    with pytest.raises(BudgetError, match="10 channel uses"):
        choose_unequal_protection(predict_options(LENGTHS, config_at(5.0)), 10, MOSTLY_HCI)


def test_packets_without_a_stream_are_refused() -> None:
    with pytest.raises(PacketError, match="without repair packets"):
        stream_lengths([bytes(20)])


def test_streams_that_were_not_measured_together_are_refused() -> None:
    check_measured([HCI, CAPTION], MOSTLY_HCI)
    with pytest.raises(ConfigError, match="HCI, LATENT was not measured together; use --protect none"):
        check_measured([HCI, StreamKind.LATENT], MOSTLY_HCI)


def test_every_codec_that_ships_was_measured() -> None:
    for codec in BUILTIN_CODECS.values():
        check_measured(codec.streams, load_importance())


@pytest.mark.parametrize("codec", [one for one in BUILTIN_CODECS.values() if not one.fills], ids=lambda one: one.name)
def test_packets_leave_in_the_order_of_measured_worth_per_byte(codec) -> None:
    importance, sizes = load_importance(), json.loads(IMPORTANCE_FILE.read_text("utf-8"))["payload_bytes"]

    def worth_per_byte(kind: StreamKind, sent: frozenset[StreamKind]) -> float:
        gain = importance.loss(sent) - importance.loss(sent | {kind})
        return max(0.0, gain) / np.mean(sizes[kind.name])

    for position, kind in enumerate(codec.streams):
        sent, later = frozenset(codec.streams[:position]), codec.streams[position:]
        assert worth_per_byte(kind, sent) == max(worth_per_byte(one, sent) for one in later)
