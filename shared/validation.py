"""Turns pydantic's report on a settings model into the one-line ``ConfigError`` that a user reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from shared.errors import ConfigError
from shared.units import unit_of

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_VALUE_CHARS = 60

Model = TypeVar("Model", bound=BaseModel)


def checked(model: type[Model], values: Mapping[str, Any], within: str = "") -> Model:
    """Return ``model`` filled with ``values``; ``within`` is the setting that holds them, if one does.

    Raises:
        ConfigError: one line naming field, value and rule of the first setting outside its rule.
    """
    try:
        return model.model_validate(dict(values))
    except ValidationError as exc:
        raise config_error(exc, within) from None


def config_error(exc: ValidationError, within: str = "") -> ConfigError:
    """Return ``exc`` as a ``ConfigError`` whose one line names field, value, unit and rule of the first fault."""
    first, *others = exc.errors(include_url=False, include_context=False)
    field = ".".join(str(part) for part in (within, *first["loc"]) if part not in ("", "[key]"))
    rule = first["msg"].removeprefix("Value error, ")
    rule = rule[:1].lower() + rule[1:] if rule[1:2].islower() else rule
    more = f" (and {len(others)} more)" if others else ""
    if not first["loc"]:  # a rule about several settings, which it names
        return ConfigError(f"{within and f'{within}: '}{rule}{more}")
    if first["type"] == "missing":
        return ConfigError(f"{field} is missing: {rule}{more}")
    unit = unit_of(field) if isinstance(first["input"], int | float) else ""
    return ConfigError(f"{field} = {short_repr(first['input'])}{unit and f' {unit}'}: {rule}{more}")


def short_repr(value: object) -> str:
    """Return ``repr(value)`` on one line of at most ``MAX_VALUE_CHARS`` characters."""
    text = " ".join(repr(value).split())
    return text if len(text) <= MAX_VALUE_CHARS else text[: MAX_VALUE_CHARS - 1] + "…"
