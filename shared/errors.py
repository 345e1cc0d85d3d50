"""All errors that a user can cause. Every one is a ``LinkError``.

Catch ``LinkError`` to handle all of them, or a class below it to handle one kind::

    LinkError
    ├── InputError              the request is wrong
    │   ├── PictureError            the file is not a picture, or the link does not carry this kind
    │   ├── BudgetError             the byte budget is too small
    │   ├── UnknownNameError        no codec, coder, channel or decoder has this name
    │   └── ConfigError             a setting breaks its rule
    ├── DataError               the received bytes are wrong
    │   ├── NothingReceivedError    nothing arrived that a decoder can start from
    │   ├── BitstreamError          a .sem file or a stream's payload is damaged
    │   └── PacketError             a packet is damaged or not from this link
    ├── SetupError              weights or a package are missing or damaged
    └── ServiceError            a service cannot be reached, or it stopped
        ├── DeadlineError           it did not answer in time
        └── LimitError              the request exceeds a limit of the service

A message is one line. It names the value, the rule that the value breaks, and the fix. The command line prints it and
exits with status 2. A service sends it with the gRPC status code of the class; the client raises the same class again
(``shared/rpc/status.py``).
"""

from __future__ import annotations

from typing import ClassVar

from shared.printable import printable


class LinkError(Exception):
    """Base class of all errors that a user can cause.

    Attributes:
        grpc_status: name of the gRPC status code that a service sends for this error.
        exit_status: exit status of the command line.
    """

    grpc_status: ClassVar[str] = "UNKNOWN"
    exit_status: ClassVar[int] = 2

    def __init__(self, message: str = "") -> None:
        """Keep ``message`` on one line, whatever the names in it hold."""
        super().__init__(printable(message))


class InputError(LinkError):
    """The request is wrong."""

    grpc_status = "INVALID_ARGUMENT"


class PictureError(InputError):
    """The file is not a picture, or the link does not carry this kind of picture."""


class BudgetError(InputError):
    """The byte budget is too small for even the smallest encoding. ``fewest_bytes`` would do; 0: unknown."""

    def __init__(self, message: str, fewest_bytes: int = 0) -> None:
        super().__init__(message)
        self.fewest_bytes = fewest_bytes


class UnknownNameError(InputError):
    """No codec, coder, channel or decoder has this name."""


class ConfigError(InputError):
    """A setting breaks its rule."""


class DataError(LinkError):
    """The received bytes are damaged or in another format."""

    grpc_status = "DATA_LOSS"


class NothingReceivedError(DataError):
    """Nothing arrived that a decoder can start from."""


class BitstreamError(DataError):
    """A ``.sem`` file or a stream's payload is damaged or in another format."""


class PacketError(DataError):
    """The bytes are not one Space Packet of this link."""


class SetupError(LinkError):
    """Weights or a package are missing or damaged."""

    grpc_status = "FAILED_PRECONDITION"


class ServiceError(LinkError):
    """A service cannot be reached, or it stopped during the call."""

    grpc_status = "UNAVAILABLE"


class DeadlineError(ServiceError):
    """A service did not answer in time."""

    grpc_status = "DEADLINE_EXCEEDED"


class LimitError(ServiceError):
    """A message, a picture, or all calls together exceed a limit of the service.

    ``retry_s`` is the time after which the same request may succeed; 0: it never will, or that is unknown.
    """

    grpc_status = "RESOURCE_EXHAUSTED"

    def __init__(self, message: str = "", retry_s: float = 0.0) -> None:
        super().__init__(message)
        self.retry_s = retry_s
