"""A channel whose SNR or gain over time is a file."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channel.link.link import Link
from channel.link.loss_model import predict_packet_loss
from channel.link.transmission import Transmission
from channel.phy.mcs import mcs
from channel.profile.registry import load_profile
from channel.propagation.factory import build_channel_model
from shared.errors import ConfigError, LinkError
from shared.yaml_text import yaml_text

RATE_HZ = 1e5


def write(path, text):
    path.write_text(text)
    return str(path)


def load(path, **changes):
    trace = {"propagation": f"{{kind: trace, file: '{path}'}}", "symbol_rate_hz": str(RATE_HZ), "mcs": "4"}
    return load_profile("awgn", trace | {"snr_db": "null"} | changes)


class Recorder:
    """Keeps the noise variance of each packet that a model returns."""

    def __init__(self, model):
        self.model, self.variances, self.departures_s = model, [], []

    def apply(self, symbols, keys):
        equalised, variance = self.model.apply(symbols, keys)
        self.variances += variance[:, 0].tolist()
        self.departures_s += list(keys.departures_s)
        return equalised, variance


@pytest.mark.parametrize("batch", [1, 3, 256])
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_each_packet_has_the_noise_of_its_departure(tmp_path, space_packet, chains, batch, ending):
    time_s, snr_db = np.linspace(0, 0.2, 41), 3 + 4 * np.sin(np.arange(41))
    path = tmp_path / f"trace.{ending}"
    if ending == "csv":
        rows = [f"{time!r},{level!r}" for time, level in zip(time_s.tolist(), snr_db.tolist(), strict=True)]
        path.write_text("time_s, snr_db\n" + "\n".join(rows))
    else:
        pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        pq.write_table(pa.table({"time_s": time_s, "snr_db": snr_db}), path)
    config = load(path).config(batch_size=batch)
    link = Link(config, chains)
    recorder = Recorder(build_channel_model(config.propagation, 10 ** (-config.es_n0_db / 10), config.symbol_rate_hz))
    link._model = recorder
    transmission = Transmission(link, 0)
    packets = [space_packet(64, seed) for seed in range(10)]
    arrivals = [*transmission.carry(packets[:4]), *transmission.carry(packets[4:]), *transmission.finish()]
    departures_s = [arrival.departure_s for arrival in arrivals]
    assert recorder.departures_s == departures_s
    expected = 10 ** (-np.interp(departures_s, time_s, snr_db) / 10)
    assert recorder.variances == pytest.approx(expected.tolist(), rel=1e-6)
    assert len(set(recorder.variances)) == 10


def test_outcomes_follow_the_trace(tmp_path, space_packet, chains):
    path = write(tmp_path / "steps.csv", "time_s,snr_db\n0,-20\n0.02,-20\n0.020001,20\n1,20\n")
    packets = [space_packet(64, seed) for seed in range(8)]
    arrivals = Link(load(path).config(), chains).transmit(packets, picture_index=0)
    assert [arrival.packet is not None for arrival in arrivals] == [arrival.departure_s > 0.02 for arrival in arrivals]
    assert 0 < sum(arrival.packet is None for arrival in arrivals) < 8


def test_gains_are_over_the_snr_of_the_channel(tmp_path):
    path = write(tmp_path / "gain.csv", "time_s,gain_db\n0,0\n10,-10\n")
    config = load(path, snr_db="7").config()
    assert config.es_n0_db == 7
    assert config.propagation.gains_db([0, 5, 10]) == pytest.approx([0, -5, -10])


def test_the_mean_of_a_trace_is_the_channels_snr_and_losses_are_predicted_from_it(tmp_path):
    path = write(tmp_path / "two.csv", "time_s,snr_db\n0,-20\n1,-20\n1.0001,20\n2.0001,20\n")
    config = load(path).config()
    assert config.es_n0_db == pytest.approx(10 * np.log10((0.01 + 100) / 2), abs=0.05)
    assert predict_packet_loss(config, mcs(4), 256) == pytest.approx(0.5, abs=0.01)


def test_a_trace_repeats_only_if_asked(tmp_path):
    path = write(tmp_path / "short.csv", "time_s,gain_db\n0,0\n2,-10\n")
    with pytest.raises(ConfigError, match=r"a packet leaves at 5 s, but the trace covers 0 to 2 s: give a"):
        load(path, snr_db="7").config().propagation.gains_db([1, 5])
    again = load(path, snr_db="7", **{"propagation.repeat": "true"}).config()
    assert again.propagation.gains_db([1, 5]) == pytest.approx([-5, -5])


def test_the_settings_hold_the_files_hash_and_refuse_another_file(tmp_path):
    path = write(tmp_path / "a.csv", "time_s,snr_db\n0,5\n1,6\n")
    profile = load(path)
    named = {name: yaml_text(value) for name, value in profile.parameters()}
    assert len(named["propagation.sha256"]) == 64
    write(tmp_path / "a.csv", "time_s,snr_db\n0,5\n1,7\n")
    with pytest.raises(ConfigError, match=r"^propagation.sha256: .* has changed: leave sha256 out"):
        load(path, **{"propagation.sha256": named["propagation.sha256"]})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "0 rows of numbers"),
        ("time_s,snr_db\n", "0 rows of numbers"),
        ("time_s,snr_db\n0,secret\n", "row 1 is not 2 numbers"),
        ("time_s,snr_db\n0,1\n1\n", "row 2 is not 2 numbers"),
        ("time_s,snr_db\n0,nan\n", "row 1 of snr_db is not a finite number"),
        ("time_s,snr_db\n0,1\n0,2\n", "time_s must rise; row 2 does not"),
        ("time_s,snr_db\n0,101\n", "row 1 of snr_db must be from -100 to 100 dB"),
        ("time_s,secret\n0,1\n", "its columns must be time_s and snr_db, or time_s and gain_db"),
        ("time_s,time_s\n0,1\n", "the first line must name each column once"),
    ],
)
def test_a_wrong_file_is_refused_by_row_and_without_its_contents(tmp_path, text, message):
    path = write(tmp_path / "wrong.csv", text)
    with pytest.raises(ConfigError, match=message) as caught:
        load(path)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_or_contradicts_the_profile_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"^propagation.file = .*: there is no such file where the channel runs"):
        load(tmp_path / "none.csv")
    path = write(tmp_path / "a.csv", "time_s,snr_db\n0,5\n")
    with pytest.raises(ConfigError, match=r"^snr_db, snr_kind: leave them out; the propagation's file sets the SNR"):
        load(path, snr_db="3")
    with pytest.raises(ConfigError, match="is not a Parquet file"):
        load(write(tmp_path / "a.parquet", "time_s"))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_end_in_a_trace_or_in_one_line(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(b"time_s,snr_db\n" + data)
    try:
        assert load(path).config()
    except LinkError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either end is right
