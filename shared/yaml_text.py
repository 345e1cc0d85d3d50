"""Reads and writes settings as YAML.

Scalars follow the core schema of YAML 1.2 (section 10.3.2): ``1e6`` is a number, ``2026-03-01`` and ``no`` are text.
PyYAML alone follows YAML 1.1, where they are text, a date and false. Aliases, tags and duplicate keys are errors, so
that a small document cannot expand into a large one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import yaml

from shared.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_CHARS: Final = 64 * 1024
MAX_DEPTH: Final = 20

_PREFIX: Final = "tag:yaml.org,2002:"
_SCALARS: Final = {
    "null": re.compile(r"~|null|Null|NULL|", re.ASCII),
    "bool": re.compile(r"true|True|TRUE|false|False|FALSE", re.ASCII),
    "int": re.compile(r"[-+]?[0-9]{1,400}", re.ASCII),
    "float": re.compile(
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", re.ASCII
    ),
}


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML is untyped
    """PyYAML's safe loader with the core schema."""

    yaml_implicit_resolvers: dict[str | None, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - as in PyYAML
    depth = 0

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: tuple[bool, bool]) -> str:
        """Return the tag of a node that has none of its own."""
        if kind is yaml.ScalarNode and implicit[0]:
            return _PREFIX + next((name for name, pattern in _SCALARS.items() if pattern.fullmatch(value)), "str")
        return _PREFIX + {yaml.ScalarNode: "str", yaml.SequenceNode: "seq"}.get(kind, "map")

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Return the next node; fail if it is an alias, has a tag, or is nested too deep."""
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent):
            raise yaml.MarkedYAMLError(problem="aliases are not allowed", problem_mark=event.start_mark)
        if getattr(event, "tag", None) is not None:
            raise yaml.MarkedYAMLError(problem=f"the tag {event.tag} is not allowed", problem_mark=event.start_mark)
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise yaml.MarkedYAMLError(problem=f"nested deeper than {MAX_DEPTH}", problem_mark=event.start_mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str) or key in values:
            problem = "appears twice" if isinstance(key, str) else "is not a name"
            raise yaml.MarkedYAMLError(problem=f"key {key!r} {problem}", problem_mark=key_node.start_mark)
        values[key] = loader.construct_object(value_node, deep=True)
    return values


def _sequence(loader: _Loader, node: yaml.SequenceNode) -> list[Any]:
    return [loader.construct_object(item, deep=True) for item in node.value]


def _number(text: str) -> float:
    return float(re.sub(r"\.(?=inf|nan)", "", text.lower()))


_Loader.yaml_constructors = {
    f"{_PREFIX}null": lambda *_: None,
    f"{_PREFIX}bool": lambda _, node: node.value.lower() == "true",
    f"{_PREFIX}int": lambda _, node: int(node.value),
    f"{_PREFIX}float": lambda _, node: _number(node.value),
    f"{_PREFIX}str": lambda _, node: node.value,
    f"{_PREFIX}seq": _sequence,
    f"{_PREFIX}map": _mapping,
}


def yaml_value(text: str, what: str) -> Any:
    """Return the value of a YAML document: null, a boolean, number or text, a list, or a mapping of names.

    ``what`` names the document in messages.

    Raises:
        ConfigError: ``text`` is not YAML of the kind described above, or has more than 64 Ki characters.
    """
    if len(text) > MAX_CHARS:
        raise ConfigError(f"{what} has {len(text)} characters: give at most {MAX_CHARS}")
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - the safe loader, and less than that
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f", line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{what}{place} is not valid: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{what} is not YAML: {' '.join(str(error).split())}") from None


def yaml_mapping(text: str, what: str) -> dict[str, Any]:
    """Return the mapping in a YAML document; an empty document is an empty mapping.

    Raises:
        ConfigError: as ``yaml_value``, or the document is not a mapping.
    """
    value = yaml_value(text, what)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigError(f"{what} is not a mapping: write one setting per line, as snr_db: 5")
    return value


def split_change(text: str) -> tuple[str, str]:
    """Return the dotted name and the value text of a setting that the command changes, as in ``--set mcs=4``.

    Raises:
        ConfigError: ``text`` is not SETTING=VALUE.
    """
    name, equals, value = text.partition("=")
    if not (equals and name.strip()):
        raise ConfigError(f"--set {text}: write SETTING=VALUE, as propagation.speed_m_s=30")
    return name.strip(), value


def yaml_text(value: Mapping[str, Any] | list[Any] | str | float | bool | None) -> str:
    """Return ``value`` as YAML; the exact inverse of ``yaml_value``. A scalar takes one line."""
    text: str = yaml.dump(
        value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120, default_flow_style=None
    )
    return text.removesuffix("...\n").rstrip("\n")


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]  # PyYAML is untyped
    """PyYAML's safe writer. It quotes text that YAML 1.1 or the core schema would read as another type."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write repeated values in full instead of aliases."""
        del data
        return True


def _text(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    plain = value.isprintable() and not any(pattern.fullmatch(value) for pattern in _SCALARS.values())
    return dumper.represent_scalar(f"{_PREFIX}str", value, style=None if plain else '"')


_Dumper.add_representer(str, _text)
