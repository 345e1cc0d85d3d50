"""The links of the demo."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from PIL import Image

from channel.link.channel_uses import count_channel_uses
from channel.profile.registry import load_profile
from receiver.metrics.pixel import psnr_db
from semlink.client.settings import channel_settings
from semlink.demo import runs
from semlink.demo.pictures import read_pictures
from semlink.demo.runs import CLASSICAL_NAME, SEMLINK_NAME, encode_at, run_classical, run_semlink
from semlink.demo.story import picture_seeds, run_story
from semlink.pipeline.separate_coding import mean_colour
from semlink.pipeline.session import LocalSession
from semlink.pipeline.transfer import ignore_stage
from shared.errors import ConfigError, SetupError
from shared.outcome import LOST, REBUILT
from shared.picture import load_picture


@pytest.fixture(scope="module")
def originals():
    return read_pictures(["coffee.png"], side=128)


@pytest.fixture(scope="module")
def sent(originals):
    """The picture as it is sent over a channel that loses nothing."""
    return encode_at(LocalSession(), "coffee.png", originals["coffee.png"], "awgn", 6.0)


class CountingSession(LocalSession):
    """Counts the pictures that the default decoder makes."""

    transfers = 0

    def transfer(self, *args, **kwargs):
        self.transfers += 1
        return super().transfer(*args, **kwargs)


def test_pictures_are_small_and_keep_their_shape():
    pictures = read_pictures(["coffee.png", "rocket.jpg"], side=96)
    assert list(pictures) == ["coffee.png", "rocket.png"]
    sizes = [Image.open(io.BytesIO(data)).size for data in pictures.values()]
    assert sizes == [(96, 64), (96, 64)]


def test_a_picture_that_is_not_installed_is_named():
    with pytest.raises(SetupError, match=r"nothing\.png"):
        read_pictures(["nothing.png"])


def test_each_picture_has_seeds_of_its_own_also_at_the_largest():
    assert [picture_seeds(3, place, 2) for place in (0, 1)] == [[3, 4], [5, 6]]
    assert picture_seeds(2**64 - 1, 0, 2) == [2**64 - 1, 0]


def test_what_arrives_whole_twice_is_decoded_once(originals, tiny_pocket):
    session = CountingSession()
    story = run_story(session, originals, "awgn", (6.0, 5.5), seed=1, seeds=1, on_stage=ignore_stage)
    assert session.transfers == 1
    first, second = story.shown
    assert first.semlink.received is second.semlink.received
    assert [one.semlink.link.es_n0_db for one in story.shown] == [6.0, 5.5]
    assert [(run.system, run.snr_db, run.outcome) for run in story.runs] == [
        (system, snr_db, REBUILT) for snr_db in (6.0, 5.5) for system in (CLASSICAL_NAME, SEMLINK_NAME)
    ]
    assert all(run.arrived == run.packets > 0 for run in story.runs)


def test_a_lost_picture_counts_as_its_mean_colour(sent):
    noisy = replace(sent, snr_db=-20.0, channel=channel_settings("awgn", {"snr_db": -20}))
    (streams, arrived), file = run_semlink(LocalSession(), [noisy], [4])[0], run_classical([noisy.as_file()], [4])[0]
    assert (arrived, file.png) == (frozenset(), b"")
    pixels = load_picture(sent.data).pixels
    for run in (streams, file.run):
        assert (run.outcome, run.arrived, run.seed) == (LOST, 0, 4)
        assert run.psnr_db == pytest.approx(psnr_db(mean_colour(pixels), pixels))


def test_the_classical_file_takes_no_more_channel_uses_than_semlinks_packets(sent, monkeypatch):
    files = []
    send = runs.send_file
    monkeypatch.setattr(runs, "send_file", lambda *args, **kwargs: files.append(send(*args, **kwargs)) or files[-1])
    run_classical([sent.as_file()], [0])
    most = count_channel_uses(sent.packets, load_profile("awgn", {"snr_db": "6"}).config())
    assert 0.8 * most < files[0].channel_uses <= most
    assert files[0].complete


def test_the_best_mcs_needs_an_snr_per_symbol(sent):
    channel = channel_settings("awgn", {"snr_db": 6, "snr_kind": "ebn0"})
    with pytest.raises(ConfigError, match="esn0"):
        run_classical([replace(sent, channel=channel).as_file()], [0])
