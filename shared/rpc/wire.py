"""Messages made from user input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from shared.errors import ConfigError

if TYPE_CHECKING:
    from google.protobuf.message import Message

M = TypeVar("M", bound="Message")


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
            reason = " ".join(str(error).split())
            raise ConfigError(f"{name} = {value!r} does not fit its field in {kind.__name__}: {reason}") from error
    return message
