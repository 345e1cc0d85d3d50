"""Unequal protection of a transfer: the same in one process and over services, and the picture is encoded once."""

from __future__ import annotations

from semlink.client.addresses import Addresses
from semlink.client.protected import protect_unequally, transfer_unequally
from semlink.client.session import RemoteSession
from semlink.client.settings import channel_settings, send_settings
from semlink.pipeline.session import LocalSession
from shared.bitstream import Bitstream
from shared.rpc.semlink.v1 import receiver_pb2
from shared.streams import StreamKind


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


def send_plain_and_protected(session, picture):
    """Return the transfer with the profile's protection, the one with unequal protection, and the pictures encoded."""
    counting = CountingSession(session)
    send = send_settings("hci", 300, caption=None, tokens=None, latent_channels=None, trade_off=None, packet_bytes=64)
    channel = channel_settings("rayleigh", {"snr_db": 12.0}, run_seed=3)
    receive = receiver_pb2.ReceiveSettings(decoder="hci")
    try:
        plain = counting.transfer(picture, send, channel, receive)
        return plain, transfer_unequally(counting, picture, send, channel, receive), counting.encoded
    finally:
        session.close()


def test_slices_are_made_for_the_predicted_loss_and_the_base_is_protected_with_them(picture_png):
    session = CountingSession(LocalSession())
    send = send_settings("resilient", 500, caption="", tokens=None, latent_channels=None, trade_off=None)
    channel = channel_settings("rayleigh", {"snr_db": 6.0, "mcs": 6}, run_seed=3)
    plain = session.transfer(picture_png, send, channel, receiver_pb2.ReceiveSettings(decoder="hci"))
    sent = transfer_unequally(session, picture_png, send, channel, receiver_pb2.ReceiveSettings(decoder="hci"))
    assert sent.sent.container == plain.sent.container
    bitstream = Bitstream.unpack(sent.sent.container)
    assert {one.kind: len(one.units) for one in bitstream.streams} == {StreamKind.HCI: 6, StreamKind.BASE: 1}
    assert sent.link.channel_uses <= plain.link.channel_uses
    changes = protect_unequally(session, bitstream, 0, channel).changes
    for setting in ("mcs", "repair_overhead"):
        assert changes[f"protection.BASE.{setting}"] == changes[f"protection.HCI.{setting}"]


def test_a_picture_is_encoded_once_and_protected_alike_in_process_and_over_services(picture_png):
    results = []
    for session in (LocalSession(), RemoteSession(Addresses())):
        plain, protected, encoded = send_plain_and_protected(session, picture_png)
        assert encoded == 2
        assert protected.sent.container == plain.sent.container
        assert protected.sent.repair_packets > 0
        assert 0 < protected.link.channel_uses <= plain.link.channel_uses
        assert protected.received.report.rebuilt
        results.append((protected.link, protected.received.png))
    assert results[0] == results[1]
