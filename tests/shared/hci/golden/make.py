"""Writes av1.json: payloads of small pictures, and the SHA-256 of the pixels that they decode to on any machine.

Run from the repository's root: python tests/shared/hci/golden/make.py
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image

from shared.hci.av1 import Av1Coder
from shared.hci.obu import Chroma

CASES = {
    "420": (Chroma.YUV420, (48, 32), 50),
    "444": (Chroma.YUV444, (48, 32), 51),
    "420 odd": (Chroma.YUV420, (37, 23), 90),
    "444 several superblocks": (Chroma.YUV444, (129, 66), 31),
    "grey": (Chroma.GREY, (45, 31), 40),
    "420 fine": (Chroma.YUV420, (24, 24), 125),
}


def entry(name: str) -> dict[str, object]:
    chroma, (width, height), quality = CASES[name]
    grey = chroma is Chroma.GREY
    picture = Image.fromarray(skimage.data.astronaut()).convert("L" if grey else "RGB").resize((width, height))
    coder = Av1Coder(chroma=None if grey else chroma)
    payload = coder.encode(np.asarray(picture), quality)
    pixels = coder.decode(payload, width, height, grey=grey)
    return {
        "name": name,
        "width": width,
        "height": height,
        "grey": grey,
        "payload": payload.hex(),
        "sha256": hashlib.sha256(pixels.tobytes()).hexdigest(),
    }


if __name__ == "__main__":
    Path(__file__).with_name("av1.json").write_text(json.dumps([entry(name) for name in CASES], indent=1) + "\n")
