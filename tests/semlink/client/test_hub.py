"""The whole path with the decoder of each family of model profiles: encode, send over three services, decode."""

from __future__ import annotations

import pytest

from semlink.client.addresses import Addresses
from semlink.client.session import RemoteSession
from semlink.client.settings import channel_settings, send_settings
from semlink.pipeline.session import LocalSession
from shared.errors import InputError, UnknownNameError
from shared.picture import encode_png
from shared.rpc.semlink.v1 import receiver_pb2
from tests.hub.tiny import profile_values, write_profile

CODECS = {"stable-diffusion": "resilient", "stable-diffusion-xl": "resilient", "flux": "layered"}


@pytest.fixture(scope="module")
def profiles(tiny_hub, tmp_path_factory):
    """A folder of one profile per family, called tiny-FAMILY."""
    folder = tmp_path_factory.mktemp("profiles")
    for family in CODECS:
        write_profile(folder, profile_values(f"tiny-{family}", family, tiny_hub[family]))
    return folder


@pytest.mark.parametrize("family", CODECS)
def test_a_picture_sent_over_services_is_decoded_by_a_profile(family, profiles, monkeypatch, synthetic_pixels):
    monkeypatch.setenv("SEMLINK_PROFILES", str(profiles))
    picture, name = encode_png(synthetic_pixels(96, 64)), f"tiny-{family}"
    settings = {"max_bytes": 200, "caption": "a red boat", "tokens": None, "latent_channels": None, "trade_off": None}
    send, channel = send_settings(CODECS[family], **settings), channel_settings("awgn", {"snr_db": 20.0}, run_seed=1)
    receive = receiver_pb2.ReceiveSettings(decoder=name, seed=3, trust_map=True, progressive=True)
    results = []
    for session in (LocalSession("cpu"), RemoteSession(Addresses(), device="cpu")):
        sent = session.transfer(picture, send, channel, receive)
        report = sent.received.report
        assert (report.decoder, report.device, report.steps, report.rebuilt) == (name, "cpu", 2, True)
        assert report.quality.psnr_db > 10
        assert 0 < report.trust <= 1
        results.append((sent.received.png, sent.received.trust_png))
        if isinstance(session, RemoteSession):
            with pytest.raises(InputError, match="a service takes the name of a profile, not a file"):
                session.transfer(
                    picture, send, channel, receiver_pb2.ReceiveSettings(decoder=f"{profiles}/{name}.yaml")
                )
            with pytest.raises(UnknownNameError, match=f"unknown decoder 'sd3'; known are pocket, hci, .*{name}"):
                session.transfer(picture, send, channel, receiver_pb2.ReceiveSettings(decoder="sd3"))
        session.close()
    assert results[0] == results[1]
