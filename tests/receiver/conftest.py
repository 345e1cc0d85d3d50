"""A picture's bitstream, as the sender makes it."""

from __future__ import annotations

import pytest

from shared.bitstream import Bitstream
from shared.hci.stream import encode_hci
from shared.picture import load_picture
from shared.streams import Stream, StreamKind


@pytest.fixture(scope="session")
def bitstream(picture_png) -> Bitstream:
    picture = load_picture(picture_png)
    return Bitstream(picture.header, (Stream(StreamKind.HCI, encode_hci(picture.pixels, 600)),))
