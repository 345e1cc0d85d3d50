"""Fading that goes on through a picture: Jakes' correlation, Rayleigh's distribution, batches do not matter."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import j0
from scipy.stats import kstest

from channel.propagation.base import PacketKeys
from channel.propagation.doppler import draw_paths
from channel.propagation.fading import FlatFadingChannel
from channel.propagation.kinds import Rayleigh, Rician, Tdl
from channel.propagation.ofdm import OfdmChannel

PICTURES = 1500
AIR_TIME_S = 3.5e-3


def picture_power(settings, packets=12, pictures=PICTURES):
    """Return |h|² ``[pictures, packets]`` of packets of one symbol that leave every ``AIR_TIME_S``."""
    channel = FlatFadingChannel(settings, 0.1, 1e6)
    departures_s = [index * AIR_TIME_S for index in range(packets)]
    h = [channel.coefficients(1, PacketKeys(1, one, range(packets), departures_s))[:, 0] for one in range(pictures)]
    return np.abs(np.array(h, dtype=np.complex128)) ** 2


def power_correlation(powers, lag):
    return np.corrcoef(powers[:, :-lag].ravel(), powers[:, lag:].ravel())[0, 1]


@pytest.mark.parametrize("speed_m_s", [0.83, 8.3, 33.0])
def test_the_power_correlation_over_a_picture_is_j0_squared(speed_m_s):
    settings = Rayleigh(speed_m_s=speed_m_s)
    powers = picture_power(settings)
    for lag in (1, 3, 8):
        expected = j0(2 * math.pi * settings.max_doppler_hz * lag * AIR_TIME_S) ** 2
        assert power_correlation(powers, lag) == pytest.approx(expected, abs=0.05)


def test_with_a_line_of_sight_the_power_correlation_follows_from_its_turn():
    """cov |h|² = (ρ² + 2 K ρ cos(2π 0.7 f_D t)) / (K + 1)², ρ = J0."""
    settings, lag = Rician(k_factor_db=3.0, speed_m_s=3.0), 4
    phase = 2 * math.pi * settings.max_doppler_hz * lag * AIR_TIME_S
    k = settings.k_ratio
    expected = (j0(phase) ** 2 + 2 * k * j0(phase) * math.cos(0.7 * phase)) / (1 + 2 * k)
    assert power_correlation(picture_power(settings), lag) == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize("seconds", [0.0, 1.0, 1e4])
def test_the_power_is_exponential_at_any_time(seconds):
    h = np.array([draw_paths(3, one, None, 10.0, [1.0]).at(np.array([seconds]))[0, 0] for one in range(2000)])
    assert kstest(np.abs(h) ** 2, "expon").pvalue > 1e-3
    assert kstest(np.angle(h), "uniform", args=(-math.pi, 2 * math.pi)).pvalue > 1e-3


def test_paths_are_independent_and_have_their_powers():
    h = np.array([draw_paths(3, one, None, 10.0, [0.8, 0.2]).at(np.array([0.3]))[0] for one in range(2000)])
    covariance = h.T @ h.conj() / len(h)
    assert np.diagonal(covariance).real == pytest.approx([0.8, 0.2], rel=0.1)
    assert abs(covariance[0, 1]) < 0.04


@pytest.mark.parametrize("fading", ["continuous", "independent"])
def test_coefficients_do_not_depend_on_the_batch(fading):
    channel = FlatFadingChannel(Rayleigh(fading=fading, speed_m_s=30.0), 0.1, 1e6)
    departures_s = [0.0, 0.004, 0.02]
    together = channel.coefficients(500, PacketKeys(7, 1, [4, 5, 9], departures_s))
    for row, index, departure_s in zip(together, [4, 5, 9], departures_s, strict=True):
        assert np.array_equal(row, channel.coefficients(500, PacketKeys(7, 1, [index], [departure_s]))[0])


def test_a_fast_channel_changes_within_a_packet_and_a_slow_one_hardly():
    for speed_m_s, least, most in ((0.83, 1, 4), (60.0, 200, 300)):
        h = FlatFadingChannel(Rayleigh(speed_m_s=speed_m_s), 0.1, 1e6).coefficients(3500, PacketKeys(1, 1, [0], [0.0]))
        assert least <= len(np.unique(h)) <= most


@pytest.mark.parametrize("fading", ["continuous", "independent"])
def test_a_tapped_delay_line_goes_on_from_packet_to_packet(fading):
    """The channel of a packet at time t is that of a long packet at its OFDM symbol at time t."""
    settings = Tdl(profile="D", delay_spread_s=1e-7, carrier_frequency_hz=3.5e9, speed_m_s=30.0, fading=fading)
    channel = OfdmChannel(settings, 0.1, 1e6)
    slot_s = 14 * 69 / 1e6
    keys = PacketKeys(1, 2, [0, 1], [0.0, slot_s])
    long, later = channel.frequency_response(2, keys, 0), channel.frequency_response(1, keys, 1)
    assert np.allclose(long[1], later[0], atol=1e-9) == (fading == "continuous")
