"""Values that a transfer returns, the same in one process and over the services."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shared.rpc.semlink.v1 import channel_pb2, packet_pb2, receiver_pb2, sender_pb2

    OnStage = Callable[[str, float], None]
    OnPreview = Callable[["Preview"], None]
    OnArrival = Callable[[packet_pb2.Arrival], None]


class Protect(StrEnum):
    """How the streams of a picture are protected: ``none`` is the channel's profile as it is (docs/protection.md)."""

    AUTO = "auto"
    NONE = "none"
    EQUAL = "equal"
    UNEQUAL = "unequal"


@dataclass(frozen=True, slots=True)
class StreamProtection:
    """MCS and number of repair packets of the stream kind called ``kind``."""

    kind: str
    mcs: int
    repair_packets: int


@dataclass(frozen=True, slots=True)
class ChosenProtection:
    """How the streams of one picture were protected: what was ``asked`` for, and what was ``chosen``.

    ``expected_lpips_alex`` is the predicted loss of quality of each protection that was compared. ``streams`` are empty
    where the profile stays as it is. ``reason`` says why it does, or what limits the prediction.
    """

    asked: Protect
    chosen: Protect
    expected_lpips_alex: Mapping[Protect, float] = field(default_factory=dict)
    streams: tuple[StreamProtection, ...] = ()
    reason: str = ""


AS_THE_PROFILE: Final = ChosenProtection(Protect.NONE, Protect.NONE)


@dataclass(frozen=True, slots=True)
class Preview:
    """An intermediate picture as a PNG file; ``number`` counts from 1, ``streams`` are the kinds that it uses."""

    number: int
    png: bytes
    streams: tuple[int, ...]


@dataclass(slots=True)
class Decoded:
    """The receiver's report, and picture and trust map as PNG files, empty where there is none."""

    png: bytes
    report: receiver_pb2.ReceiveReport
    trust_png: bytes = b""


@dataclass(slots=True)
class Carried:
    """Every packet's arrival, with its bytes where it was delivered, and the channel's report."""

    arrivals: list[packet_pb2.Arrival]
    report: channel_pb2.LinkReport


@dataclass(slots=True)
class Transfer:
    """One picture over the link: the reports of sender, channel and receiver, every packet's arrival, the picture.

    The arrivals do not hold the packets' bytes.
    """

    sent: sender_pb2.SendReport
    link: channel_pb2.LinkReport
    received: Decoded
    arrivals: list[packet_pb2.Arrival] = field(default_factory=list)
    protection: ChosenProtection = AS_THE_PROFILE


def ignore_stage(stage: str, done: float) -> None:
    """Ignore progress."""


def ignore_preview(preview: Preview) -> None:
    """Ignore a preview."""


def ignore_arrival(arrival: packet_pb2.Arrival) -> None:
    """Ignore a packet's arrival."""
