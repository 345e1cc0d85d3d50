from __future__ import annotations

import math

import pytest

from channel.adaptation import requirements
from channel.config import ChannelConfig
from channel.forecast import block_error_rate, outage_capacity, packet_loss
from channel.mcs import mcs
from channel.propagation import Awgn, Rayleigh, Rician, Tdl
from shared.errors import ConfigError

SYMBOLS = 1763


def test_over_awgn_the_forecast_meets_the_measured_requirements() -> None:
    for row in requirements():
        assert block_error_rate(row.scheme, row.es_n0_db_at_1e1, Awgn(), SYMBOLS) == pytest.approx(0.1)
        assert block_error_rate(row.scheme, row.es_n0_db_at_1e3, Awgn(), SYMBOLS) == pytest.approx(0.001)


def test_over_one_rayleigh_fade_the_forecast_is_the_outage_of_the_requirement() -> None:
    scheme, es_n0_db = mcs(8), 15.0
    row = next(row for row in requirements() if row.scheme == scheme)
    threshold = 10 ** (row.es_n0_db_at_1e1 / 10)
    outage = 1 - math.exp(-threshold / 10 ** (es_n0_db / 10))
    assert block_error_rate(scheme, es_n0_db, Rayleigh(), SYMBOLS) == pytest.approx(outage, rel=0.15)


def test_a_line_of_sight_and_more_fades_in_a_packet_lose_fewer_packets() -> None:
    rates = [
        block_error_rate(mcs(8), 10.0, propagation, SYMBOLS)
        for propagation in (
            Rayleigh(),
            Rayleigh(coherence_symbols=200),
            Rician(k_factor_db=20.0),
            Rician(k_factor_db=100.0),
        )
    ]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] == pytest.approx(block_error_rate(mcs(8), 10.0, Awgn(), SYMBOLS), abs=1e-9)


def test_a_tapped_delay_line_counts_as_one_fade_with_the_line_of_sight_of_its_first_tap() -> None:
    tdl_a = Tdl(profile="A", delay_spread_s=1e-7, carrier_frequency_hz=3.5e9)
    tdl_d = Tdl(profile="D", delay_spread_s=1e-7, carrier_frequency_hz=3.5e9)
    assert block_error_rate(mcs(4), 5.0, tdl_a, SYMBOLS) == block_error_rate(mcs(4), 5.0, Rayleigh(), SYMBOLS)
    assert block_error_rate(mcs(4), 5.0, tdl_d, SYMBOLS) == block_error_rate(
        mcs(4), 5.0, Rician(k_factor_db=13.3), SYMBOLS
    )


def test_erasures_add_to_block_errors() -> None:
    config = ChannelConfig(snr_db=30.0, mcs=8, erasure_rate=0.25)
    assert packet_loss(config, mcs(8), 256) == pytest.approx(0.25)
    assert packet_loss(config.model_copy(update={"snr_db": -20.0}), mcs(8), 256) == pytest.approx(1.0)


def test_outage_capacity_follows_the_closed_form_of_one_rayleigh_fade_and_nears_capacity_with_many() -> None:
    snr = 10 ** (10 / 10)
    assert outage_capacity(10.0, 0.0, 1, 0.1) == pytest.approx(math.log2(1 - math.log(0.9) * snr), rel=0.1)
    rates = [outage_capacity(10.0, 0.0, fades, 0.1) for fades in (1, 4, 64)]
    assert rates == sorted(rates)
    assert outage_capacity(10.0, math.inf, 1, 0.1) == pytest.approx(math.log2(1 + snr))


@pytest.mark.parametrize(("fades", "outage"), [(0, 0.1), (1, 0.0), (1, 1.0)])
def test_an_impossible_outage_is_refused(fades: int, outage: float) -> None:
    with pytest.raises(ConfigError, match="outage"):
        outage_capacity(10.0, 0.0, fades, outage)
