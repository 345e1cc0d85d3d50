"""Settings as messages, from options of a command or of the Python API."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from shared.errors import ConfigError, InputError
from shared.files import read_file
from shared.rpc.semlink.v1 import channel_pb2, sender_pb2
from shared.rpc.wire import make_message
from shared.yaml_text import MAX_CHARS, split_change, yaml_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from semlink._inputs import ChannelInput

FILE_ENDINGS = (".yaml", ".yml")


def send_settings(
    codec: str,
    max_bytes: int,
    *,
    caption: str | None,
    tokens: int | None,
    latent_channels: int | None,
    trade_off: tuple[float, float] | None,
    packet_bytes: int = 0,
    expected_loss: float | None = None,
    captioner: str = "",
) -> sender_pb2.SendSettings:
    """Return the settings with which the sender encodes one picture.

    None leaves the choice to the sender: a generated caption, the codec's own numbers, no ``trade_off`` (alpha, beta),
    no expected loss of packets. ``captioner`` names a model profile; "": the captioner that ships.

    Raises:
        ConfigError: a value does not fit its field.
    """
    chosen = {
        "caption": caption,
        "tokens": tokens,
        "latent_channels": latent_channels,
        "expected_loss": expected_loss,
    }
    settings = make_message(
        sender_pb2.SendSettings,
        codec=codec,
        max_bytes=max_bytes,
        packet_bytes=packet_bytes,
        captioner=captioner,
        **{name: value for name, value in chosen.items() if value is not None},
    )
    if trade_off is not None:
        settings.trade_off.CopyFrom(sender_pb2.TradeOff(alpha=trade_off[0], beta=trade_off[1]))
    return settings


def channel_settings(
    channel: ChannelInput, options: Mapping[str, Any], changes: Sequence[str] = (), **run: Any
) -> channel_pb2.ChannelSettings:
    """Return the settings of a transmission over ``channel``: a name, a file that ends in ``.yaml``, or a mapping.

    Args:
        channel: the profile.
        options: changed settings of the profile by dotted name; None for one that stays.
        changes: more changed settings as ``SETTING=VALUE``; they take precedence over ``options``.
        **run: further fields of the message.

    Raises:
        InputError: the file cannot be read, or is not text.
        ConfigError: a change has no ``=``, or a number does not fit its field.
    """
    given = "a mapping" if isinstance(channel, Mapping) else str(channel)
    settings = make_message(channel_pb2.ChannelSettings, profile=given, **run)
    if isinstance(channel, Mapping):
        settings.profile_yaml = _to_yaml("channel", channel)
    elif given.endswith(FILE_ENDINGS):
        settings.profile_yaml = read_profile(Path(given))
    for name, value in options.items():
        if not isinstance(name, str):
            raise ConfigError(f"setting {name!r}: give the dotted name of a setting, such as 'propagation.speed_m_s'")
        if value is not None:
            text = value if name == "mcs" and isinstance(value, str) else _to_yaml(name, value)
            _add_change(settings, name, text)
    for change in changes:
        _add_change(settings, *split_change(change))
    return settings


def _add_change(settings: channel_pb2.ChannelSettings, name: str, text: str) -> None:
    try:
        settings.changes[name] = text
    except ValueError as error:
        raise ConfigError(f"{name} = {text}: holds bytes that are not UTF-8; write it in UTF-8") from error


def _to_yaml(name: str, value: Any) -> str:
    """Return ``value`` as YAML: numbers, also NumPy's, text, lists, and mappings as blocks.

    Raises:
        ConfigError: it is something else.
    """
    plain = _to_plain(value)
    try:
        return yaml.safe_dump(plain) if isinstance(plain, dict) else yaml_text(plain)
    except yaml.YAMLError as error:
        kind = type(value).__name__
        raise ConfigError(f"{name} = {str(value)[:60]!r}: a {kind} is not a setting; give a number or text") from error


def _to_plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _to_plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_to_plain(one) for one in value]
    if isinstance(value, Path):
        return str(value)
    return value.item() if hasattr(value, "item") and getattr(value, "ndim", 1) == 0 else value


def read_profile(path: Path) -> str:
    """Return the YAML text in the file of a profile.

    Raises:
        InputError: the file cannot be read, is not UTF-8 text, or is too long or empty.
    """
    try:
        text = read_file(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not text: a channel profile is a YAML file in UTF-8") from error
    if len(text) > MAX_CHARS:
        raise InputError(f"{path} has {len(text)} characters: a channel profile has at most {MAX_CHARS}")
    if not text.strip():
        raise InputError(f"{path} is empty: write a profile, with settings as 'semlink channels awgn' shows them")
    return text
