"""``semlink channels``: the channels by name, or one channel with its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from semlink.cli.options import ChannelAddress, Json, ProfileOptions, Timeout
from semlink.cli.output import print_json, print_table
from semlink.cli.report_text import describe_snr, message_to_dict, summarise_contact
from semlink.client.addresses import Addresses
from semlink.client.session import open_session
from shared.errors import ConfigError
from shared.rpc.limits import DEFAULT_TIMEOUT_S

if TYPE_CHECKING:
    from semlink.client.session import Session
    from shared.rpc.semlink.v1 import channel_pb2


def channels(
    name: Annotated[
        str,
        typer.Argument(help="Channel to show: a name, or a YAML file.", metavar="NAME|FILE.yaml", show_default=False),
    ] = "",
    *,
    options: ProfileOptions,
    channel_at: ChannelAddress = "",
    timeout: Timeout = DEFAULT_TIMEOUT_S,
    as_json: Json = False,
) -> None:
    """List the channels, or show the settings of one; for deep space, also its contact and link budget."""
    if options.given and not name:
        raise ConfigError("settings need a channel to change: semlink channels NAME --set SETTING=VALUE")
    settings = options.settings(name) if name else None
    with open_session(Addresses(channel=channel_at), timeout_s=timeout) as session:
        if settings is None:
            _list_channels(session, as_json=as_json)
        else:
            _show_channel(session.describe(settings), as_json=as_json)


def _list_channels(session: Session, *, as_json: bool) -> None:
    known = session.channels().channels
    if as_json:
        print_json([{"name": one.name, "summary": one.summary, "fault": one.fault or None} for one in known])
        return
    rows = [[one.name, f"cannot be used: {one.fault}" if one.fault else one.summary] for one in known]
    print_table("Channels; 'semlink channels NAME' shows one", ["name", "what it is"], rows, left=True)


def _show_channel(channel: channel_pb2.DescribeChannelResponse, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "name": channel.name,
                "summary": channel.summary,
                "settings": {one.name: {"value": one.value, "unit": one.unit} for one in channel.parameters},
                "mcs": channel.mcs,
                "es_n0_db": channel.es_n0_db,
                "eb_n0_db": channel.eb_n0_db,
                "eb_n0_on_air_db": channel.eb_n0_on_air_db,
                "contact": message_to_dict(channel.contact) if channel.HasField("contact") else None,
            }
        )
        return
    rows = [[one.name, one.value, one.unit] for one in channel.parameters]
    print_table(f"{channel.name}: {channel.summary}", ["setting", "value", "unit"], rows, left=True)
    if channel.HasField("contact"):
        print_table("Contact", ["", ""], summarise_contact(channel.contact), left=True)
        lines = [[line.name, f"{line.value:z.3f}", line.unit, line.how] for line in channel.contact.budget]
        print_table("Link budget", ["line", "value", "unit", "how"], lines, left=True)
    print(f"MCS {channel.mcs} at Es/N0, Eb/N0 {describe_snr(channel)}")
