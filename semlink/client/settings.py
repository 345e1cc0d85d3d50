"""From options of a command or of the Python API to settings of the wire contract."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from shared.errors import ConfigError, InputError
from shared.files import read_file
from shared.rpc.semlink.v1 import channel_pb2, sender_pb2
from shared.rpc.wire import wire_message
from shared.yaml_text import MAX_CHARS, yaml_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from semlink._inputs import ChannelInput

FILE_ENDINGS = (".yaml", ".yml")


def send_settings(
    codec: str,
    budget_bytes: int,
    *,
    caption: str | None,
    tokens: int | None,
    planes: int | None,
    trade_off: str,
    packet_bytes: int = 0,
) -> sender_pb2.SendSettings:
    """Return settings of one picture; what is None stays unset: the captioner's sentence, the codec's own numbers.

    ``trade_off`` is ALPHA:BETA; the empty one is none.

    Raises:
        ConfigError: a value that its field cannot hold, or weights that are no two numbers.
    """
    chosen = {"caption": caption, "tokens": tokens, "planes": planes}
    settings = wire_message(
        sender_pb2.SendSettings,
        codec=codec,
        budget_bytes=budget_bytes,
        packet_bytes=packet_bytes,
        **{name: value for name, value in chosen.items() if value is not None},
    )
    if trade_off:
        settings.trade_off.CopyFrom(_trade_off_in(trade_off))
    return settings


def _trade_off_in(text: str) -> sender_pb2.TradeOff:
    alpha, _, beta = text.partition(":")
    try:
        return sender_pb2.TradeOff(alpha=float(alpha), beta=float(beta))
    except ValueError:
        raise ConfigError(f"--trade-off {text}: give two numbers with a colon between, as 1:0.001") from None


def channel_settings(
    channel: ChannelInput, options: Mapping[str, Any], changes: Sequence[str] = (), **run: Any
) -> channel_pb2.ChannelSettings:
    """Return the settings of a transmission over ``channel``: a name, a file that ends in ``.yaml``, or a mapping.

    ``options`` holds settings of the profile by dotted name, None for those that stay as they are; ``changes`` holds
    more of them as ``SETTING=VALUE`` texts, which come last. ``run`` are fields of the message.

    Raises:
        InputError: the file cannot be read, or is no text.
        ConfigError: a change without ``=``, or a number that its field cannot hold.
    """
    given = "a mapping" if isinstance(channel, Mapping) else str(channel)
    settings = wire_message(channel_pb2.ChannelSettings, profile=given, **run)
    if isinstance(channel, Mapping):
        settings.profile_yaml = yaml.safe_dump(dict(channel))
    elif given.endswith(FILE_ENDINGS):
        settings.profile_yaml = profile_text(Path(given))
    settings.changes.update(
        {name: value if name == "mcs" else yaml_text(value) for name, value in options.items() if value is not None}
    )
    for change in changes:
        name, equals, value = change.partition("=")
        if not (equals and name.strip()):
            raise ConfigError(f"--set {change}: write SETTING=VALUE, as propagation.speed_m_s=30")
        settings.changes[name.strip()] = value
    return settings


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
