"""Wrong input: one line that says how to fix it, exit status 2, and no file written."""

from __future__ import annotations

import io
import json
import re

import pytest
from PIL import Image

from shared.bitstream import Bitstream, PictureHeader
from shared.streams import Stream, StreamKind

pytestmark = pytest.mark.usefixtures("tiny_pocket")  # commands decode with miniature weights


def truncate(png: bytes) -> bytes:
    return png[: len(png) // 2]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"this is text", "picture"),
        ("truncated", "truncated"),
        ("tiny", "8x8"),
        ("bomb", "too many pixels"),
    ],
)
def test_a_bad_picture_is_reported_in_one_line(content, words, picture_png, tmp_path, semlink):
    if content == "truncated":
        content = truncate(picture_png)
    elif content in ("tiny", "bomb"):
        out = io.BytesIO()
        side = 8 if content == "tiny" else 20000
        Image.new("1", (side, side)).save(out, "PNG")
        content = out.getvalue()
    bad, target = tmp_path / "bad.png", tmp_path / "bad.sem"
    bad.write_bytes(content)
    for args in (("encode", bad, target), ("send", bad, "--out", tmp_path / "out.png")):
        status, _, err = semlink(*args)
        assert status == 2
        assert re.fullmatch(r"error: .*\n", err)
        assert words in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.png"]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("send", "PHOTO", "--snr", "nan"), "snr_db"),
        (("send", "PHOTO", "--snr", "loud"), "Invalid value 'loud' for '--snr'"),
        (("demo", "--snr", "3,x"), "--snr 3,x: give numbers"),
        (("demo", "--snr", "3,3.0"), "--snr 3,3.0: one number is there twice"),
        (("send", "PHOTO", "--codec", "telepathy"), "telepathy"),
        (("send", "PHOTO", "--latent-channels", "4"), "codec 'resilient' sends no latent channels"),
        (
            ("encode", "PHOTO", "OUT.sem", "--codec", "gsc", "--latent-channels", "3"),
            "latent_channels = 3: give 1, 2, 4, 8 or 16",
        ),
        (("encode", "PHOTO", "OUT.sem", "--codec", "mtgc", "--tokens", "7"), "tokens = 7"),
        (("send", "PHOTO", "--codec", "mtgc", "--tokens", "-1"), "tokens = -1"),
        (("send", "PHOTO", "--codec", "gsc", "--trade-off", "1"), "--trade-off 1: give two numbers"),
        (("encode", "PHOTO", "OUT.sem", "--codec", "gsc", "--trade-off", "1:nan"), "trade_off.beta = nan"),
        (("send", "PHOTO", "--channel", "telepathy"), "telepathy"),
        (("send", "PHOTO", "--decoder", "telepathy"), "telepathy"),
        (("send", "PHOTO", "--steps", "5"), "steps = 5: give 0 (the restorer alone) to 4"),
        (("send", "PHOTO", "--steps", "-1"), "Invalid value '-1' for '--steps'"),
        (("send", "PHOTO", "--fidelity", "nan"), "fidelity = nan"),
        (("send", "PHOTO", "--decode-seed", str(2**64)), "--decode-seed"),
        (("send", "PHOTO", "--device", "abacus"), "abacus"),
        (("send", "PHOTO", "--device", "cuda:99"), "cuda:99"),
        (("send", "PHOTO", "--device", "cpu", "--receiver", "127.0.0.1:1"), "--device cpu"),
        (("send", "PHOTO", "--trust", "map.jpg"), ".png"),
        (("send", "PHOTO", "--trust", "PHOTO"), "an input of this command"),
        (("send", "PHOTO", "--out", "a.png", "--trust", "a.png"), "name another"),
        (("send", "PHOTO", "--trust", "a.png", "--trust-overlay", "a.png"), "name another"),
        (("send", "PHOTO", "--watch", "PHOTO"), "cannot make the folder"),
        (("send", "PHOTO", "--watch", "-"), "--watch -: several files do not go to standard output"),
        (("send", "PHOTO", "--watch", "/proc"), "/proc takes no file"),
        (("send", "PHOTO", "--watch", "new", "--watch-decoder", "telepathy"), "unknown decoder 'telepathy'"),
        (("send", "PHOTO", "--watch-decoder", "pocket"), "give the pictures a folder with --watch"),
        (("decode", "PHOTO", "OUT.png", "--progressive", "-"), "--progressive -"),
        (("demo", "--out", "-"), "--out -: several files"),
        (("serve", "sender", "--device", "cpu"), "only the receiver"),
        (("send", "PHOTO", "--mcs", "99"), "mcs"),
        (("send", "PHOTO", "--mcs", "-1"), "mcs = -1"),
        (("send", "PHOTO", "--mcs", "auto", "--snr", "-9"), "MCS 3, the most robust"),
        (("send", "PHOTO", "--channel", "none.yaml"), "none.yaml"),
        (("send", "PHOTO", "--channel", "tdl-a", "--set", "propagation.speed_m_s=-1"), "speed_m_s = -1 m/s"),
        (("send", "PHOTO", "--repair", "-1"), "repair_overhead = -1"),
        (("send", "PHOTO", "--set", "snr_db"), "SETTING=VALUE"),
        (("send", "PHOTO", "--channel", "deep-space", "--body", "pluto"), "body = 'pluto'"),
        (("send", "PHOTO", "--channel", "deep-space", "--date", "2100-01-01"), "2053-10-01"),
        (
            ("channels", "deep-space", "--set", "deep_space.min_elevation_deg=89", "--set", "deep_space.search_days=1"),
            "no window from mars opens",
        ),
        (("channels", "deep-space", "--set", "deep_space.distance_km=-1"), "distance_km = -1 km"),
        (("send", "PHOTO", "--channel", "deep-space", "--distance-km", "-5"), "distance_km = -5.0 km"),
        (("channels", "telepathy"), "telepathy"),
        (("channels", "--set", "snr_db=3"), "settings need a channel"),
        (("send", "PHOTO", "--delay", "-1"), "propagation_delay_s"),
        (("send", "PHOTO", "--packet-bytes", "5"), "packet size 5"),
        (("send", "PHOTO", "--seed", str(2**64)), "--seed"),
        (
            ("send", "PHOTO", "--bytes", "12"),
            "12 bytes are too few for this 384x256 picture with codec 'resilient': give ",
        ),
        (("encode", "PHOTO", "OUT.sem", "--bytes", "5"), "5 bytes"),
        (("send", "PHOTO", "--out", "picture.jpg"), ".png"),
        (("send", "PHOTO", "--out", "no/such/folder/x.png"), "folder"),
        (
            (
                "send",
                "MISSING.png",
            ),
            "MISSING.png",
        ),
        (("decode", "MISSING.sem", "x.png"), "MISSING.sem"),
        (("send", "PHOTO", "--out", "PHOTO"), "an input of this command"),
        (("encode", "PHOTO", "PHOTO"), "an input of this command"),
        (("encode", "PHOTO", "."), "not a file"),
        (("encode", ".", "x.sem"), "not a file"),
        (("encode", "/dev/zero", "x.sem"), "not a file"),
        (("send", "PHOTO", "--timeout", "inf"), "--timeout"),
        (("send", "PHOTO", "--symbol-rate", "1e-310"), "symbol_rate_hz"),
        (("send", "PHOTO", "--receiver", "127.0.0.1:1"), "receiver at 127.0.0.1:1"),
        (
            ("send", "PHOTO", "--channel-at", "http://127.0.0.1:50052"),
            "is not an address of the channel: give HOST:PORT",
        ),
        (("encode", "PHOTO", "OUT.sem", "--sender", "127.0.0.1"), "'127.0.0.1' is not an address of the sender"),
        (("probe", "127.0.0.1:99999"), "is not an address of a service"),
        (("serve", "receiver", "--device", "abacus"), "SEMLINK_DEVICE = 'abacus': give cpu, cuda"),
        (("encode", "PHOTO", "OUT.sem", "--sender", "127.0.0.1:1"), "sender at 127.0.0.1:1"),
    ],
)
def test_bad_input_is_reported_in_one_line_with_exit_status_2(args, words, photo, tmp_path, monkeypatch, semlink):
    monkeypatch.chdir(tmp_path)
    status, _, err = semlink(*(str(photo) if arg == "PHOTO" else arg for arg in args))
    assert status == 2
    assert re.fullmatch(r"error: .*\n", err), err
    assert words in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photo.png"]


def test_a_changed_byte_in_a_container_is_refused(photo, tmp_path, semlink, semlink_json):
    sem, out = tmp_path / "a.sem", tmp_path / "a.png"
    semlink_json("encode", photo, sem, "--codec", "hci-learned", "--bytes", 300)
    data = bytearray(sem.read_bytes())
    assert Bitstream.unpack(bytes(data)).header.width == 384
    for position in range(0, len(data), 37):
        changed = data.copy()
        changed[position] ^= 0x10
        sem.write_bytes(changed)
        status, _, err = semlink("decode", sem, out)
        assert status == 2
        assert re.fullmatch(r"error: .*CRC.*\n", err)
        assert not out.exists()


def test_a_container_without_a_decodable_stream_is_refused(tmp_path, semlink):
    for streams, words in (((), "no stream"), ((Stream(StreamKind.HCI, b"\xff" * 9),), "HCI does not decode")):
        sem = tmp_path / "a.sem"
        sem.write_bytes(Bitstream(PictureHeader(64, 64), streams).pack())
        status, _, err = semlink("decode", sem, tmp_path / "a.png", "--decoder", "hci")
        assert status == 2
        assert words in err
        assert not (tmp_path / "a.png").exists()


def test_missing_weights_are_reported_in_one_line_with_the_fix(photo, tmp_path, monkeypatch, semlink, semlink_json):
    monkeypatch.setenv("SEMLINK_POCKET", str(tmp_path))
    quick = ("send", photo, "--codec", "hci-learned")
    status, _, err = semlink(*quick, "--out", tmp_path / "out.png")
    assert status == 2
    assert re.fullmatch(r"error: no weights of the pocket decoder: .*--decoder hci.*\n", err)
    assert semlink_json(*quick, "--decoder", "hci", "--snr", 30)["received"]["rebuilt"]
    status, out, _ = semlink("doctor", "--json")
    assert status == 1
    (lacking,) = [line for line in json.loads(out) if not line["ok"]]
    assert lacking["item"] == "weights pocket"
    assert "no weights" in lacking["remedy"]
