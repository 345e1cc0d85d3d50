"""The one error tree: every failure that a user can cause.

::

    LinkError
    ├── InputError          a request that cannot be served      INVALID_ARGUMENT     exit 2
    │   ├── PictureError        not a picture, or one that the link does not carry
    │   ├── BudgetError         too few bytes for anything
    │   ├── UnknownNameError    no codec, channel, coder ... of that name
    │   └── ConfigError         a setting outside its rule
    ├── DataError           bytes that are not what they claim   DATA_LOSS            exit 2
    │   ├── NothingReceivedError  a picture of which nothing arrived
    │   ├── BitstreamError      the .sem container or a stream's payload
    │   └── PacketError         one Space Packet
    ├── SetupError          something is not installed           FAILED_PRECONDITION  exit 2
    └── ServiceError        a service did not do its part        UNAVAILABLE          exit 2
        ├── DeadlineError       in time                              DEADLINE_EXCEEDED
        └── LimitError          within its limits                    RESOURCE_EXHAUSTED

A message is one line that names the value, the rule, and the way out.
"""

from __future__ import annotations

from typing import ClassVar


class LinkError(Exception):
    """Base of every failure that a user can cause; ``grpc_status`` names the gRPC status code that carries it."""

    grpc_status: ClassVar[str] = "UNKNOWN"
    exit_status: ClassVar[int] = 2


class InputError(LinkError):
    """A request that cannot be served as it is."""

    grpc_status = "INVALID_ARGUMENT"


class PictureError(InputError):
    """Bytes that are not a picture, or a picture that the link does not carry."""


class BudgetError(InputError):
    """A byte budget that not even the smallest encoding fits."""


class UnknownNameError(InputError):
    """A codec, coder, channel or decoder name that nobody registered."""


class ConfigError(InputError):
    """A setting outside its rule."""


class DataError(LinkError):
    """Received bytes that are not what they claim to be."""

    grpc_status = "DATA_LOSS"


class NothingReceivedError(DataError):
    """A picture of which nothing arrived that a decoder can start from."""


class BitstreamError(DataError):
    """A damaged or foreign ``.sem`` container or stream payload."""


class PacketError(DataError):
    """Bytes that are not one Space Packet of this link."""


class SetupError(LinkError):
    """Weights or a library that are not there."""

    grpc_status = "FAILED_PRECONDITION"


class ServiceError(LinkError):
    """A service that cannot be reached or broke off."""

    grpc_status = "UNAVAILABLE"


class DeadlineError(ServiceError):
    """A service that did not answer in time."""

    grpc_status = "DEADLINE_EXCEEDED"


class LimitError(ServiceError):
    """A message, queue or picture over a service's explicit limit."""

    grpc_status = "RESOURCE_EXHAUSTED"
