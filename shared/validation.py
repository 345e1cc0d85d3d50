"""Turns a pydantic validation error into a one-line ``ConfigError``."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, Final, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from shared.errors import ConfigError
from shared.units import unit_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MAX_VALUE_CHARS = 60
_UNKNOWN: Final = "extra_forbidden"
_NO_MAPPING: Final = ("model_type", "dict_type", "dataclass_type")

Model = TypeVar("Model", bound=BaseModel)


def validate(model: type[Model], values: Mapping[str, Any], within: str = "") -> Model:
    """Return ``model`` filled with ``values``; ``within`` names the setting that holds them, "" at the top level.

    Raises:
        ConfigError: a setting breaks its rule. The message names field, value and rule of the first one.
    """
    try:
        return model.model_validate(dict(values))
    except ValidationError as exc:
        raise config_error(model, exc, within) from None


def config_error(model: type[BaseModel], exc: ValidationError, within: str = "") -> ConfigError:
    """Return ``exc`` as a ``ConfigError`` of one line: field, value, unit and rule of the first fault.

    Unknown names come first, because a missing setting is often a misspelt one.
    """
    faults = sorted(exc.errors(include_url=False, include_context=False), key=lambda one: one["type"] != _UNKNOWN)
    first, *others = faults
    field = _join_path(within, *first["loc"])
    rule = first["msg"].removeprefix("Value error, ")
    rule = rule[:1].lower() + rule[1:] if rule[1:2].islower() else rule
    more = f" (and {len(others)} more)" if others else ""
    if not first["loc"]:  # a rule about several settings; its message names them
        return ConfigError(f"{within and f'{within}: '}{rule}{more}")
    if first["type"] == _UNKNOWN:
        *path, name = first["loc"]
        known = sorted({one for holder in _models_at(model, path) for one in _names(holder)})
        rule = f"unknown setting; {hint(str(name), known, _join_path(within, *path))}"
    if first["type"] in _NO_MAPPING:
        rule = "must be a mapping of named settings"
    if first["type"] == "missing":
        return ConfigError(f"{field} is missing: give it a value{more}")
    unit = unit_of(field) if isinstance(first["input"], int | float) else ""
    return ConfigError(f"{field} = {short_repr(first['input'])}{unit and f' {unit}'}: {rule}{more}")


def hint(name: str, known: Sequence[str], within: str = "") -> str:
    """Return a hint that suggests the ``known`` name nearest to ``name``, or lists all names if none is near."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {_join_path(within, near[0])}?" if near else f"known are {', '.join(known)}"


def _join_path(*parts: object) -> str:
    return ".".join(str(part) for part in parts if part not in ("", "[key]"))


def _models_at(model: type[BaseModel], path: Sequence[object]) -> list[type[BaseModel]]:
    """Return the models that may be at ``path`` in ``model``. Parts that name no field are positions in a list."""
    found = [model]
    for part in path:
        fields = [one for holder in found if (one := holder.model_fields.get(str(part))) is not None]
        if fields:
            found = [inner for one in fields for inner in _models_in(one.annotation)]
    return found


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)


def _names(model: type[BaseModel]) -> list[str]:
    """Return the names of the fields of ``model`` in a document."""
    return [field.alias or name for name, field in model.model_fields.items()]


def short_repr(value: object) -> str:
    """Return ``repr(value)`` on one line of at most ``MAX_VALUE_CHARS`` characters."""
    return shorten(" ".join(repr(value).split()), MAX_VALUE_CHARS)


def shorten(text: str, most: int) -> str:
    """Return ``text``, cut to ``most`` characters with "…" at the end if it is longer."""
    return text if len(text) <= most else text[: most - 1] + "…"
