"""Previews of the Python API: the picture after each packet that completed a part of it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Protocol

from semlink._values import Received, Reconstruction
from shared.errors import InputError, NothingReceivedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.bitstream import Bitstream


class Decode(Protocol):
    """Decodes streams with the decoder of that name, as ``Client.decode`` does."""

    def __call__(self, stream: Bitstream, *, decoder: str) -> Reconstruction:
        """Return the picture."""
        ...


@dataclass(frozen=True, eq=False, kw_only=True)
class Preview(Reconstruction):
    """A picture of which not everything has arrived yet.

    Attributes:
        packet: place of the newest packet in the order of transmission, from 0.
        arrival_s: its arrival in simulated seconds after the first departure.
        bytes_received: bytes of all packets that had arrived by then, headers and repair packets included.
        units: the units that the packet completed, as in ``HCI 3 of 6``, or ``HCI`` for a stream of one unit.
    """

    packet: int
    arrival_s: float
    bytes_received: int
    units: tuple[str, ...]


def make_previews(received: Received, decode: Decode, *, decoder: str, draft_decoder: str) -> Iterator[Preview]:
    """Return the previews of a picture, the last one by ``decoder``, those before by ``draft_decoder``.

    Raises:
        InputError: ``received`` is not what a link delivered.
        UnknownNameError: there is no such decoder.
    """
    from receiver.decoder_registry import check_decoder  # noqa: PLC0415 - imports numpy

    if not isinstance(received, Received):
        raise InputError(f"{type(received).__name__} has no packets: give what Link.send returns")
    check_decoder(decoder)
    check_decoder(draft_decoder)
    return _decode_each(received, decode, decoder, draft_decoder)


def _decode_each(received: Received, decode: Decode, decoder: str, draft_decoder: str) -> Iterator[Preview]:
    from semlink.pipeline.arrivals import ArrivalLog  # noqa: PLC0415 - imports the receiver

    log = ArrivalLog(received.picture_index)
    delivered = [packet for packet in received.packets if packet.outcome == "delivered"]
    arrived = [log.push(packet.index, packet.arrival_s, packet.data) for packet in delivered]
    steps = [(step, step.bitstream) for step in arrived if step.units and step.bitstream]
    for number, (step, bitstream) in enumerate(steps, start=1):
        try:
            picture = decode(bitstream, decoder=decoder if number == len(steps) else draft_decoder)
        except NothingReceivedError:
            continue
        yield Preview(
            **{field.name: getattr(picture, field.name) for field in fields(Reconstruction)},
            packet=step.packet,
            arrival_s=step.arrival_s,
            bytes_received=step.bytes_received,
            units=step.units,
        )
