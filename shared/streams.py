"""The kinds of guidance stream, and one stream with its payload."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum


class StreamKind(IntEnum):
    """Kind of a stream. Its number is in the container's tag and in the packet's application process id (APID)."""

    HCI = 1
    CAPTION = 2
    TOKENS = 3
    LATENT = 4
    REGIONS = 5


@dataclass(frozen=True, slots=True)
class Stream:
    """One entropy-coded guidance stream of one picture."""

    kind: StreamKind
    payload: bytes = field(repr=False)
