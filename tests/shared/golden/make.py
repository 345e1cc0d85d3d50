"""Write the golden files beside this script: ``python tests/shared/golden/make.py``.

Their bytes are the wire format: a change here breaks every stored file and needs a new version number.
"""

from __future__ import annotations

import json
from pathlib import Path

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
            Stream(kind, bytes([kind]) * length) for kind, length in zip(StreamKind, (200, 0, 1, 127, 128), strict=True)
        ),
    ),
    "no-stream": Bitstream(PictureHeader(64, 64), ()),
}


def main() -> None:
    for name, bitstream in EXAMPLES.items():
        header = {"width": bitstream.header.width, "height": bitstream.header.height, "grey": bitstream.header.grey}
        streams = {stream.kind.name: stream.payload.hex() for stream in bitstream.streams}
        packets = [packet.hex() for packet in Packetiser(32).packetise(bitstream, picture_id=7)]
        expected = {"header": header, "streams": streams, "packets_of_32_bytes_picture_7": packets}
        (HERE / f"{name}.sem").write_bytes(bitstream.pack())
        (HERE / f"{name}.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
