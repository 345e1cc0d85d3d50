"""From the name of a kind of propagation to its settings, and from settings to a channel model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import BeforeValidator, SerializeAsAny

from channel.plugins import PROPAGATIONS, describe_plugin, load_plugin, plugin_names
from channel.propagation.base import PropagationKind, PropagationSettings
from channel.propagation.impulse import ImpulseSettings
from channel.propagation.kinds import Awgn, BlockFading, Rayleigh, Rician, Tdl
from channel.propagation.trace import TraceSettings
from shared.errors import ConfigError, SetupError, UnknownNameError
from shared.validation import short_repr, validate

if TYPE_CHECKING:
    from channel.propagation.base import ChannelModel


def _build_awgn(settings: Awgn, variance: float, symbol_rate_hz: float) -> ChannelModel:
    del settings, symbol_rate_hz
    from channel.propagation.awgn import AwgnChannel  # noqa: PLC0415 - imports torch, seconds

    return AwgnChannel(variance)


def _build_block_fading(settings: BlockFading, variance: float, symbol_rate_hz: float) -> ChannelModel:
    from channel.propagation.fading import FlatFadingChannel  # noqa: PLC0415 - imports torch, seconds

    return FlatFadingChannel(settings, variance, symbol_rate_hz)


def _build_tdl(settings: Tdl, variance: float, symbol_rate_hz: float) -> ChannelModel:
    from channel.propagation.ofdm import OfdmChannel  # noqa: PLC0415 - imports torch, seconds

    return OfdmChannel(settings, variance, symbol_rate_hz)


def _build_trace(settings: TraceSettings, variance: float, symbol_rate_hz: float) -> ChannelModel:
    del symbol_rate_hz
    from channel.propagation.trace_channel import TraceChannel  # noqa: PLC0415 - imports torch, seconds

    return TraceChannel(settings, variance)


def _build_impulse(settings: ImpulseSettings, variance: float, symbol_rate_hz: float) -> ChannelModel:
    from channel.propagation.impulse_channel import ImpulseChannel  # noqa: PLC0415 - imports torch, seconds

    return ImpulseChannel(settings, variance, symbol_rate_hz)


_BUILT_IN: Final = {
    "awgn": PropagationKind(Awgn, _build_awgn),
    "rayleigh": PropagationKind(Rayleigh, _build_block_fading),
    "rician": PropagationKind(Rician, _build_block_fading),
    "tdl": PropagationKind(Tdl, _build_tdl),
    "impulse": PropagationKind(ImpulseSettings, _build_impulse),
    "trace": PropagationKind(TraceSettings, _build_trace),
}


def find_kind(name: object) -> PropagationKind:
    """Return the kind of propagation called ``name``: one that ships, or one that an installed package adds.

    Raises:
        UnknownNameError: no such kind.
        SetupError: the package that adds it is broken.
    """
    found = (_BUILT_IN.get(name) or load_plugin(PROPAGATIONS, name)) if isinstance(name, str) else None
    if found is None:
        known = ", ".join([*_BUILT_IN, *plugin_names(PROPAGATIONS)])
        raise UnknownNameError(f"propagation.kind = {short_repr(name)}: must be one of {known}")
    if not isinstance(found, PropagationKind):
        raise SetupError(
            f"{describe_plugin(PROPAGATIONS, str(name))} is not a channel.propagation.base.PropagationKind: update the "
            "package, or remove it"
        )
    return found


def read_propagation(value: Any) -> PropagationSettings:
    """Return the settings that ``value``, a mapping with a ``kind``, holds; settings are returned as they are.

    Raises:
        UnknownNameError, SetupError: as ``find_kind``.
        ConfigError: ``value`` is not a mapping, or a parameter is outside its rule.
    """
    if isinstance(value, PropagationSettings):
        return value
    if not isinstance(value, dict):
        raise ConfigError(f"propagation = {short_repr(value)}: give a mapping with a kind, as {{kind: awgn}}")
    return validate(find_kind(value.get("kind")).settings, value, "propagation")


def build_channel_model(settings: PropagationSettings, variance: float, symbol_rate_hz: float) -> ChannelModel:
    """Return the channel model for ``settings``, with noise of ``variance`` per complex symbol.

    Raises:
        UnknownNameError, SetupError: as ``find_kind``.
    """
    return find_kind(settings.kind).build(settings, variance, symbol_rate_hz)


Propagation = Annotated[SerializeAsAny[PropagationSettings], BeforeValidator(read_propagation)]
"""Type of a settings field that holds any kind of propagation."""
