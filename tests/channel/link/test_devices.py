"""Outcomes follow from the seed alone, not from the device or the batches."""

from __future__ import annotations

import pytest
import torch

from channel.link.link import Link
from channel.link.outcome import PacketOutcome
from channel.profile.registry import load_profile

PACKETS = 32
# Es/N0 in dB at which some packets of 32 bytes arrive under MCS 8 and others do not.
CHANNELS = {"awgn": 2.75, "erasure": 2.75, "gilbert-elliott": 2.75, "rayleigh": 5.0, "rician": 4.0, "tdl-a": 4.0}


@pytest.mark.parametrize("channel", CHANNELS)
def test_outcomes_do_not_depend_on_the_batch(chains, space_packet, channel):
    check_outcomes("cpu", channel, chains, space_packet)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device")
def test_outcomes_do_not_depend_on_the_device(chains, space_packet):
    for channel in CHANNELS:
        check_outcomes("cuda:0", channel, chains, space_packet)


def check_outcomes(device, channel, chains, space_packet):
    """Packets sent one by one on the CPU and together on ``device`` have the same outcomes."""
    packets = [space_packet(32, seed) for seed in range(PACKETS)]
    fast = {"propagation.speed_m_s": "100"} if channel in ("rayleigh", "rician") else {}
    profile = load_profile(channel, {"snr_db": str(CHANNELS[channel]), "mcs": "8"} | fast)
    one_by_one = Link(profile.config(run_seed=11, batch_size=1), chains).transmit(packets, picture_index=2)
    together = Link(profile.config(run_seed=11, device=device), chains).transmit(packets, picture_index=2)
    assert together == one_by_one
    outcomes = [arrival.outcome for arrival in one_by_one]
    assert 3 <= outcomes.count(PacketOutcome.DELIVERED) <= PACKETS - 3
    assert outcomes.count(PacketOutcome.FEC_FAILED) >= 1
