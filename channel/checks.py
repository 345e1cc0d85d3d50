"""The rule for numbers that users give outside a settings model."""

from __future__ import annotations

import math

from shared.errors import ConfigError


def in_range(field: str, value: float, low: float, high: float) -> float:
    """Return ``value`` if it is finite and within [low, high]; raises ``ConfigError`` naming field, value and rule."""
    if not (math.isfinite(value) and low <= value <= high):
        raise ConfigError(f"{field} = {value!r}: must be a finite number from {low:g} to {high:g}")
    return value


def positive(field: str, value: float) -> float:
    """Return ``value`` if it is finite and above 0; raises ``ConfigError`` naming field, value and rule."""
    if not (math.isfinite(value) and value > 0):
        raise ConfigError(f"{field} = {value!r}: must be a finite number greater than 0")
    return value
