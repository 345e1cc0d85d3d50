"""A channel whose impulse response is a file."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from channel.link.link import Link
from channel.profile.registry import load_profile
from channel.propagation.base import PacketKeys
from channel.propagation.factory import build_channel_model
from shared.errors import ConfigError

GRID = "{fft_size: 64, cyclic_prefix: 8, guard_carriers_low: 5, guard_carriers_high: 6}"
RATE_HZ = 1e6


def load(path, text, **changes):
    path.write_text(text)
    kind = {"propagation": f"{{kind: impulse, file: '{path}', grid: {GRID}}}", "mcs": "4", "snr_db": "20"}
    return load_profile("awgn", kind | changes)


def test_one_tap_is_a_channel_without_fading(tmp_path, space_packet, chains):
    config = load(tmp_path / "one.csv", "delay_s,real,imag\n0,3,4\n").config()
    assert np.abs(config.propagation.carriers(RATE_HZ)) == pytest.approx(np.ones((1, 52)))
    packets = [space_packet(64, seed) for seed in range(3)]
    assert [one.packet for one in Link(config, chains).transmit(packets, picture_index=0)] == packets


def test_the_response_is_the_fourier_transform_of_the_taps(tmp_path):
    """Taps at whole samples, against numpy's FFT, at the carriers that the grid uses."""
    taps = np.array([0.8, 0.0, 0.5j, -0.33166])
    rows = "\n".join(f"{delay / RATE_HZ},{tap.real},{tap.imag}" for delay, tap in enumerate(taps))
    config = load(tmp_path / "taps.csv", "delay_s,real,imag\n" + rows).config()
    whole = np.fft.fftshift(np.fft.fft(taps / np.linalg.norm(taps), 64))
    used = np.delete(whole[5:58], 32 - 5)
    assert config.propagation.carriers(RATE_HZ)[0] == pytest.approx(used, abs=1e-9)
    sent = torch.ones((2, 120), dtype=torch.complex64)
    model = build_channel_model(config.propagation, 0.01, RATE_HZ)
    _, variance = model.apply(sent, PacketKeys(1, 0, [0, 1], [0.0, 5.0]))
    assert variance[1, 52:104].numpy() == pytest.approx(0.01 / np.abs(used) ** 2, rel=1e-5)


def test_a_packet_has_the_response_of_its_departure(tmp_path):
    text = "time_s,delay_s,real,imag\n0,0,1,0\n1,0,0.1,0\n1,1e-6,0.1,0\n"
    propagation = load(tmp_path / "two.csv", text).config().propagation
    assert [propagation.find_response(time_s) for time_s in (-1, 0, 0.99, 1, 9)] == [0, 0, 0, 1, 1]
    assert np.mean(np.abs(propagation.carriers(RATE_HZ)[0]) ** 2) == pytest.approx(2 / 1.02)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("delay_s,real\n0,1\n", "its columns must be delay_s, real and imag"),
        ("delay_s,real,imag\n-1,1,0\n", "delay_s must not be negative"),
        ("delay_s,real,imag\n0,0,0\n", "the taps have no power"),
        ("delay_s,real,imag\n1e-5,1,0\n", "its last tap comes after 1e-05 s, the cyclic prefix lasts 8e-06 s"),
        ("time_s,delay_s,real,imag\n1,0,1,0\n0,0,1,0\n", "time_s must not fall"),
    ],
)
def test_a_wrong_response_is_refused_when_it_is_read(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message):
        load(tmp_path / "wrong.csv", text)
