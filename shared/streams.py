"""The kinds of guidance stream, and one stream with its payload."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from shared.errors import BitstreamError

if TYPE_CHECKING:
    from collections.abc import Sequence


class StreamKind(IntEnum):
    """Kind of a stream. Its number is in the container's tag and in the packet's application process id (APID).

    HCI is the highly compressed image, BASE a very small picture that replaces lost units of the HCI.
    """

    HCI = 1
    CAPTION = 2
    TOKENS = 3
    LATENT = 4
    REGIONS = 5
    BASE = 6


WORD_STREAMS: Final = frozenset({StreamKind.CAPTION, StreamKind.REGIONS})
"""Streams that a captioner makes."""
MAX_UNITS: Final = 4096


@dataclass(frozen=True, slots=True)
class Stream:
    """One entropy-coded guidance stream of one picture. It consists of units that decode without each other.

    ``payload`` holds all units, one after the other. ``lengths`` are their lengths in bytes if there are several; a
    unit of length 0 was lost. Without ``lengths`` the whole payload is one unit.

    Raises:
        BitstreamError: lengths that do not add up to the payload, more than ``MAX_UNITS``, or no unit at all.
    """

    kind: StreamKind
    payload: bytes = field(repr=False)
    lengths: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.lengths:
            return
        if not 2 <= len(self.lengths) <= MAX_UNITS or not self.payload or sum(self.lengths) != len(self.payload):
            raise BitstreamError(
                f"stream {self.kind.name}: {len(self.lengths)} units of {sum(self.lengths)} bytes in a payload of "
                f"{len(self.payload)}; several units are 2 to {MAX_UNITS} and fill a payload of at least one byte"
            )

    @classmethod
    def of_units(cls, kind: StreamKind, units: Sequence[bytes]) -> Stream:
        """Return the stream of ``units``; a lost one is b""."""
        return cls(kind, b"".join(units), tuple(map(len, units)) if len(units) > 1 else ())

    @property
    def units(self) -> tuple[bytes, ...]:
        """The units in order; a lost one is b""."""
        if not self.lengths:
            return (self.payload,)
        ends = list(accumulate(self.lengths))
        return tuple(self.payload[end - length : end] for end, length in zip(ends, self.lengths, strict=True))
