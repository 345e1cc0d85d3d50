"""Semlink: a simulated 6G / deep-space semantic communication link for pictures.

A picture becomes a few hundred bytes, crosses a simulated radio channel in packets, and is rebuilt from those that
arrive:

>>> import semlink, skimage
>>> picture = skimage.data.astronaut()                                # or a path, bytes, a Pillow image
>>> encoded = semlink.encode(picture, codec="hci", max_bytes=1000)
>>> len(encoded.data) <= 1000, encoded.stream_bytes.keys()
(True, dict_keys(['HCI']))
>>> link = semlink.Link("rayleigh", snr_db=12, seed=1)
>>> received = link.send(encoded)                                     # packets, losses, delay, channel uses
>>> received.delivered, received.lost, received.streams
(4, 0, ('HCI',))
>>> rebuilt = semlink.decode(received, decoder="hci")                 # .image, .trust, .quality(reference)
>>> rebuilt.image.size, rebuilt.quality(picture)["psnr_db"] > 20
((512, 512), True)
"""

from __future__ import annotations

from semlink._neighbours import require_neighbours

require_neighbours()

from semlink._api import channels, codecs, decode, encode, previews, send  # noqa: E402 - checked first
from semlink._async import AsyncClient, connect_async  # noqa: E402
from semlink._client import Client, Link, connect  # noqa: E402
from semlink._values import Encoded, Received, Reconstruction, Transfer  # noqa: E402
from semlink._version import __version__  # noqa: E402
from shared.bitstream import Bitstream  # noqa: E402
from shared.errors import LinkError, NothingReceivedError  # noqa: E402

__all__ = [
    "AsyncClient",
    "Bitstream",
    "Client",
    "Encoded",
    "Link",
    "LinkError",
    "NothingReceivedError",
    "Received",
    "Reconstruction",
    "Transfer",
    "__version__",
    "channels",
    "codecs",
    "connect",
    "connect_async",
    "decode",
    "encode",
    "previews",
    "send",
]
