"""Write the golden files beside this script: ``python tests/shared/golden/make.py``.

Their bytes are the wire format: a change here breaks every stored file and needs a new version number.
"""

from __future__ import annotations

import json
from pathlib import Path

from sender.packets import make_packets
from shared.bitstream import Bitstream, PictureHeader
from shared.packets import Packetiser
from shared.streams import Stream, StreamKind

HERE = Path(__file__).parent
EXAMPLES = {
    "one-stream": Bitstream(PictureHeader(768, 512), (Stream(StreamKind.HCI, bytes(range(40))),)),
    "two-streams": Bitstream(
        PictureHeader(768, 512),
        (Stream(StreamKind.HCI, bytes(range(0xA0, 0xBE))), Stream(StreamKind.CAPTION, b"red barn")),
    ),
    "all-kinds-grey": Bitstream(
        PictureHeader(8192, 65, grey=True),
        tuple(
            Stream(StreamKind(number), bytes([number]) * length)
            for number, length in enumerate((200, 0, 1, 127, 128), start=1)
        ),
    ),
    "units": Bitstream(
        PictureHeader(768, 512),
        (
            Stream.of_units(StreamKind.HCI, (b"\xa0" * 12, b"", b"\xa2" * 30)),
            Stream(StreamKind.CAPTION, b"red barn"),
            Stream(StreamKind.BASE, b"\xb0" * 9),
        ),
    ),
    "many-units": Bitstream(
        PictureHeader(64, 8192, grey=True),
        (Stream.of_units(StreamKind.HCI, [bytes([index]) * (1 + index % 3) for index in range(17)]),),
    ),
    "no-stream": Bitstream(PictureHeader(64, 64), ()),
}

SEALED = {"packet_bytes": 38, "picture_index": 7, "repair_overheads": {StreamKind.HCI: 0.5}, "sealed": True}
"""Options of ``make_packets`` for ``sealed.json``."""


def main() -> None:
    for name, bitstream in EXAMPLES.items():
        header = {"width": bitstream.header.width, "height": bitstream.header.height, "grey": bitstream.header.grey}
        streams = {stream.kind.name: stream.payload.hex() for stream in bitstream.streams}
        packets = [packet.hex() for packet in Packetiser(32).packetise(bitstream, picture_id=7)]
        lengths = {stream.kind.name: list(stream.lengths) for stream in bitstream.streams if stream.lengths}
        expected = {"header": header, "streams": streams} | ({"unit_lengths": lengths} if lengths else {})
        expected["packets_of_32_bytes_picture_7"] = packets
        (HERE / f"{name}.sem").write_bytes(bitstream.pack())
        (HERE / f"{name}.json").write_text(json.dumps(expected, indent=1) + "\n")
    sealed = make_packets(EXAMPLES["two-streams"], **SEALED).all
    (HERE / "sealed.json").write_text(json.dumps([packet.hex() for packet in sealed], indent=1) + "\n")


if __name__ == "__main__":
    main()
