"""Finds channel profiles: those that ship, those of installed packages, and YAML documents of users."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from channel.plugins import CHANNELS, describe_plugin, load_plugin, one_line, plugin_names
from channel.profile.profile import Profile
from shared.errors import ConfigError, LinkError, SetupError, UnknownNameError
from shared.validation import short_repr, validate
from shared.yaml_text import yaml_mapping, yaml_value

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_CHANNEL: Final = "awgn"
_ENDING: Final = ".yaml"


def channel_names() -> list[str]:
    """Return the names of all channels: first those that ship, then those that installed packages add."""
    shipped = sorted(
        entry.name.removesuffix(_ENDING) for entry in _data_folder().iterdir() if entry.name.endswith(_ENDING)
    )
    return [*shipped, *(name for name in plugin_names(CHANNELS) if name not in shipped)]


def load_profile(name: str, changes: Mapping[str, str] | None = None) -> Profile:
    """Return the channel called ``name``, with ``changes`` (dotted setting to YAML value) made to it.

    Raises:
        UnknownNameError: there is no such channel, propagation, body or station.
        ConfigError: a setting is outside its rule.
        SetupError: the package that adds the channel is broken.
    """
    return parse_profile(_read_profile_text(name), f"channel '{name}'", changes)


def parse_profile(text: str, what: str, changes: Mapping[str, str] | None = None) -> Profile:
    """Return the profile in a YAML document, with ``changes`` made to it; ``what`` names the document in messages.

    A document may begin with ``extends``: the name of a channel, or a list of names. Its settings are laid over theirs.

    Raises:
        UnknownNameError, ConfigError, SetupError: as ``load_profile``.
    """
    document = _read_document(text, what, ())
    _check_deep_space(document, what, changes or {})
    for setting, value in (changes or {}).items():
        _set_value(document, setting, yaml_value(value, setting))
    return validate(Profile, document)


def _read_document(text: str, what: str, within: tuple[str, ...]) -> dict[str, Any]:
    """Return the settings of a YAML document, laid over those of the channels that its ``extends`` names.

    ``within`` are the channels whose ``extends`` led here.
    """
    document = yaml_mapping(text, what)
    named = document.pop("extends", [])
    names = [named] if isinstance(named, str) else named
    if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise ConfigError(f"extends = {short_repr(named)}: give the name of a channel, or a list of names")
    whole: dict[str, Any] = {}
    for name in names:
        if name in within:
            raise ConfigError(f"extends = {short_repr(name)}: {what} extends itself by way of {', '.join(within)}")
        whole = _lay_over(whole, _read_document(_read_profile_text(name), f"channel '{name}'", (*within, name)))
    return _lay_over(whole, document)


def _lay_over(under: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``under`` with the settings of ``over``; groups merge, but a propagation of another kind replaces."""
    merged = dict(under)
    for name, value in over.items():
        held = merged.get(name)
        if (
            isinstance(held, dict)
            and isinstance(value, dict)
            and value.get("kind", held.get("kind")) == held.get("kind")
        ):
            merged[name] = _lay_over(held, value)
        else:
            merged[name] = value
    return merged


def _read_profile_text(name: str) -> str:
    """Return the YAML of a channel by its name."""
    if name in channel_names():
        shipped = _data_folder() / f"{name}{_ENDING}"
        return shipped.read_text(encoding="utf-8") if shipped.is_file() else _read_plugin_text(name)
    raise UnknownNameError(
        f"unknown channel '{name}'; known are {', '.join(channel_names())}; "
        f"for a file give a name that ends in {_ENDING}"
    )


def _read_plugin_text(name: str) -> str:
    function = load_plugin(CHANNELS, name)
    try:
        text = function() if callable(function) else None
    except LinkError:
        raise
    except Exception as error:
        raise SetupError(f"{describe_plugin(CHANNELS, name)} fails: {one_line(error)}") from error
    if not isinstance(text, str):
        raise SetupError(
            f"{describe_plugin(CHANNELS, name)} must be a function without arguments that returns YAML text"
        )
    return text


def _check_deep_space(document: Mapping[str, Any], what: str, changes: Mapping[str, str]) -> None:
    """Check that changes of deep-space settings have a body: the profile's, or one among the changes."""
    changed = [setting for setting in changes if setting.startswith("deep_space.")]
    if changed and not document.get("deep_space") and "deep_space.body" not in changed:
        raise ConfigError(
            f"{changed[0]} = {changes[changed[0]]}: {what} is not a deep-space link; "
            "use --channel deep-space, or give deep_space.body and deep_space.date too"
        )


def _set_value(document: dict[str, Any], setting: str, value: Any) -> None:
    """Set the value at a dotted name, adding mappings where they are missing."""
    *path, last = setting.split(".")
    for part in path:
        if document.get(part) is None:
            document[part] = {}
        document = document[part]
        if not isinstance(document, dict):
            raise ConfigError(
                f"{setting}: {part} is a value, not a group of settings; semlink channels NAME lists the settings"
            )
    document[last] = value


def _data_folder() -> Any:
    return files("channel.profile") / "data"
