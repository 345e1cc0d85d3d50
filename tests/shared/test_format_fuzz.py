"""A million changed and made-up inputs to the parsers of containers and packets: nothing but the project's errors.

The fast tests try some thousands with Hypothesis; ``make test-slow`` runs this one.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from fastcrc import crc16

from receiver.reassembly import Reassembler
from shared.bitstream import Bitstream
from shared.errors import BitstreamError, PacketError
from shared.packets import Packet
from shared.repair.packet import RepairPacket

INPUTS = 1_000_000
GOLDEN = Path(__file__).parent / "golden"
CONTAINERS = [path.read_bytes()[:-2] for path in sorted(GOLDEN.glob("*.sem"))]
DOCUMENTS = [json.loads(path.read_text()) for path in sorted(GOLDEN.glob("*.json"))]
PACKETS = [
    bytes.fromhex(packet)[:-2]
    for document in DOCUMENTS
    if isinstance(document, dict)  # a list holds sealed packets, which tests/receiver/test_sealed_transfers.py damages
    for name, packets in document.items()
    if "packets" in name
    for packet in packets
]


def change_some(body: bytes, draw: random.Random) -> bytes:
    """Return ``body`` with a few bytes changed, cut out or put in."""
    out = bytearray(body)
    for _ in range(draw.randint(1, 3)):
        place = draw.randrange(len(out) + 1)
        kind = draw.randrange(4)
        if kind == 0:
            out[place : place + 1] = bytes([draw.randrange(256)])
        elif kind == 1:
            del out[place : place + draw.randint(1, 8)]
        elif kind == 2:
            out[place:place] = draw.randbytes(draw.randint(1, 4))
        else:
            out[place : place + 1] = bytes([out[place] ^ 1 << draw.randrange(8)]) if place < len(out) else b""
    return bytes(out)


def with_right_length(body: bytes) -> bytes:
    """Return a packet's bytes with the length of its data field stated as it is, checksum included."""
    return body[:4] + (max(len(body) + 2 - 7, 0) & 0xFFFF).to_bytes(2, "big") + body[6:]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_million_inputs_give_a_value_that_packs_to_them_or_the_projects_error() -> None:
    draw = random.Random(16)
    reassembler = Reassembler()
    read = 0
    for number in range(INPUTS):
        if number % 2:
            body = change_some(draw.choice(CONTAINERS), draw)
            data = body + crc16.genibus(body).to_bytes(2, "big")
            parsers = (Bitstream,)
        else:
            body = with_right_length(change_some(draw.choice(PACKETS), draw))
            data = body + crc16.ibm_3740(body).to_bytes(2, "big")
            parsers = (Packet, RepairPacket)
            reassembler.push(data)
        for parser in parsers:
            try:
                value = parser.unpack(data)
            except (BitstreamError, PacketError):
                continue
            read += 1
            assert value.pack() == data
    assert read > INPUTS // 10
    assert reassembler.held_bytes <= 16 << 20
