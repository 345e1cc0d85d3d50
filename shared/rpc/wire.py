"""Messages made from user input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from shared.errors import ConfigError

if TYPE_CHECKING:
    from google.protobuf.message import Message

M = TypeVar("M", bound="Message")

CALLED = {"run_seed": "seed"}
"""Fields that commands and the Python API call by another name."""


def make_message(kind: type[M], **fields: Any) -> M:
    """Return a message with ``fields``.

    Raises:
        ConfigError: a value does not fit its field, such as a negative number in an unsigned field.
    """
    message = kind()
    for name, value in fields.items():
        try:
            setattr(message, name, value)
        except (ValueError, TypeError, OverflowError) as error:
            rule = _describe_range(kind.DESCRIPTOR.fields_by_name[name])
            raise ConfigError(f"{CALLED.get(name, name)} = {value!r}: give {rule}") from error
    return message


def _describe_range(field: Any) -> str:
    """Return what ``field`` can hold, in words."""
    whole = {field.TYPE_UINT32: 2**32 - 1, field.TYPE_UINT64: 2**64 - 1}
    if field.type in whole:
        return f"a whole number from 0 to {whole[field.type]}"
    return {field.TYPE_DOUBLE: "a number", field.TYPE_STRING: "text", field.TYPE_BOOL: "true or false"}[field.type]
