"""The commands encode, decode, send and channels as a user runs them: files in, files out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from unittest.mock import ANY

import numpy as np
import pytest
from PIL import Image

from shared.bitstream import Bitstream, PictureHeader
from shared.regions.coder import encode_regions
from shared.regions.region import Region
from shared.streams import Stream, StreamKind

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("tiny_pocket")  # commands decode with miniature weights
QUICK = ("--codec", "hci-learned")
"""It encodes in a tenth of the time of the usual codec, where any stream will do."""


def pixels_of(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def test_encode_and_decode_give_the_picture_of_a_lossless_link(photo, tmp_path, semlink_json):
    sem, decoded, sent = tmp_path / "a.sem", tmp_path / "decoded.png", tmp_path / "sent.png"
    encoded = semlink_json("encode", photo, sem, *QUICK, "--bytes", 700)
    decoded_report = semlink_json("decode", sem, decoded)
    link = semlink_json("send", photo, *QUICK, "--bytes", 700, "--snr", 30, "--out", sent)
    assert decoded.read_bytes() == sent.read_bytes()
    assert link["sent"]["container_bytes"] == encoded["bytes"] == sem.stat().st_size <= 700
    assert encoded["bpp"] == link["sent"]["bpp"] == 8 * sem.stat().st_size / (384 * 256)
    assert link["link"]["delivered"] == link["link"]["packets"] == link["sent"]["packets"] > 0
    assert link["sent"]["streams"] == encoded["streams"] == [{"kind": "HCI", "bytes": sem.stat().st_size - 7}]
    (stream,) = link["received"]["streams"]
    assert (stream["kind"], stream["bytes"], stream["state"]) == (
        "HCI",
        sem.stat().st_size - 7,
        "STREAM_STATE_WHOLE",
    )
    assert link["received"]["streams"][0]["content"] == decoded_report["streams"][0]["content"]
    assert link["received"]["decoder"] == "pocket"
    assert 15 < link["received"]["quality"]["psnr_db"] < 60
    assert pixels_of(decoded).shape == (256, 384, 3)


def test_a_given_caption_arrives_unchanged(photo, tmp_path, semlink, semlink_json):
    words = "A cat from Österreich, 猫"
    code, _, err = semlink("encode", photo, tmp_path / "c.sem", "--codec", "misc", "--bytes", "900", "--caption", words)
    assert code == 0, err
    decoded = semlink_json("decode", tmp_path / "c.sem", tmp_path / "c.png", "--decoder", "hci")
    assert {one["kind"]: one["content"] for one in decoded["streams"]}["CAPTION"] == words
    code, _, err = semlink("encode", photo, tmp_path / "c.sem", "--codec", "hci", "--caption", words)
    assert code == 2
    assert "codec 'hci' sends no caption" in err


def test_the_same_seed_gives_the_same_report(photo, semlink_json):
    args = ("send", photo, *QUICK, "--bytes", "900", "--snr", "-2", "--packet-bytes", "64", "--seed", "5")
    first, second = semlink_json(*args), semlink_json(*args)
    for timed in (first, second):
        del timed["sent"]["encode_s"], timed["received"]["decode_s"]
    assert first == second


def test_a_channel_that_loses_everything_is_reported_and_no_picture_is_written(photo, tmp_path, semlink):
    out, trust, overlay = stale = [tmp_path / name for name in ("out.png", "trust.png", "overlay.png")]
    flags = ("--out", out, "--trust", trust, "--trust-overlay", overlay)
    for path in stale:  # an older run, of which nothing may pass for a result
        path.write_bytes(b"older")
    status, text, _ = semlink("send", photo, *QUICK, "--snr", "-20", *flags)
    assert status == 0
    assert re.search(r"outcome +│ +lost: no packet with the picture's size arrived", text)
    assert re.search(r"PSNR +│ +- dB", text)
    assert f"there is no picture: nothing was written to {out}; an older file there is removed" in text
    assert not [path for path in stale if path.exists()]


def test_a_command_that_fails_leaves_older_files_as_they_are(photo, tmp_path, semlink):
    out = tmp_path / "out.png"
    out.write_bytes(b"older")
    assert semlink("send", photo, "--bytes", "9", "--out", out)[0] == 2
    assert out.read_bytes() == b"older"


def test_decode_measures_against_a_reference(photo, tmp_path, semlink_json):
    sem, out = tmp_path / "a.sem", tmp_path / "a.png"
    semlink_json("encode", photo, sem, *QUICK)
    report = semlink_json("decode", sem, out, "--reference", photo)
    assert report["psnr_db"] > 15
    assert 0 < report["ms_ssim"] <= 1


def test_grey_pictures_and_odd_sizes_can_be_sent(tmp_path, semlink_json):
    grey, tall = tmp_path / "grey.png", tmp_path / "tall.png"
    Image.fromarray(np.tile(np.arange(101, dtype=np.uint8), (333, 1))).save(grey)
    Image.new("RGBA", (64, 1001), (200, 30, 40, 128)).save(tall)
    for path, mode, size in ((grey, "L", (101, 333)), (tall, "RGB", (64, 1001))):
        out = tmp_path / f"out_{path.name}"
        report = semlink_json("send", path, "--snr", 30, "--out", out)
        assert report["received"]["rebuilt"]
        with Image.open(out) as image:
            assert (image.mode, image.size) == (mode, size)


def test_channels_are_listed_shown_and_read_from_files(photo, tmp_path, semlink, semlink_json):
    names = [one["name"] for one in semlink_json("channels")]
    assert {"awgn", "rician", "tdl-e"} <= set(names)
    shown = semlink_json("channels", "tdl-a", "--set", "propagation.speed_m_s=30")
    assert shown["settings"]["propagation.speed_m_s"] == {"value": "30.0", "unit": "m/s"}
    assert "delay_spread_s" in semlink("channels", "tdl-a")[1]
    mine, other = tmp_path / "mine.yaml", tmp_path / "other.yaml"
    mine.write_text("snr_db: 25\nmcs: auto\npropagation: {kind: rician, k_factor_db: 40}\n")
    link = semlink_json("send", photo, *QUICK, "--decoder", "hci", "--channel", mine, "--snr", 9)["link"]
    assert (link["mcs"], link["es_n0_db"], link["delivered"]) == (15, 9, link["packets"])
    lost = ("send", photo, "--codec", "hci", "--bytes", 300, "--decoder", "hci", "--channel", "tdl-a", "--erasure", 1)
    printed = semlink(*lost)[1]
    assert re.search(r"│ HCI +│ +\d+", printed)
    assert re.search(r"0 of 2; FEC failed 0, erased 2", printed)
    for text, words in (("", "is empty"), ("snr_db: -.inf", "snr_db = -inf dB"), ("snr_db: 1\nmcs: [", "line 2")):
        other.write_text(text)
        status, _, err = semlink("send", photo, "--decoder", "hci", "--channel", other)
        assert status == 2
        assert re.fullmatch(r"error: .*\n", err)
        assert words in err


def test_unequal_protection_spends_the_same_channel_uses_on_repair(photo, semlink, semlink_json):
    args = ("send", photo, "--codec", "hci-learned", "--bytes", 300, "--packet-bytes", 64, "--decoder", "hci")
    faded = (*args, "--channel", "rayleigh", "--set", "propagation.fading=independent", "--snr", 12, "--seed", 3)
    plain, unequal = (semlink_json(*faded, "--protect", name) for name in ("none", "unequal"))
    uses = [sum(charge["channel_uses"] for charge in one["link"]["account"]["charges"]) for one in (plain, unequal)]
    assert 0 < uses[1] <= uses[0]
    assert plain["sent"]["repair_packets"] == 0 < unequal["sent"]["repair_packets"]
    assert unequal["received"]["rebuilt"]
    assert plain["protection"] == {
        "asked": "none",
        "chosen": "none",
        "expected_lpips_alex": {},
        "streams": [],
        "reason": "",
    }
    (stream,) = unequal["protection"]["streams"]
    assert stream == {"kind": "HCI", "mcs": ANY, "repair_packets": unequal["sent"]["repair_packets"]}
    status, _, err = semlink(*args, "--channel", "awgn", "--set", "snr_kind=ebn0", "--protect", "unequal")
    assert status == 2
    assert "esn0" in err


def test_repair_packets_recover_lost_packets(photo, semlink, semlink_json):
    args = ("send", photo, *QUICK, "--bytes", 500, "--packet-bytes", 64, "--decoder", "hci", "--snr", 9)
    lossy = (*args, "--erasure", 0.25, "--seed", 3)
    assert not semlink_json(*lossy, "--protect", "none")["received"]["rebuilt"]
    chosen = semlink_json(*lossy)
    assert chosen["received"]["rebuilt"]
    assert chosen["sent"]["repair_packets"] > 0
    losses = chosen["protection"]["expected_lpips_alex"]
    assert losses[chosen["protection"]["chosen"]] == min(losses.values()) < losses["none"]
    assert re.search(r"protection +│ +(un)?equal \(auto\): LPIPS-Alex 0\.\d+ expected, none 0", semlink(*lossy)[1])
    document = semlink_json(*lossy, "--repair", 1)
    assert document["received"]["rebuilt"]
    (repair,) = document["received"]["repairs"]
    assert repair["state"] == "REPAIR_STATE_REPAIRED"
    assert repair["source_received"] < repair["source_packets"] == document["sent"]["packets"]
    assert document["sent"]["repair_packets"] == document["sent"]["packets"]
    names = [charge["name"] for charge in document["link"]["account"]["charges"]]
    assert names == ["HCI", "repair HCI"]
    assert re.search(r"repair +│ +HCI: \d+ of \d+ packets lost, all recovered", semlink(*lossy, "--repair", 1)[1])


def test_a_picture_from_mars_has_an_arrival_date_and_the_command_does_not_wait(photo, semlink, semlink_json):
    args = ("send", photo, *QUICK, "--bytes", 300, "--decoder", "hci", "--channel", "deep-space")
    link = semlink_json(*args, "--body", "mars", "--date", "2026-03-01")["link"]
    assert link["contact"]["light_time_s"] == pytest.approx(1168.3, abs=0.1)
    assert link["last_arrival_date"].startswith("2026-03-01T00:19:28.28")
    assert link["account"]["energy_j"] == pytest.approx(100 * link["account"]["air_time_s"])
    status, shown, _ = semlink("channels", "deep-space", "--body", "moon", "--date", "2026-03-01")
    assert status == 0
    assert "free-space loss" in shown
    assert re.search(r"stations +│ \[goldstone, madrid, canberra\]", shown)


def test_a_stream_that_does_not_decode_is_reported_and_the_picture_is_made_without_it(
    photo, tmp_path, semlink, semlink_json
):
    sem, out = tmp_path / "a.sem", tmp_path / "a.png"
    semlink_json("encode", photo, sem, *QUICK, "--bytes", 300)
    container = Bitstream.unpack(sem.read_bytes())
    nameless = encode_regions([Region("", "", np.eye(8, dtype=bool)), Region("dog", "", np.eye(8, dtype=bool))])
    streams = [Stream(StreamKind.CAPTION, b"\xff" * 9), Stream(StreamKind.REGIONS, nameless)]
    sem.write_bytes(Bitstream(container.header, (*container.streams, *streams)).pack())
    status, text, _ = semlink("decode", sem, out, "--decoder", "hci")
    assert status == 0
    assert "note: CAPTION arrived but cannot be decoded: not used for the picture\n" in text
    assert "REGIONS unnamed (no detail), dog (no detail)\n" in text
    assert out.exists()


def test_an_invented_picture_is_reported_as_invented(photo, tmp_path, semlink, semlink_json):
    sem, out = tmp_path / "a.sem", tmp_path / "a.png"
    sem.write_bytes(Bitstream(PictureHeader(64, 80), ()).pack())
    status, text, _ = semlink("decode", sem, out)
    assert status == 0
    assert "no stream is complete; the result is the mean of all training pictures" in text
    assert pixels_of(out).shape == (80, 64, 3)
    report = semlink_json("decode", sem, out)
    assert report["invented"]
    assert report["trust"] == 0
    whole = ("send", photo, *QUICK, "--bytes", "500", "--packet-bytes", "64", "--erasure", "0.6")
    whole = (*whole, "--protect", "none")
    # At some seed the first packet arrives, and others do not.
    link = next(
        run
        for seed in range(8)
        if semlink_json(*(run := (*whole, "--seed", str(seed))))["received"]["outcome"] == "invented"
    )
    assert "invented: no stream is complete; the result is the mean of all training pictures" in semlink(*link)[1]


def test_decoding_options_change_the_picture_and_are_reported(photo, tmp_path, semlink_json):
    sem, out, files = tmp_path / "a.sem", tmp_path / "a.png", []
    semlink_json("encode", photo, sem, *QUICK, "--bytes", 700)
    for options in (
        {"steps": 0, "fidelity": 0.0, "decode-seed": 0},
        {"steps": 2, "fidelity": 0.5, "decode-seed": 0},
        {"steps": 2, "fidelity": 0.5, "decode-seed": 9},
    ):
        flags = [text for name, value in options.items() for text in (f"--{name}", value)]
        report = semlink_json("decode", sem, out, *flags, "--device", "cpu")
        assert [report["steps"], report["fidelity"], report["seed"], report["device"]] == [*options.values(), "cpu"]
        files.append(out.read_bytes())
    assert len(set(files)) == 3


def test_previews_of_a_container_are_written_and_older_ones_removed(photo, tmp_path, semlink, semlink_json):
    sem, folder = tmp_path / "a.sem", tmp_path / "new" / "previews"
    semlink_json("encode", photo, sem, *QUICK, "--bytes", 700)
    folder.mkdir(parents=True)
    (folder / "preview-077.png").write_bytes(b"older")
    (folder / "preview-of-mine.png").write_bytes(b"mine")
    semlink_json("decode", sem, tmp_path / "a.png", "--progressive", folder)
    names = sorted(path.name for path in folder.iterdir())
    assert names == [*(f"preview-{number:03d}.png" for number in range(1, len(names))), "preview-of-mine.png"]
    assert len(names) > 1
    assert all(pixels_of(folder / name).shape == (256, 384, 3) for name in names[:-1])
    status, _, err = semlink("decode", sem, folder / "preview-001.png", "--progressive", folder)
    assert status == 2
    assert "has the name of a file that --progressive writes" in err


def test_the_trust_map_is_written(photo, tmp_path, semlink, semlink_json):
    out, trust, overlay = (tmp_path / name for name in ("out.png", "trust.png", "overlay.png"))
    flags = ("--out", out, "--trust", trust, "--trust-overlay", overlay)
    report = semlink_json("send", photo, *QUICK, "--snr", 30, *flags)["received"]
    assert pixels_of(trust).shape == (256, 384)
    assert pixels_of(overlay).shape == (256, 384, 3)
    assert report["trust"] == pytest.approx(pixels_of(trust).mean() / 255)
    status, text, _ = semlink("send", photo, *QUICK, "--snr", 30, *flags, "--decoder", "hci")
    assert status == 0
    assert f"no trust map was written to {trust}: decoder 'hci' makes none" in text
    assert not trust.exists()
    assert not overlay.exists()
