"""Chosen protection of a transfer: the same in one process and over services, and the picture is encoded once."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from semlink.client.addresses import Addresses
from semlink.client.protected import transfer_protected
from semlink.client.session import RemoteSession
from semlink.client.settings import channel_settings, send_settings
from semlink.pipeline.session import LocalSession
from semlink.pipeline.stream_importance import Importance
from semlink.pipeline.transfer import AS_THE_PROFILE, Protect
from shared.bitstream import Bitstream
from shared.errors import UnknownNameError
from shared.rpc.semlink.v1 import receiver_pb2
from shared.streams import StreamKind

RECEIVE = receiver_pb2.ReceiveSettings(decoder="hci")
FADING = {"summary": "fades", "snr_db": 10.0, "mcs": 6, "propagation": {"kind": "rayleigh", "fading": "independent"}}


class CountingSession:
    """A session that counts how many pictures it encodes."""

    def __init__(self, session):
        self._session, self.encoded = session, 0

    def __getattr__(self, name):
        return getattr(self._session, name)

    def encode(self, *args):
        self.encoded += 1
        return self._session.encode(*args)

    def transfer(self, picture, send, *args, **options):
        self.encoded += not send.container
        return self._session.transfer(picture, send, *args, **options)


def settings_of(codec: str, max_bytes: int, packet_bytes: int = 0):
    return send_settings(
        codec,
        max_bytes,
        caption="" if codec == "resilient" else None,
        tokens=None,
        latent_channels=None,
        trade_off=None,
        packet_bytes=packet_bytes,
    )


def test_slices_are_made_for_the_predicted_loss_and_the_base_gets_protection_of_its_own(picture_png):
    session, send, channel = LocalSession(), settings_of("resilient", 500), channel_settings(FADING, {}, run_seed=3)
    plain = session.transfer(picture_png, send, channel, RECEIVE)
    sent = transfer_protected(session, picture_png, send, channel, RECEIVE, protect=Protect.AUTO)
    assert sent.sent.container == plain.sent.container
    bitstream = Bitstream.unpack(sent.sent.container)
    assert {one.kind: len(one.units) for one in bitstream.streams} == {StreamKind.HCI: 6, StreamKind.BASE: 1}
    assert sent.link.channel_uses <= plain.link.channel_uses
    chosen = sent.protection
    assert chosen.asked is Protect.AUTO
    assert chosen.chosen is not Protect.NONE
    assert {one.kind for one in chosen.streams} == {"HCI", "BASE"}
    assert sum(one.repair_packets for one in chosen.streams) == sent.sent.repair_packets
    losses = chosen.expected_lpips_alex
    assert losses[chosen.chosen] < losses[Protect.NONE]
    assert losses[Protect.UNEQUAL] <= losses[Protect.EQUAL]
    assert plain.protection == AS_THE_PROFILE


def test_a_picture_is_encoded_once_and_protected_alike_in_process_and_over_services(picture_png):
    send, channel = settings_of("hci-learned", 300, 64), channel_settings(FADING, {"snr_db": 12.0}, run_seed=3)
    results = []
    for session in (LocalSession(), RemoteSession(Addresses())):
        counting = CountingSession(session)
        plain = counting.transfer(picture_png, send, channel, RECEIVE)
        protected = transfer_protected(counting, picture_png, send, channel, RECEIVE, protect=Protect.UNEQUAL)
        session.close()
        assert counting.encoded == 2
        assert protected.sent.container == plain.sent.container
        assert protected.sent.repair_packets > 0
        assert 0 < protected.link.channel_uses <= plain.link.channel_uses
        assert protected.received.report.rebuilt
        results.append((protected.link, protected.received.png, protected.protection))
    assert results[0] == results[1]


@pytest.mark.parametrize(
    ("profile", "changes", "reason"),
    [
        ("awgn", {}, "hardly a packet is predicted to be lost"),
        ("rayleigh", {"snr_db": 6.0, "mcs": 6}, "mcs as given"),
        ("rayleigh", {"snr_db": 6.0, "protection.HCI.repair_overhead": 1}, "protection.HCI.repair_overhead as given"),
        ("rayleigh", {"snr_db": 3.0, "snr_kind": "ebn0"}, "esn0"),
    ],
)
def test_auto_leaves_the_profile_as_it_is(profile, changes, reason, picture_png):
    session, send, channel = LocalSession(), settings_of("hci-learned", 300), channel_settings(profile, changes)
    plain = session.transfer(picture_png, send, channel, RECEIVE)
    sent = transfer_protected(session, picture_png, send, channel, RECEIVE, protect=Protect.AUTO)
    assert sent.protection.chosen is Protect.NONE
    assert reason in sent.protection.reason
    assert (sent.sent.container, sent.link) == (plain.sent.container, plain.link)


def test_auto_leaves_streams_of_unknown_worth_as_they_are_and_says_when_weights_have_changed(picture_png, monkeypatch):
    session, send, channel = LocalSession(), settings_of("hci-learned", 300), channel_settings(FADING, {})
    known = {frozenset[StreamKind](): 0.9}
    for by_streams, reason in (
        (known, "the streams HCI was not measured together"),
        (known | {frozenset({StreamKind.HCI}): 0.3}, "measured with other weights of the decoder"),
    ):
        monkeypatch.setattr("semlink.client.protection.load_importance", lambda found=by_streams: Importance(found))
        chosen = transfer_protected(session, picture_png, send, channel, RECEIVE, protect=Protect.AUTO).protection
        assert reason in chosen.reason


def test_notes_on_the_picture_are_given_once():
    deep = io.BytesIO()
    Image.fromarray(np.linspace(0, 65535, 64 * 64).astype(np.uint16).reshape(64, 64)).save(deep, "PNG")
    send, channel = settings_of("hci-learned", 300), channel_settings(FADING, {})
    notes = transfer_protected(LocalSession(), deep.getvalue(), send, channel, RECEIVE, protect=Protect.AUTO).sent.notes
    assert len(notes) == len(set(notes)) == 1


def test_a_decoder_that_there_is_not_is_refused_before_the_encoding(picture_png):
    counting, wrong = CountingSession(LocalSession()), receiver_pb2.ReceiveSettings(decoder="no")
    with pytest.raises(UnknownNameError):
        transfer_protected(
            counting, picture_png, settings_of("hci", 300), channel_settings(FADING, {}), wrong, protect=Protect.AUTO
        )
    assert counting.encoded == 0
