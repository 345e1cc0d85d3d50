"""Rules for values that users give: the base class of all settings, and checks of single numbers."""

from __future__ import annotations

import math

from pydantic import BaseModel, ConfigDict

from shared.errors import ConfigError


class Settings(BaseModel):
    """Base of all settings of the channel: immutable, no unknown fields, no type coercion, finite numbers only."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def check_in_range(field: str, value: float, low: float, high: float) -> float:
    """Return ``value`` if it is finite and from ``low`` to ``high``.

    Raises:
        ConfigError: it is not; the message names field, value and rule.
    """
    if not (math.isfinite(value) and low <= value <= high):
        raise ConfigError(f"{field} = {value!r}: must be a finite number from {low:g} to {high:g}")
    return value


def check_positive(field: str, value: float) -> float:
    """Return ``value`` if it is finite and above 0.

    Raises:
        ConfigError: it is not; the message names field, value and rule.
    """
    if not (math.isfinite(value) and value > 0):
        raise ConfigError(f"{field} = {value!r}: must be a finite number greater than 0")
    return value


def check_not_negative(field: str, value: float) -> float:
    """Return ``value`` if it is finite and at least 0.

    Raises:
        ConfigError: it is not; the message names field, value and rule.
    """
    if not (math.isfinite(value) and value >= 0):
        raise ConfigError(f"{field} = {value!r}: must be a finite number of at least 0")
    return value
