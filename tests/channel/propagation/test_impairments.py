"""Bursts, outages and jitter: closed forms, independence of batches, refused settings."""

from __future__ import annotations

import math
from itertools import groupby, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, kstest

from channel.propagation.impairments import (
    GilbertElliott,
    Impairments,
    Jitter,
    Outages,
    apply_impairments,
    make_gilbert_chain,
)
from channel.propagation.timing import schedule_packets
from shared.errors import ConfigError
from shared.validation import validate

PACKETS = 20_000
CHAINS = [
    GilbertElliott(p_good_to_bad=0.05, p_bad_to_good=0.25),
    GilbertElliott(p_good_to_bad=0.02, p_bad_to_good=0.1, loss_good=0.01, loss_bad=0.6),
    GilbertElliott(p_good_to_bad=0.9, p_bad_to_good=0.8),  # states alternate
]
probabilities = st.floats(0, 1)
chains = st.builds(
    GilbertElliott,
    p_good_to_bad=st.floats(0.01, 1),
    p_bad_to_good=probabilities,
    loss_good=probabilities,
    loss_bad=probabilities,
)


def transition(chain: GilbertElliott) -> np.ndarray:
    """Row: from good, from bad."""
    return np.array(
        [[1 - chain.p_good_to_bad, chain.p_good_to_bad], [chain.p_bad_to_good, 1 - chain.p_bad_to_good]], dtype=float
    )


@pytest.mark.parametrize("chain", CHAINS)
def test_losses_come_at_the_stationary_rate_in_bursts_of_the_stated_length(chain):
    lost = chain.draw_losses(run_seed=3, picture_index=1, first_index=0, packets=PACKETS)
    bursts = [len(list(run)) for is_lost, run in groupby(lost) if is_lost]
    # With autocorrelation r^k the variance of a mean is at most (1 + |r|) / (1 - |r|) times that of independent draws.
    memory = abs(1 - chain.p_good_to_bad - chain.p_bad_to_good)
    spread = math.sqrt(chain.loss_rate * (1 - chain.loss_rate) / PACKETS * (1 + memory) / (1 - memory))
    assert abs(np.mean(lost) - chain.loss_rate) < 4 * spread
    assert abs(np.mean(bursts) - chain.mean_burst_packets) < 4 * np.std(bursts) / math.sqrt(len(bursts))


@pytest.mark.parametrize("chain", CHAINS)
def test_a_picture_starts_in_the_stationary_distribution(chain):
    starts = [chain.draw_losses(run_seed=6, picture_index=picture, first_index=0, packets=2) for picture in range(3000)]
    for lost in zip(*starts, strict=True):
        assert binomtest(sum(lost), len(starts), chain.loss_rate).pvalue > 1e-3


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("lag", [1, 3])
def test_losses_are_correlated_as_the_chain_predicts(chain, lag):
    lost = np.array(chain.draw_losses(run_seed=4, picture_index=0, first_index=0, packets=PACKETS), dtype=float)
    state_variance = chain.bad_share * (1 - chain.bad_share)
    covariance = state_variance * (chain.loss_bad - chain.loss_good) ** 2
    covariance *= (1 - chain.p_good_to_bad - chain.p_bad_to_good) ** lag
    measured = np.mean((lost[lag:] - chain.loss_rate) * (lost[:-lag] - chain.loss_rate))
    assert measured == pytest.approx(covariance, abs=0.012)  # four standard errors at PACKETS


@settings(deadline=None)
@given(chains)
def test_closed_forms_agree_with_the_transition_matrix(chain):
    stationary = np.array([1 - chain.bad_share, chain.bad_share])
    assert stationary @ transition(chain) == pytest.approx(stationary)
    assert chain.loss_rate == pytest.approx(stationary @ [chain.loss_good, chain.loss_bad])
    # Mean burst: sum over n >= 1 of P(at least n lost in a row | a burst begins).
    loss, kept = np.diag([chain.loss_good, chain.loss_bad]), np.diag([1 - chain.loss_good, 1 - chain.loss_bad])
    begins = stationary @ kept @ transition(chain) @ loss
    if begins.sum() > 1e-9:
        endless = np.eye(2) - transition(chain) @ loss
        if abs(np.linalg.det(endless)) > 1e-9:
            expected = (begins @ np.linalg.inv(endless)).sum() / begins.sum()
            assert chain.mean_burst_packets == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(("rate", "burst"), [(0.0, 4.0), (0.1, 1.2), (0.1, 8.0), (0.5, 1.0), (0.75, 3.0), (0.4, 1.0)])
def test_a_gilbert_chain_has_the_given_loss_rate_and_burst_length(rate, burst):
    chain = make_gilbert_chain(rate, burst)
    assert chain.loss_rate == pytest.approx(rate)
    assert chain.mean_burst_packets == pytest.approx(burst if rate else 0)


def test_bursts_of_one_packet_at_equal_chances_are_independent_losses():
    chain = GilbertElliott(p_good_to_bad=0.3, p_bad_to_good=0.7)
    lost = chain.draw_losses(run_seed=0, picture_index=0, first_index=0, packets=PACKETS)
    both = sum(one and other for one, other in pairwise(lost))
    assert binomtest(sum(lost), PACKETS, 0.3).pvalue > 1e-3
    assert binomtest(both, sum(lost[:-1]), 0.3).pvalue > 1e-3
    assert chain.mean_burst_packets == pytest.approx(1 / 0.7)


def test_chains_with_certain_transitions():
    key = {"run_seed": 0, "picture_index": 0, "first_index": 0, "packets": 50}
    assert GilbertElliott(p_good_to_bad=0, p_bad_to_good=1).draw_losses(**key) == [False] * 50
    stuck = GilbertElliott(p_good_to_bad=1, p_bad_to_good=0)
    assert stuck.draw_losses(**key) == [True] * 50
    assert math.isinf(stuck.mean_burst_packets)
    alternating = GilbertElliott(p_good_to_bad=1, p_bad_to_good=1).draw_losses(**key)
    assert all(one != other for one, other in pairwise(alternating))


@settings(deadline=None, max_examples=60)
@given(chains, st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.lists(st.integers(1, 9), max_size=8))
def test_losses_do_not_depend_on_batches(chain, run_seed, picture_index, batches):
    key = {"run_seed": run_seed, "picture_index": picture_index}
    whole = chain.draw_losses(**key, first_index=0, packets=sum(batches))
    starts = [sum(batches[:number]) for number in range(len(batches))]
    parts = {
        start: chain.draw_losses(**key, first_index=start, packets=size)
        for start, size in reversed(list(zip(starts, batches, strict=True)))
    }
    assert [lost for start in starts for lost in parts[start]] == whole


def test_the_state_of_a_late_packet_needs_few_draws():
    chain = make_gilbert_chain(0.1, 8)
    far = chain.draw_losses(run_seed=1, picture_index=1, first_index=2**63, packets=3)
    assert far == chain.draw_losses(run_seed=1, picture_index=1, first_index=2**63 - 500, packets=503)[500:]


def test_golden_losses():
    lost = make_gilbert_chain(0.3, 4).draw_losses(run_seed=1, picture_index=2, first_index=3, packets=64)
    delay_s = Jitter(mean_s=2.0).draw_delay_s(run_seed=1, picture_index=2, packet_index=3)
    assert f"{int(''.join(map(str, map(int, lost))), 2):016x}" == "0020030000404000"
    assert delay_s == pytest.approx(2.2430479620265444, rel=1e-12)


def all_windows(outages: Outages, until_s: float) -> list[tuple[float, float]]:
    """Return all windows, the periodic ones as a list."""
    windows = list(outages.windows_s)
    if outages.period_s is not None:
        count = math.ceil(max(0.0, until_s - outages.offset_s) / outages.period_s) + 1
        starts = [outages.offset_s + number * outages.period_s for number in range(count)]
        windows += [(start_s, start_s + outages.duration_s) for start_s in starts if outages.duration_s]
    return windows


quarters = st.integers(0, 400).map(lambda quarter: quarter / 4)  # exact in binary, so that edges meet exactly
window_lists = st.lists(quarters, unique=True, max_size=8).map(
    lambda times: tuple(zip(sorted(times)[0::2], sorted(times)[1::2], strict=False))
)


@settings(deadline=None, max_examples=500)
@given(window_lists, st.tuples(quarters, quarters) | st.none(), quarters, quarters, st.integers(1, 100))
def test_a_reception_is_lost_exactly_if_an_outage_overlaps_it(windows, periodic, offset_s, start_s, length):
    end_s = start_s + length / 4
    fields = {}
    if periodic is not None and periodic[0] != periodic[1]:
        fields = {"period_s": max(periodic), "duration_s": min(periodic), "offset_s": offset_s}
    outages = Outages(windows_s=windows, **fields)
    overlaps = any(begin < end_s and start_s < end for begin, end in all_windows(outages, end_s))
    assert outages.overlap(start_s, end_s) == overlaps


def test_jitter_is_exponential_with_its_mean_and_scales_with_it():
    draws = [
        Jitter(mean_s=0.5).draw_delay_s(run_seed=9, picture_index=picture, packet_index=packet)
        for picture in range(10)
        for packet in range(500)
    ]
    assert min(draws) >= 0
    assert kstest(draws, "expon", args=(0, 0.5)).pvalue > 1e-3
    doubled = Jitter(mean_s=1.0).draw_delay_s(run_seed=9, picture_index=0, packet_index=0)
    assert doubled == 2 * draws[0]
    assert Jitter(mean_s=0.0).draw_delay_s(run_seed=9, picture_index=0, packet_index=0) == 0


def test_neighbouring_packets_swap_as_often_as_the_closed_form_predicts():
    """P(packet i arrives after i + 1) = exp(-spacing / mean) / 2 for independent exponential delays."""
    pairs, spacing_s, mean_s = 5000, 1.0, 2.0
    swapped = 0
    for picture in range(pairs):
        one, other = (
            packet * spacing_s
            + Jitter(mean_s=mean_s).draw_delay_s(run_seed=2, picture_index=picture, packet_index=packet)
            for packet in range(2)
        )
        swapped += one > other
    assert binomtest(swapped, pairs, math.exp(-spacing_s / mean_s) / 2).pvalue > 1e-3


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 2**64 - 1),
    st.lists(st.integers(1, 2000), min_size=1, max_size=30),
    st.integers(0, 29),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_impairments_are_the_same_in_two_batches_as_in_one(run_seed, uses, split, bursts, outages, jitter):
    impairments = Impairments(
        bursts=make_gilbert_chain(0.2, 3) if bursts else None,
        outages=Outages(period_s=5.0, duration_s=1.0, offset_s=2.0) if outages else None,
        jitter=Jitter(mean_s=0.7) if jitter else None,
    )
    times = schedule_packets(uses, symbol_rate_hz=1000.0, propagation_delay_s=3.0)
    key = {"run_seed": run_seed, "picture_index": 5}
    whole = apply_impairments(impairments, times, **key, first_index=0)
    first, second = times[:split], times[split:]
    assert (
        apply_impairments(impairments, first, **key, first_index=0)
        + apply_impairments(impairments, second, **key, first_index=len(first))
        == whole
    )
    for packet, timing in zip(whole, times, strict=True):
        assert packet.arrival_s >= timing.arrival_s
        assert jitter or packet.arrival_s == timing.arrival_s
        assert bursts or outages or not packet.lost


def test_an_outage_loses_packets_by_their_time_of_reception():
    times = schedule_packets([1000] * 4, symbol_rate_hz=1000.0, propagation_delay_s=100.0)
    impairments = Impairments(outages=Outages(windows_s=((101.5, 102.0),)))
    packets = apply_impairments(impairments, times, run_seed=0, picture_index=0, first_index=0)
    assert [packet.lost for packet in packets] == [False, True, False, False]


@pytest.mark.parametrize(
    ("model", "fields", "message"),
    [
        (
            GilbertElliott,
            {"p_good_to_bad": 1.5, "p_bad_to_good": 0.5},
            "p_good_to_bad = 1.5 probability per packet: .*less than or equal",
        ),
        (GilbertElliott, {"p_good_to_bad": math.nan, "p_bad_to_good": 0.5}, "p_good_to_bad = nan"),
        (GilbertElliott, {"p_good_to_bad": 0.5}, "p_bad_to_good is missing"),
        (GilbertElliott, {"p_good_to_bad": 0.0, "p_bad_to_good": 0.0}, "a chain that never moves has no loss rate"),
        (Outages, {"windows_s": [[5.0, 3.0]]}, "window 5.0 to 3.0 s: a window starts at 0 s or later"),
        (Outages, {"windows_s": [[-1.0, 3.0]]}, "window -1.0 to 3.0 s"),
        (Outages, {"windows_s": [[0.0, 3.0], [2.0, 4.0]]}, "window from 2.0 s begins before the one up to 3.0 s"),
        (Outages, {"windows_s": [[0.0, math.inf]]}, "windows_s.0.1 = inf"),
        (Outages, {"windows_s": [["0", 1.0]]}, "windows_s.0.0 = '0'"),
        (Outages, {"period_s": 10.0, "duration_s": 10.0}, "duration_s = 10.0: must be shorter than period_s"),
        (Outages, {"duration_s": 10.0}, "have no meaning without period_s"),
        (Outages, {"period_s": 0.0}, "period_s = 0.0 s: .*greater than 0"),
        (Jitter, {"mean_s": -0.1}, "mean_s = -0.1 s: .*greater than or equal to 0"),
        (Impairments, {"jitter": {"mean_s": "long"}}, "jitter.mean_s = 'long'"),
        (Impairments, {"burst": None}, "burst = None: unknown setting; did you mean bursts"),
    ],
)
def test_settings_outside_their_rule_are_refused_in_one_line(model, fields, message):
    with pytest.raises(ConfigError, match=message) as refused:
        validate(model, fields)
    assert "\n" not in str(refused.value)


def test_lists_and_integers_of_a_yaml_file_are_accepted():
    impairments = validate(
        Impairments,
        {
            "bursts": {"p_good_to_bad": 0.1, "p_bad_to_good": 0.5},
            "outages": {"windows_s": [[0, 1.5], [1.5, 3]]},
            "jitter": {"mean_s": 1},
        },
    )
    assert impairments.outages == Outages(windows_s=((0.0, 1.5), (1.5, 3.0)))


@pytest.mark.parametrize(
    ("rate", "burst", "message"),
    [
        (1.0, 3.0, "loss rate 1.0: give 0 to below 1"),
        (-0.1, 3.0, "loss rate -0.1"),
        (math.nan, 3.0, "loss rate nan"),
        (0.1, 0.5, "mean burst of 0.5 packets: at a loss rate of 0.1 give 1 or more"),
        (0.75, 2.0, "at a loss rate of 0.75 give 3 or more"),
        (0.1, math.inf, "mean burst of inf"),
    ],
)
def test_bursts_that_no_chain_has_are_refused(rate, burst, message):
    with pytest.raises(ConfigError, match=message):
        make_gilbert_chain(rate, burst)
