"""Kinds of guidance stream and the stream value that travels from sender to receiver."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class StreamKind(IntEnum):
    """What a stream's bytes mean. The number is on the wire: in the container's tag and in the packet's APID."""

    HCI = 1
    CAPTION = 2
    TOKENS = 3
    LATENT = 4
    REGIONS = 5


@dataclass(frozen=True, slots=True)
class Stream:
    """One entropy-coded guidance stream of one picture."""

    kind: StreamKind
    payload: bytes
