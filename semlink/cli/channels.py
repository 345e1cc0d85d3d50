"""Channels as a person names them: a name or a file, with changes; and the commands that list and show them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from semlink.cli.output import contact_summary, message_fields, print_json, print_table
from semlink.client.session import open_session

if TYPE_CHECKING:
    from semlink.client.addresses import Addresses
    from shared.rpc.semlink.v1 import channel_pb2


def list_channels(*, addresses: Addresses, timeout_s: float, as_json: bool) -> None:
    """Print the channels that the service knows by name."""
    with open_session(addresses, timeout_s=timeout_s) as session:
        known = session.channels().channels
    if as_json:
        print_json([{"name": one.name, "summary": one.summary, "fault": one.fault or None} for one in known])
        return
    rows = [[one.name, f"cannot be used: {one.fault}" if one.fault else one.summary] for one in known]
    print_table("Channels; 'semlink channels NAME' shows one", ["name", "what it is"], rows, left=True)


def show_channel(
    settings: channel_pb2.ChannelSettings, *, addresses: Addresses, timeout_s: float, as_json: bool
) -> None:
    """Print one channel: its settings with their units, and what they come to."""
    with open_session(addresses, timeout_s=timeout_s) as session:
        shown = session.describe(settings)
    if as_json:
        print_json(
            {
                "name": shown.name,
                "summary": shown.summary,
                "settings": {one.name: {"value": one.value, "unit": one.unit} for one in shown.parameters},
                "mcs": shown.mcs,
                "es_n0_db": shown.es_n0_db,
                "eb_n0_db": shown.eb_n0_db,
                "contact": message_fields(shown.contact) if shown.HasField("contact") else None,
            }
        )
        return
    rows = [[one.name, one.value, one.unit] for one in shown.parameters]
    print_table(f"{shown.name}: {shown.summary}", ["setting", "value", "unit"], rows, left=True)
    if shown.HasField("contact"):
        print_table("Contact", ["", ""], contact_summary(shown.contact), left=True)
        lines = [[line.name, f"{line.value:z.3f}", line.unit, line.how] for line in shown.contact.budget]
        print_table("Link budget", ["line", "value", "unit", "how"], lines, left=True)
    print(f"comes to MCS {shown.mcs} at Es/N0 {shown.es_n0_db:.2f} dB, Eb/N0 {shown.eb_n0_db:.2f} dB")
