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


@pytest.fixture(params=["cpu", "cuda:0"])
def device(request: pytest.FixtureRequest) -> str:
    if request.param != "cpu" and not torch.cuda.is_available():
        pytest.skip("this machine has no CUDA device")
    return str(request.param)


@pytest.mark.parametrize(("channel", "snr_db"), CHANNELS.items())
def test_outcomes_do_not_depend_on_the_device(chains, space_packet, device, channel, snr_db):
    packets = [space_packet(32, seed) for seed in range(PACKETS)]
    profile = load_profile(channel, {"snr_db": str(snr_db), "mcs": "8"})
    one_by_one = Link(profile.config(run_seed=11, batch_size=1), chains).transmit(packets, picture_index=2)
    together = Link(profile.config(run_seed=11, device=device), chains).transmit(packets, picture_index=2)
    assert together == one_by_one
    outcomes = [arrival.outcome for arrival in one_by_one]
    assert 3 <= outcomes.count(PacketOutcome.DELIVERED) <= PACKETS - 3
    assert outcomes.count(PacketOutcome.FEC_FAILED) >= 1
