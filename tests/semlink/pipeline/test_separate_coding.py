from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from channel.link.loss_model import predict_packet_loss
from channel.phy.capacity import awgn_capacity
from channel.phy.coding import ChainCache
from channel.phy.mcs import MCS_INDICES, mcs
from channel.phy.outage import outage_capacity
from channel.profile.registry import load_profile
from channel.propagation.fading import draw_fading
from semlink.pipeline.channel_uses import (
    count_channel_uses,
    fit_container,
    max_payload_bytes,
    packet_lengths,
    packet_uses,
)
from semlink.pipeline.coding_spec import parse_coding_spec
from semlink.pipeline.separate_coding import (
    TARGET_DELIVERY,
    FileCache,
    choose_best_mcs,
    ideal_rate,
    mean_colour,
    send_file,
)
from shared.bitstream import MAX_BITSTREAM_BYTES, Bitstream, PictureHeader
from shared.errors import BudgetError, ConfigError
from shared.packets import DEFAULT_PACKET_BYTES, Packetiser
from shared.streams import Stream, StreamKind

USES = 4096


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    ramp = np.linspace(0, 255, 96)
    return np.stack([np.add.outer(ramp, ramp) / 2, np.outer(ramp, ramp) / 255, np.tile(ramp, (96, 1))], 2).astype(
        np.uint8
    )


@pytest.fixture(scope="module")
def chains() -> ChainCache:
    return ChainCache()


@pytest.fixture(scope="module")
def files() -> FileCache:
    return FileCache()


def config_at(snr_db: float, channel: str = "awgn", **changes: str):
    return load_profile(channel, {"snr_db": str(snr_db), "mcs": "8", **changes}).config(run_seed=1)


@given(payload_bytes=st.integers(1, 3000), packet_bytes=st.integers(32, 1024))
def test_packet_lengths_are_those_of_the_packetiser(payload_bytes: int, packet_bytes: int) -> None:
    bitstream = Bitstream(PictureHeader(64, 64), (Stream(StreamKind.HCI, bytes(payload_bytes)),))
    packets = Packetiser(packet_bytes).packetise(bitstream, 0)
    assert packet_lengths(payload_bytes, packet_bytes) == [len(packet) for packet in packets]


@pytest.mark.parametrize("channel", ["awgn", "tdl-a"])
@pytest.mark.parametrize("index", [3, 8, 28])
def test_payload_within_returns_the_largest_payload_that_fits(channel: str, index: int) -> None:
    config, scheme = config_at(10, channel), mcs(index)
    payload = max_payload_bytes(20_000, scheme, config)
    uses = [sum(packet_uses(n, scheme, config) for n in packet_lengths(payload + more)) for more in (0, 1)]
    assert uses[0] <= 20_000 < uses[1]


@pytest.mark.parametrize("channel", ["awgn", "tdl-a"])
def test_channel_uses_that_hold_more_than_a_bitstream_are_refused_with_the_limit(channel: str) -> None:
    config, scheme = config_at(10, channel), mcs(28)
    with pytest.raises(ConfigError, match=r"channel_uses = 16777216: at MCS 28 .* give at most (\d+)") as refused:
        max_payload_bytes(1 << 24, scheme, config)
    most = int(re.search(r"at most (\d+)", str(refused.value))[1])
    assert MAX_BITSTREAM_BYTES - 64 - 1024 < max_payload_bytes(most, scheme, config) <= MAX_BITSTREAM_BYTES - 64
    with pytest.raises(ConfigError):
        max_payload_bytes(most + 1, scheme, config)
    with pytest.raises(ConfigError, match="at MCS 28"):
        choose_best_mcs(1 << 23, config_at(10))


def test_a_fitted_container_takes_at_most_the_given_channel_uses() -> None:
    def two_streams(max_bytes: int) -> tuple[list[bytes], list[bytes]]:
        caption = bytes(min(40, max_bytes // 4))
        hci = bytes(max(1, max_bytes - len(caption) - 10))
        streams = (Stream(StreamKind.HCI, hci), Stream(StreamKind.CAPTION, caption))
        packets = Packetiser().packetise(Bitstream(PictureHeader(96, 96), streams), 0)
        return packets, packets

    for config in (config_at(10), config_at(10, **{"protection.CAPTION.mcs": "4"}), config_at(10, "tdl-a")):
        packets = fit_container(two_streams, USES, config)
        assert 0.7 * USES < count_channel_uses(packets, config) <= USES
    with pytest.raises(BudgetError, match="10 channel uses"):
        fit_container(two_streams, 10, config_at(10))


def test_a_fixed_mcs_delivers_the_file_above_its_threshold_and_nothing_below(
    pixels: np.ndarray, chains: ChainCache, files: FileCache
) -> None:
    coding = parse_coding_spec("jpeg2000+ldpc:mcs=8")
    below, above = (
        send_file(pixels, coding, config_at(snr_db), channel_uses=USES, chains=chains, files=files) for snr_db in (0, 6)
    )
    assert not below.complete
    assert "packet" in below.reason
    assert np.array_equal(below.pixels, mean_colour(pixels))
    assert above.complete
    assert np.abs(above.pixels.astype(int) - pixels).mean() < 10
    assert below.file_bytes == above.file_bytes
    for one in (below, above):
        assert one.cost is not None
        assert one.cost.total.channel_uses == one.channel_uses <= USES


def test_the_best_mcs_rises_with_the_snr_and_delivers_the_file(
    pixels: np.ndarray, chains: ChainCache, files: FileCache
) -> None:
    indices = [choose_best_mcs(USES, config_at(snr_db)).spectral_efficiency for snr_db in (0, 5, 10, 15, 22)]
    assert indices == sorted(set(indices))
    sent = send_file(
        pixels, parse_coding_spec("jpeg2000+ldpc:best"), config_at(10), channel_uses=USES, chains=chains, files=files
    )
    assert sent.complete
    assert sent.mcs_index == choose_best_mcs(USES, config_at(10)).index
    assert choose_best_mcs(USES, config_at(-30)).index == MCS_INDICES[0]


def test_the_best_mcs_is_slower_under_fading() -> None:
    assert (
        choose_best_mcs(USES, config_at(15, "rayleigh")).spectral_efficiency
        < choose_best_mcs(USES, config_at(15)).spectral_efficiency
    )


def test_the_ideal_code_fills_capacity_and_carries_more_than_every_mcs(pixels: np.ndarray, files: FileCache) -> None:
    config = config_at(6)
    sent = send_file(pixels, parse_coding_spec("jpeg2000+ideal"), config, channel_uses=USES, files=files)
    assert sent.complete
    assert (sent.cost, sent.mcs_index, sent.channel_uses) == (None, None, USES)
    assert sent.file_bytes <= USES * awgn_capacity(6.0) / 8
    assert max_payload_bytes(USES, choose_best_mcs(USES, config), config) < USES * ideal_rate(config, USES) / 8


def test_under_block_fading_the_ideal_code_is_in_outage_one_time_in_ten(pixels: np.ndarray, files: FileCache) -> None:
    coding = parse_coding_spec("jpeg2000+ideal")
    config = config_at(10, "rayleigh")
    outcomes = [
        send_file(pixels, coding, config, channel_uses=USES, picture_index=index, files=files).complete
        for index in range(300)
    ]
    assert 0.85 < np.mean(outcomes) < 0.95


@pytest.mark.parametrize("snr_db", [0.0, 8.0, 16.0, 24.0])
def test_with_one_fade_per_packet_the_ideal_rate_exceeds_that_of_every_reliable_mcs(
    snr_db: float,
) -> None:
    config = config_at(snr_db, "rayleigh", **{"propagation.fading": "independent"})
    reliable = [
        scheme.spectral_efficiency
        for scheme in map(mcs, MCS_INDICES)
        if predict_packet_loss(config, scheme, DEFAULT_PACKET_BYTES) < 1 - TARGET_DELIVERY
    ]
    assert ideal_rate(config, 1) == outage_capacity(snr_db, 0.0, 1, 1 - TARGET_DELIVERY) > max(reliable, default=0.0)
    assert ideal_rate(config, 374 * 5) == outage_capacity(snr_db, 0.0, 5, 1 - TARGET_DELIVERY) > ideal_rate(config, 374)


def test_the_ideal_code_weighs_the_fades_of_the_first_packet_by_their_symbols(
    pixels: np.ndarray, files: FileCache
) -> None:
    coding, weights = parse_coding_spec("jpeg2000+ideal"), [1024, 1024, 1024, 1024, 400]
    config = config_at(10, "rayleigh", **{"propagation.fading": "independent", "propagation.coherence_symbols": "1024"})
    rate = ideal_rate(config, sum(weights))
    outcomes = []
    for index in range(60):
        power = np.abs(draw_fading(1, index, [0], 5)[0]).astype(float) ** 2
        sent = send_file(pixels, coding, config, channel_uses=sum(weights), picture_index=index, files=files)
        assert sent.complete == (np.average(np.log2(1 + 10 * power), weights=weights) >= rate)
        outcomes.append(sent.complete)
    assert set(outcomes) == {True, False}


def test_too_few_channel_uses_leave_the_mean_colour(pixels: np.ndarray, files: FileCache) -> None:
    for coding in ("avif+ldpc:mcs=8", "avif+ideal"):
        sent = send_file(pixels, parse_coding_spec(coding), config_at(6), channel_uses=50, files=files)
        assert not sent.complete
        assert "hold no file" in sent.reason
        assert sent.file_bytes == 0


def test_without_a_row_of_the_table_the_mcs_of_the_profile_codes_the_file(
    pixels: np.ndarray, chains: ChainCache, files: FileCache
) -> None:
    for name in ("jpeg2000", "jpeg2000+ldpc"):
        sent = send_file(pixels, parse_coding_spec(name), config_at(6), channel_uses=USES, chains=chains, files=files)
        assert (sent.mcs_index, sent.complete) == (8, True)


def test_settings_that_separate_coding_cannot_use_are_refused(pixels: np.ndarray) -> None:
    with pytest.raises(ConfigError, match=r"hci\+ldpc:best: separate coding needs a classical codec: jpeg2000"):
        send_file(pixels, parse_coding_spec("hci+ldpc:best"), config_at(6), channel_uses=USES)
    with pytest.raises(ConfigError, match="channel_uses = 0"):
        send_file(pixels, parse_coding_spec("avif+ldpc:mcs=8"), config_at(6), channel_uses=0)
    with pytest.raises(ConfigError, match="not tdl"):
        send_file(pixels, parse_coding_spec("avif+ideal"), config_at(6, "tdl-a"), channel_uses=USES)
    with pytest.raises(ConfigError, match="esn0"):
        choose_best_mcs(USES, config_at(6, snr_kind="ebn0"))
