"""Channels as a person names them: a name or a file, with changes; and the commands that list and show them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from semlink.cli.files import read_file
from semlink.cli.output import contact_summary, message_fields, print_json, print_table
from semlink.client.session import open_session
from shared.errors import ConfigError, InputError
from shared.rpc.semlink.v1 import channel_pb2
from shared.rpc.wire import wire_message
from shared.yaml_text import MAX_CHARS, yaml_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from semlink.client.addresses import Addresses

FILE_ENDINGS = (".yaml", ".yml")


def channel_settings(
    channel: str, options: Mapping[str, Any], changes: Sequence[str] = (), **run: Any
) -> channel_pb2.ChannelSettings:
    """Return the settings of a transmission over ``channel``, a name or a file that ends in ``.yaml``.

    ``options`` holds settings of the profile by dotted name, None for those that stay as they are; ``changes`` holds
    more of them as ``SETTING=VALUE`` texts, which come last. ``run`` are fields of the message.

    Raises:
        InputError: the file cannot be read, or is no text.
        ConfigError: a change without ``=``, or a number that its field cannot hold.
    """
    settings = wire_message(channel_pb2.ChannelSettings, profile=channel, **run)
    if channel.endswith(FILE_ENDINGS):
        settings.profile_yaml = profile_text(Path(channel))
    settings.changes.update(
        {name: value if name == "mcs" else yaml_text(value) for name, value in options.items() if value is not None}
    )
    for change in changes:
        name, equals, value = change.partition("=")
        if not (equals and name.strip()):
            raise ConfigError(f"--set {change}: write SETTING=VALUE, as propagation.speed_m_s=30")
        settings.changes[name.strip()] = value
    return settings


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


def profile_text(path: Path) -> str:
    """Return the YAML text of a profile's file.

    Raises:
        InputError: it cannot be read, is no text, too long or empty.
    """
    try:
        text = read_file(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no text: a channel profile is a YAML file in UTF-8") from error
    if len(text) > MAX_CHARS:
        raise InputError(f"{path} has {len(text)} characters: a channel profile has at most {MAX_CHARS}")
    if not text.strip():
        raise InputError(f"{path} is empty: write a profile as 'semlink channels awgn' shows one")
    return text
