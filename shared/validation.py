"""Turns pydantic's report on a settings model into the one-line ``ConfigError`` that a user reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from shared.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_VALUE_CHARS = 60

Model = TypeVar("Model", bound=BaseModel)


def checked(model: type[Model], values: Mapping[str, Any]) -> Model:
    """Return ``model`` filled with ``values``.

    Raises:
        ConfigError: one line naming field, value and rule of the first setting outside its rule.
    """
    try:
        return model.model_validate(dict(values))
    except ValidationError as exc:
        raise config_error(exc) from None


def config_error(exc: ValidationError) -> ConfigError:
    """Return ``exc`` as a ``ConfigError`` whose one line names field, value and rule of the first fault."""
    first, *others = exc.errors(include_url=False, include_context=False)
    field = ".".join(str(part) for part in first["loc"]) or exc.title
    rule = first["msg"].removeprefix("Value error, ")
    rule = rule[:1].lower() + rule[1:] if rule[1:2].islower() else rule
    more = f" (and {len(others)} more)" if others else ""
    if first["type"] == "missing":
        return ConfigError(f"{field} is missing: {rule}{more}")
    return ConfigError(f"{field} = {short_repr(first['input'])}: {rule}{more}")


def short_repr(value: object) -> str:
    """Return ``repr(value)`` on one line of at most ``MAX_VALUE_CHARS`` characters."""
    text = " ".join(repr(value).split())
    return text if len(text) <= MAX_VALUE_CHARS else text[: MAX_VALUE_CHARS - 1] + "…"
