"""Sealed packets: each carries the identity of its transfer, and a check of 32 bits in place of the CRC-16.

A sealed packet is a Space Packet with a secondary header (CCSDS 133.0-B-2, 4.1.4.2), which holds the identity. The rest
is that of the packet that was sealed. ``docs/bitstream.md`` gives the bytes.
"""

from __future__ import annotations

import hashlib
import zlib
from typing import TYPE_CHECKING, Final

from fastcrc import crc16

from shared.errors import ConfigError, PacketError
from shared.packets import MAX_PACKET_BYTES, PACKET_CRC_BYTES, PACKET_OVERHEAD_BYTES, PRIMARY_HEADER_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

TRANSFER_ID_BYTES: Final = 4
CHECK_BYTES: Final = 4
SEAL_BYTES: Final = TRANSFER_ID_BYTES + CHECK_BYTES - PACKET_CRC_BYTES
"""What a seal adds to a packet."""
_SECONDARY_HEADER: Final = 0x08  # bit of the first byte
_LENGTH: Final = slice(4, PRIMARY_HEADER_BYTES)
_DATA_START: Final = PRIMARY_HEADER_BYTES + TRANSFER_ID_BYTES


def transfer_id(packets: Sequence[bytes]) -> bytes:
    """Return the identity of the transfer of ``packets``, all of one picture: 4 bytes of SHA-256 over them.

    Two transfers have the same identity only if they send the same packets, or with a probability of 2^-32.
    """
    return hashlib.sha256(b"".join(packets)).digest()[:TRANSFER_ID_BYTES]


def seal_all(packets: Sequence[bytes]) -> list[bytes]:
    """Return ``packets``, all of one transfer, sealed with its identity.

    Raises:
        ConfigError: one is too long for a seal.
    """
    longest = max(map(len, packets), default=0)
    if longest + SEAL_BYTES > MAX_PACKET_BYTES:
        over = longest + SEAL_BYTES - MAX_PACKET_BYTES
        raise ConfigError(
            f"packets of {longest} bytes and a seal of {SEAL_BYTES}; a packet has at most {MAX_PACKET_BYTES}: make the "
            f"picture's packets {over} bytes shorter"
        )
    identity = transfer_id(packets)
    return [seal(packet, identity) for packet in packets]


def seal(packet: bytes, identity: bytes) -> bytes:
    """Return ``packet``, a source or repair packet, sealed."""
    length = len(packet) + SEAL_BYTES - PRIMARY_HEADER_BYTES - 1
    body = b"".join(
        (
            bytes([packet[0] | _SECONDARY_HEADER]),
            packet[1 : _LENGTH.start],
            length.to_bytes(2, "big"),
            identity,
            packet[PRIMARY_HEADER_BYTES:-PACKET_CRC_BYTES],
        )
    )
    return body + zlib.crc32(body).to_bytes(CHECK_BYTES, "big")


def is_sealed(data: bytes) -> bool:
    """Whether these bytes have a secondary header; ``unseal`` checks the rest."""
    return bool(data) and bool(data[0] & _SECONDARY_HEADER)


def unseal(data: bytes) -> tuple[bytes, bytes]:
    """Return the identity of the transfer, and the packet that was sealed.

    Raises:
        PacketError: ``data`` is not what ``seal`` writes.
    """
    if not PACKET_OVERHEAD_BYTES + SEAL_BYTES <= len(data) <= MAX_PACKET_BYTES:
        least = PACKET_OVERHEAD_BYTES + SEAL_BYTES
        raise PacketError(f"{len(data)} bytes; a sealed packet has {least} to {MAX_PACKET_BYTES}")
    if not is_sealed(data):
        raise PacketError("the packet has no secondary header: it is not sealed")
    if zlib.crc32(data[:-CHECK_BYTES]) != int.from_bytes(data[-CHECK_BYTES:], "big"):
        raise PacketError("the sealed packet's check does not match: it was damaged on the way")
    if int.from_bytes(data[_LENGTH], "big") != len(data) - PRIMARY_HEADER_BYTES - 1:
        raise PacketError(f"the sealed packet's header does not give its length of {len(data)} bytes")
    length = len(data) - SEAL_BYTES - PRIMARY_HEADER_BYTES - 1
    packet = b"".join(
        (
            bytes([data[0] & ~_SECONDARY_HEADER]),
            data[1 : _LENGTH.start],
            length.to_bytes(2, "big"),
            data[_DATA_START:-CHECK_BYTES],
        )
    )
    return data[PRIMARY_HEADER_BYTES:_DATA_START], packet + crc16.ibm_3740(packet).to_bytes(PACKET_CRC_BYTES, "big")


def unsealed(data: bytes) -> bytes:
    """Return the packet in ``data`` if it is sealed, else ``data``.

    Raises:
        PacketError: as ``unseal``.
    """
    return unseal(data)[1] if is_sealed(data) else data
