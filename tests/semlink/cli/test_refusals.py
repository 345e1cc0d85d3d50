"""A wrong value is refused before any model loads: for each option, a process without torch says what is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from shared.bitstream import Bitstream, PictureHeader
from shared.picture import encode_png
from shared.streams import Stream, StreamKind

RUNNER = Path(__file__).with_name("refusals.py")
LONG = "word " * 200
REFUSED = [
    ("send nothere.png", "nothere.png"),
    ("send note.txt", "not a picture"),
    ("send cut.png", "truncated"),
    ("send folder", "not a file"),
    ("send a.png --codec nope", "unknown codec 'nope'"),
    ("send a.png --codec hci --caption hello", "sends no caption"),
    (f"send a.png --codec misc --caption '{LONG}'", "caption takes"),
    ("send a.png --codec mtgc --tokens 7", "tokens = 7"),
    ("send a.png --codec gsc --latent-channels 3", "latent_channels = 3"),
    ("send a.png --codec gsc --trade-off 1:nan", "trade_off.beta = nan"),
    ("send a.png --trade-off x", "--trade-off x"),
    ("send a.png --bytes -1", "'--bytes'"),
    ("send a.png --bytes 3", "3 bytes"),
    ("send a.png --codec misc --bytes 3", "3 bytes"),
    ("encode a.png x.sem --codec adaptive --bytes 3", "3 bytes"),
    ("send a.png --packet-bytes 1", "packet size 1"),
    ("send a.png --channel nope", "unknown channel 'nope'"),
    ("send a.png --channel nothere.yaml", "nothere.yaml"),
    ("send a.png --channel bad.yaml", "bad.yaml"),
    ("send a.png --set nope=1", "unknown setting"),
    ("send a.png --snr nan", "snr_db = nan"),
    ("send a.png --mcs 99", "mcs = 99"),
    ("send a.png --symbol-rate 0", "symbol_rate_hz"),
    ("send a.png --delay -1", "propagation_delay_s"),
    ("send a.png --erasure 2", "erasure_rate"),
    ("send a.png --repair -1", "repair_overhead"),
    ("send a.png --channel deep-space --body pluto", "pluto"),
    ("send a.png --protect maybe", "maybe"),
    ("send a.png --protect unequal --snr-kind ebn0", "snr_kind esn0"),
    ("send a.png --time-scale nan", "time_scale"),
    ("send a.png --seed -1", "--seed"),
    ("send a.png --decoder nope", "unknown decoder 'nope'"),
    ("send a.png --steps 9", "steps = 9"),
    ("send a.png --fidelity nan", "fidelity = nan"),
    ("send a.png --device nope", "unknown device 'nope'"),
    ("send a.png --out o.jpg", "o.jpg"),
    ("send a.png --out nofolder/o.png", "nofolder"),
    ("send a.png --out /proc/o.png", "/proc/o.png"),
    ("send a.png --trust nofolder/t.png", "nofolder"),
    ("send a.png --watch note.txt", "note.txt"),
    ("send a.png --sender nonsense", "'nonsense' is not an address"),
    ("send a.png --timeout 0", "--timeout"),
    ("encode note.txt x.sem", "not a picture"),
    ("encode a.png nofolder/x.sem", "nofolder"),
    ("decode nothere.sem o.png", "nothere.sem"),
    ("decode note.txt o.png", "not a .sem file"),
    ("decode a.sem o.png --reference note.txt", "not a picture"),
    ("decode a.sem o.png --reference other.png", "64x80"),
    ("decode a.sem o.png --decoder nope", "unknown decoder 'nope'"),
    ("decode a.sem o.png --fidelity 2", "fidelity = 2"),
    ("decode a.sem o.png --device nope", "unknown device 'nope'"),
    ("decode a.sem /proc/o.png", "/proc/o.png"),
    ("demo --out note.txt", "note.txt"),
    ("demo --snr x", "--snr x"),
    ("demo --channel nope --out demo", "unknown channel 'nope'"),
    ("demo --device nope --out demo", "unknown device 'nope'"),
    ("channels nope", "unknown channel 'nope'"),
    ("channels awgn --mcs 99", "mcs = 99"),
    ("codecs --sender nonsense", "nonsense"),
    ("probe nonsense", "nonsense"),
    ("serve sender --port 99999", "SENDER_PORT = 99999"),
    ("serve sender --traces nope", "nope"),
    ("serve receiver --device nope", "SEMLINK_DEVICE = 'nope'"),
    ("up --device nope", "SEMLINK_DEVICE = 'nope'"),
    ("up --env-file nothere.env", "nothere.env"),
    ("evaluate nothere", "nothere"),
    ("evaluate note.txt", "note.txt"),
    ("evaluate a.png --codec nope", "unknown codec 'nope'"),
    ("evaluate a.png --codec hci+ldpc:best", "no channel"),
    ("evaluate a.png --bytes x", "--bytes x"),
    ("evaluate a.png --bytes 3", "--bytes 3: 3 bytes are too few for 384x256 pixels: any file takes 8"),
    ("evaluate a.png --bytes 0.00001bpp,7", "--bytes 7"),
    ("evaluate a.png --bytes 0.00001bpp", "--bytes 0.00001bpp is less than a byte"),
    ("evaluate - --bytes 800", "- (standard input) is not read here"),
    ("sweep - --bytes 800", "- (standard input) is not read here"),
    ("sweep a.png --bytes foo", "--bytes foo: give bytes or bits per pixel"),
    ("evaluate a.png --out note.txt", "note.txt"),
    ("evaluate a.png --task nope=model", "unknown task 'nope'"),
    ("evaluate a.png --device nope", "unknown device 'nope'"),
    ("sweep nothere", "nothere"),
    ("sweep note.txt", "note.txt"),
    ("sweep a.png --codec hci@pocket:steps=9", "steps = 9"),
    ("sweep a.png --channel nope", "unknown channel 'nope'"),
    ("sweep a.png --snr nan", "snr_db"),
    ("sweep a.png --bytes 3,0.0001bpp", "--bytes leaves 3 bytes at most: a container takes 8"),
    ("sweep a.png --seeds 0", "seeds"),
    ("sweep a.png --packet-bytes 1", "packet_bytes = 1"),
    ("sweep a.png --stop nope=1", "nope"),
    ("sweep a.png --out note.txt", "note.txt"),
    ("sweep a.png --device nope", "unknown device 'nope'"),
    ("plot folder", "no rows"),
    ("report folder --out nofolder/x.html", "nofolder"),
]
"""Arguments, and words of the message."""


@pytest.fixture(scope="module")
def refused(tmp_path_factory, picture_png, synthetic_pixels):
    """Status and standard error of all commands by their arguments; one process runs them, in a folder of bad files."""
    folder = tmp_path_factory.mktemp("refused")
    (folder / "folder").mkdir()
    header = PictureHeader(384, 256)
    files = {
        "a.png": picture_png,
        "cut.png": picture_png[:5000],
        "other.png": encode_png(synthetic_pixels(64, 80)),
        "a.sem": Bitstream(header, (Stream(StreamKind.CAPTION, b"x"),)).pack(),
        "note.txt": b"hello",
        "bad.yaml": b"a: [",
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    commands = [arguments for arguments, _ in REFUSED]
    given = [arguments.replace(f"'{LONG}'", "LONG").split() for arguments in commands]
    given = [[LONG if word == "LONG" else word for word in arguments] for arguments in given]
    done = subprocess.run(
        [sys.executable, RUNNER],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    return dict(zip(commands, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize(("arguments", "words"), REFUSED, ids=[arguments[:60] for arguments, _ in REFUSED])
def test_a_wrong_value_is_refused_before_a_model_loads(refused, arguments, words):
    status, error = refused[arguments]
    assert (status, error.count("\n")) == ("2", 1), error
    assert words in error
