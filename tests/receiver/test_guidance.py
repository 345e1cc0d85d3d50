"""Streams decode without torch, so guidance does not depend on the device of the networks.

The learned HCI coder is the exception: it computes with torch, but in integers and on the CPU (it has its own tests).
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

GOLDEN = Path(__file__).parents[1] / "shared"
WITHOUT_TORCH = """
import hashlib, json, sys

sys.modules["torch"] = None  # importing it fails from now on
case = json.load(sys.stdin)
"""
STREAMS = """
from receiver.guidance import guidance_in
from shared.bitstream import Bitstream, PictureHeader
from shared.streams import Stream, StreamKind

streams = tuple(Stream(StreamKind[kind], bytes.fromhex(payload)) for kind, payload in case["streams"].items())
guidance = guidance_in(Bitstream(PictureHeader(case["width"], case["height"]), streams))
planes = guidance.latent.values
print(json.dumps({
    "damaged": list(guidance.damaged),
    "caption": guidance.caption,
    "codes": list(guidance.tokens.codes),
    "regions": [[one.name, one.detail] for one in guidance.regions],
    "ids": list(guidance.latent.ids),
    "planes": hashlib.sha256(planes.astype("<i2").tobytes()).hexdigest(),
}))
"""
HCI = """
from shared.hci.stream import get_coder

pixels = get_coder("av1").decode(
    bytes.fromhex(case["payload"]), case["width"], case["height"], grey=case.get("grey", False)
)
print(json.dumps(hashlib.sha256(pixels.tobytes()).hexdigest()))
"""


def golden(name):
    return json.loads((GOLDEN / name).read_text())


def without_torch(program, case):
    command = [sys.executable, "-c", WITHOUT_TORCH + program]
    done = subprocess.run(command, input=json.dumps(case), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_caption_tokens_regions_and_planes_are_decoded_without_torch():
    latent = next(case for case in golden("latent/golden.json") if len(case["ids"]) > 1)
    caption, tokens, regions = (golden(f"{kind}/golden.json")[-1] for kind in ("caption", "tokens", "regions"))
    payloads = {"CAPTION": caption, "TOKENS": tokens, "LATENT": latent, "REGIONS": regions}
    streams = {kind: case["payload"] for kind, case in payloads.items()}
    guidance = without_torch(STREAMS, {"width": latent["width"], "height": latent["height"], "streams": streams})
    assert guidance == {
        "damaged": [],
        "caption": caption["text"],
        "codes": tokens["codes"],
        "regions": [one[:2] for one in regions["regions"]],
        "ids": latent["ids"],
        "planes": latent["sha256"],
    }


def test_the_hci_is_decoded_without_torch():
    for case in golden("hci/golden/av1.json"):
        assert without_torch(HCI, case) == case["sha256"]
