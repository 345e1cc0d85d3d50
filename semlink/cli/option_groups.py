"""Groups of options: a command takes a dataclass whose fields are options, and typer shows the options."""

from __future__ import annotations

import functools
import inspect
from copy import copy
from dataclasses import MISSING, fields, is_dataclass
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_type_hints

import typer

from shared.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Command = Callable[..., None]


def expand_groups(command: Command) -> Command:
    """Return ``command`` with each parameter that is a group replaced by the options of the group.

    A group may hold other groups. Its options stand under the heading ``PANEL`` of its class in the help text.

    >>> from inspect import signature
    >>> from semlink.cli.options import ServiceOptions
    >>> def demo(services: ServiceOptions, seed: int = 0) -> None: ...
    >>> list(signature(expand_groups(demo)).parameters)
    ['sender', 'channel_at', 'receiver', 'seed']
    """
    hints = get_type_hints(command, include_extras=True)
    own = inspect.signature(command).parameters
    parameters: list[inspect.Parameter] = []
    for name, parameter in own.items():
        if is_dataclass(hints[name]):
            parameters.extend(_parameters_of(hints[name]))
        else:
            parameters.append(parameter.replace(annotation=hints[name], kind=parameter.KEYWORD_ONLY))

    @functools.wraps(command)
    def run(**values: Any) -> None:
        for parameter in parameters:
            _require_text(parameter, values[parameter.name])
        command(**{name: _build(hints[name], values) if is_dataclass(hints[name]) else values[name] for name in own})

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _require_text(parameter: inspect.Parameter, value: Any) -> None:
    """Check that the value of an option is Unicode text. Names of files need not be.

    Raises:
        ConfigError: it holds bytes that are not UTF-8.
    """
    for text in value if isinstance(value, list) else [value]:
        if isinstance(text, str) and any("\ud800" <= character <= "\udfff" for character in text):
            _, option = get_args(parameter.annotation)
            given = (option.default, *(option.param_decls or ()))  # typer.Option("--set") takes its name for a default
            is_argument = isinstance(option, typer.models.ArgumentInfo)
            own = option.metavar if is_argument else f"--{parameter.name.replace('_', '-')}"
            name = next((one for one in given if str(one).startswith("--")), own)
            raise ConfigError(f"{name} {text}: holds bytes that are not UTF-8; write it in UTF-8")


def _parameters_of(group: Any) -> Iterator[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    for field in fields(group):
        if is_dataclass(hints[field.name]):
            yield from _parameters_of(hints[field.name])
            continue
        kind, shared_option = get_args(hints[field.name])
        option = copy(shared_option)
        option.rich_help_panel = group.PANEL
        default = inspect.Parameter.empty if field.default is MISSING else field.default
        yield inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option]
        )


def _build(group: Any, values: Mapping[str, Any]) -> Any:
    hints = get_type_hints(group)
    return group(
        **{
            field.name: _build(hints[field.name], values) if is_dataclass(hints[field.name]) else values[field.name]
            for field in fields(group)
        }
    )
