"""The semlink command as a person runs it: real services on loopback, files in, files out."""

from __future__ import annotations

import io
import json
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from lab.cli import app, main
from shared.bitstream import Bitstream, PictureHeader
from shared.streams import Stream, StreamKind

SEMLINK = [sys.executable, "-m", "lab.cli"]


@pytest.fixture
def photo(tmp_path: Path, picture_png: bytes) -> Path:
    path = tmp_path / "photo.png"
    path.write_bytes(picture_png)
    return path


def run(capfd, monkeypatch, *args: object) -> tuple[int, str, str]:
    """Run the command in this process; return exit status and what its descriptors got, gRPC's own lines included."""
    monkeypatch.setattr(sys, "argv", ["semlink", *map(str, args)])
    with pytest.raises(SystemExit) as ended:
        main()
    captured = capfd.readouterr()
    return int(ended.value.code or 0), captured.out, captured.err


@pytest.fixture
def semlink(capfd, monkeypatch):
    return lambda *args: run(capfd, monkeypatch, *args)


@pytest.fixture
def semlink_json(semlink):
    def run_json(*args):
        status, out, err = semlink(*args, "--json")
        assert (status, err) == (0, "")
        return json.loads(out)

    return run_json


def pixels_of(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.fixture(autouse=True)
def _quick_decoder(tiny_pocket):
    """Commands decode with miniature weights, unless a test says otherwise."""


def test_encode_then_decode_equals_what_a_lossless_link_delivers(photo, tmp_path, semlink_json):
    sem, decoded, sent = tmp_path / "a.sem", tmp_path / "decoded.png", tmp_path / "sent.png"
    encoded = semlink_json("encode", photo, sem, "--bytes", 700)
    semlink_json("decode", sem, decoded)
    link = semlink_json("send", photo, "--budget", 700, "--snr", 30, "--out", sent)
    assert decoded.read_bytes() == sent.read_bytes()
    assert link["sent"]["container_bytes"] == encoded["bytes"] == sem.stat().st_size <= 700
    assert encoded["bpp"] == link["sent"]["bpp"] == 8 * sem.stat().st_size / (384 * 256)
    assert link["link"]["delivered"] == link["link"]["packets"] == link["sent"]["packets"] > 0
    assert link["received"]["decoder"] == "pocket"
    assert 15 < link["received"]["quality"]["psnr_db"] < 60
    assert pixels_of(decoded).shape == (256, 384, 3)


def test_a_callers_words_arrive_as_they_were_sent(photo, tmp_path, semlink, semlink_json):
    words = "A cat from Österreich, 猫"
    code, _, err = semlink("encode", photo, tmp_path / "c.sem", "--codec", "misc", "--bytes", "900", "--caption", words)
    assert code == 0, err
    decoded = semlink_json("decode", tmp_path / "c.sem", tmp_path / "c.png", "--decoder", "hci")
    assert {one["kind"]: one["content"] for one in decoded["streams"]}["CAPTION"] == words
    code, _, err = semlink("encode", photo, tmp_path / "c.sem", "--codec", "hci", "--caption", words)
    assert code == 2
    assert "codec 'hci' sends no caption" in err


def test_the_same_seed_gives_the_same_journey(photo, semlink_json):
    args = ("send", photo, "--budget", "900", "--snr", "-2", "--packet-bytes", "64", "--seed", "5")
    first, second = semlink_json(*args), semlink_json(*args)
    for timed in (first, second):
        del timed["sent"]["encode_s"], timed["received"]["decode_s"]
    assert first == second


def test_a_dead_channel_is_reported_and_writes_no_picture(photo, tmp_path, semlink):
    out = tmp_path / "never.png"
    status, text, _ = semlink("send", photo, "--snr", "-20", "--out", out)
    assert status == 0
    assert "no packet that tells the picture's size arrived" in text
    assert not out.exists()


def test_decode_measures_against_a_reference(photo, tmp_path, semlink_json):
    sem, out = tmp_path / "a.sem", tmp_path / "a.png"
    semlink_json("encode", photo, sem)
    report = semlink_json("decode", sem, out, "--reference", photo)
    assert report["psnr_db"] > 15
    assert 0 < report["ms_ssim"] <= 1


def test_grey_and_odd_sizes_cross_the_link(tmp_path, semlink_json):
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
    link = semlink_json("send", photo, "--budget", 300, "--decoder", "hci", "--channel", mine, "--snr", 9)["link"]
    assert (link["mcs"], link["es_n0_db"], link["delivered"]) == (15, 9, link["packets"])
    printed = semlink("send", photo, "--budget", 300, "--decoder", "hci", "--channel", "tdl-a", "--erasure", 1)[1]
    assert re.search(r"│ HCI +│ +\d+", printed)
    assert re.search(r"0 of 2; FEC failed 0, erased 2", printed)
    for text, words in (("", "is empty"), ("snr_db: -.inf", "snr_db = -inf dB"), ("snr_db: 1\nmcs: [", "line 2")):
        other.write_text(text)
        status, _, err = semlink("send", photo, "--decoder", "hci", "--channel", other)
        assert status == 2
        assert re.fullmatch(r"error: .*\n", err)
        assert words in err


def test_unequal_protection_spends_the_same_channel_uses_on_repair(photo, semlink, semlink_json):
    args = ("send", photo, "--codec", "hci-learned", "--budget", 300, "--packet-bytes", 64, "--decoder", "hci")
    faded = (*args, "--channel", "rayleigh", "--snr", 12, "--seed", 3)
    equal, unequal = semlink_json(*faded), semlink_json(*faded, "--protect", "unequal")
    uses = [sum(charge["channel_uses"] for charge in one["link"]["account"]["charges"]) for one in (equal, unequal)]
    assert 0 < uses[1] <= uses[0]
    assert equal["sent"]["repair_packets"] == 0 < unequal["sent"]["repair_packets"]
    assert unequal["received"]["rebuilt"]
    status, _, err = semlink(*args, "--channel", "awgn", "--set", "snr_kind=ebn0", "--protect", "unequal")
    assert status == 2
    assert "esn0" in err


def test_repair_brings_back_what_the_channel_lost(photo, semlink, semlink_json):
    args = ("send", photo, "--codec", "hci-av1", "--budget", 500, "--packet-bytes", 64, "--decoder", "hci", "--snr", 9)
    lossy = (*args, "--erasure", 0.25, "--seed", 3)
    assert not semlink_json(*lossy)["received"]["rebuilt"]
    document = semlink_json(*lossy, "--repair", 1)
    assert document["received"]["rebuilt"]
    (repair,) = document["received"]["repairs"]
    assert repair["state"] == "REPAIR_STATE_REPAIRED"
    assert repair["source_received"] < repair["source_packets"] == document["sent"]["packets"]
    assert document["sent"]["repair_packets"] == document["sent"]["packets"]
    names = [charge["name"] for charge in document["link"]["account"]["charges"]]
    assert names == ["HCI", "repair HCI"]
    assert re.search(r"repair +│ +HCI: \d+ of \d+ packets lost, all recovered", semlink(*lossy, "--repair", 1)[1])


def test_a_picture_from_mars_says_when_it_arrives_and_nobody_waits_for_it(photo, semlink, semlink_json):
    args = ("send", photo, "--codec", "hci-av1", "--budget", 300, "--decoder", "hci", "--channel", "deep-space")
    link = semlink_json(*args, "--body", "mars", "--date", "2026-03-01")["link"]
    assert link["contact"]["light_time_s"] == pytest.approx(1168.3, abs=0.1)
    assert link["last_arrival_date"].startswith("2026-03-01T00:19:28.3")
    assert link["account"]["energy_j"] == pytest.approx(100 * link["account"]["air_time_s"])
    status, shown, _ = semlink("channels", "deep-space", "--body", "moon", "--date", "2026-03-01")
    assert status == 0
    assert "free-space loss" in shown
    assert re.search(r"stations +│ \[goldstone, madrid, canberra\]", shown)


def truncated(png: bytes) -> bytes:
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
def test_bad_pictures_are_one_clear_line(content, words, picture_png, tmp_path, semlink):
    if content == "truncated":
        content = truncated(picture_png)
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
        (("send", "PHOTO", "--codec", "telepathy"), "telepathy"),
        (("send", "PHOTO", "--channel", "telepathy"), "telepathy"),
        (("send", "PHOTO", "--decoder", "telepathy"), "telepathy"),
        (("send", "PHOTO", "--steps", "5"), "steps = 5: give 0 (no flow) to 4"),
        (("send", "PHOTO", "--steps", "-1"), "--steps"),
        (("send", "PHOTO", "--fidelity", "nan"), "fidelity = nan"),
        (("send", "PHOTO", "--decode-seed", str(2**64)), "--decode-seed"),
        (("send", "PHOTO", "--device", "abacus"), "abacus"),
        (("send", "PHOTO", "--device", "cuda:99"), "cuda:99"),
        (("send", "PHOTO", "--device", "cpu", "--receiver", "127.0.0.1:1"), "--device cpu"),
        (("send", "PHOTO", "--trust", "map.jpg"), ".png"),
        (("send", "PHOTO", "--trust", "PHOTO"), "it is the input too"),
        (("send", "PHOTO", "--out", "a.png", "--trust", "a.png"), "name another"),
        (("send", "PHOTO", "--progressive", "PHOTO"), "cannot make the folder"),
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
        (("send", "PHOTO", "--budget", "12"), "budget of 12 bytes"),
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
        (("send", "PHOTO", "--out", "PHOTO"), "it is the input too"),
        (("encode", "PHOTO", "PHOTO"), "it is the input too"),
        (("encode", "PHOTO", "."), "not a file"),
        (("encode", ".", "x.sem"), "not a file"),
        (("encode", "/dev/zero", "x.sem"), "not a file"),
        (("send", "PHOTO", "--timeout", "inf"), "--timeout"),
        (("send", "PHOTO", "--symbol-rate", "1e-310"), "symbol_rate_hz"),
        (("send", "PHOTO", "--receiver", "127.0.0.1:1"), "receiver at 127.0.0.1:1"),
        (("encode", "PHOTO", "OUT.sem", "--sender", "127.0.0.1:1"), "sender at 127.0.0.1:1"),
    ],
)
def test_bad_input_is_one_clear_line_and_exit_2(args, words, photo, tmp_path, monkeypatch, semlink):
    monkeypatch.chdir(tmp_path)
    status, _, err = semlink(*(str(photo) if arg == "PHOTO" else arg for arg in args))
    assert status == 2
    assert re.fullmatch(r"error: .*\n", err), err
    assert words in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photo.png"]


def test_a_changed_byte_in_a_container_is_refused(photo, tmp_path, semlink, semlink_json):
    sem, out = tmp_path / "a.sem", tmp_path / "a.png"
    semlink_json("encode", photo, sem, "--bytes", 300)
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


def test_a_wrong_service_at_an_address_is_named(photo, tmp_path, semlink):
    process, address = started("channel")
    try:
        status, _, err = semlink("encode", photo, tmp_path / "a.sem", "--sender", address)
    finally:
        process.kill()
        process.wait()
    assert status == 2
    assert err == f"error: the sender at {address} is another service: give the address of the right one\n"


def test_a_container_without_a_decodable_stream_is_refused(tmp_path, semlink):
    for streams, words in (((), "no stream"), ((Stream(StreamKind.HCI, b"\xff" * 9),), "HCI does not decode")):
        sem = tmp_path / "a.sem"
        sem.write_bytes(Bitstream(PictureHeader(64, 64), streams).pack())
        status, _, err = semlink("decode", sem, tmp_path / "a.png", "--decoder", "hci")
        assert status == 2
        assert words in err
        assert not (tmp_path / "a.png").exists()


def test_a_picture_from_noise_is_announced_as_such(photo, tmp_path, semlink, semlink_json):
    sem, out = tmp_path / "a.sem", tmp_path / "a.png"
    sem.write_bytes(Bitstream(PictureHeader(64, 80), ()).pack())
    status, text, _ = semlink("decode", sem, out)
    assert status == 0
    assert "no stream whole; invented from noise" in text
    assert pixels_of(out).shape == (80, 64, 3)
    report = semlink_json("decode", sem, out)
    assert report["from_noise"]
    assert report["trust"] == 0
    # At this seed the first packet arrives, others do not.
    link = ("send", photo, "--snr", "-1.9", "--budget", "500", "--packet-bytes", "64", "--seed", "0")
    assert semlink_json(*link)["received"]["from_noise"]
    assert "not received: no stream whole; invented from noise" in semlink(*link)[1]


def test_decoding_options_change_the_picture_and_are_reported(photo, tmp_path, semlink_json):
    sem, out, files = tmp_path / "a.sem", tmp_path / "a.png", []
    semlink_json("encode", photo, sem, "--bytes", 700)
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


def test_the_trust_map_and_the_previews_are_written(photo, tmp_path, semlink, semlink_json):
    out, trust, folder = tmp_path / "out.png", tmp_path / "trust.png", tmp_path / "new" / "previews"
    flags = ("--out", out, "--trust", trust, "--progressive", folder)
    report = semlink_json("send", photo, "--snr", 30, *flags)["received"]
    assert pixels_of(trust).shape == (16, 24)
    assert report["trust"] == pytest.approx(pixels_of(trust).mean() / 255)
    assert (folder / "preview-001.png").is_file()
    assert all(pixels_of(path).shape == (256, 384, 3) for path in folder.iterdir())
    trust.unlink()
    status, text, _ = semlink("send", photo, "--snr", 30, *flags, "--decoder", "hci")
    assert status == 0
    assert "decoder 'hci' makes none" in text
    assert not trust.exists()


def test_missing_weights_are_one_line_with_the_way_out(photo, tmp_path, monkeypatch, semlink, semlink_json):
    monkeypatch.setenv("SEMLINK_POCKET", str(tmp_path))
    status, _, err = semlink("send", photo, "--out", tmp_path / "out.png")
    assert status == 2
    assert re.fullmatch(r"error: no weights of the pocket decoder: .*--decoder hci.*\n", err)
    assert semlink_json("send", photo, "--decoder", "hci", "--snr", 30)["received"]["rebuilt"]
    status, out, _ = semlink("doctor", "--json")
    assert status == 1
    (lacking,) = [line for line in json.loads(out) if not line["ok"]]
    assert lacking["item"] == "weights pocket"
    assert "no weights" in lacking["remedy"]


def test_output_that_cannot_be_written_is_one_line():
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*SEMLINK, "doctor", "--json"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 2
    assert re.fullmatch(r"error: .*\n", done.stderr)


def test_ctrl_c_ends_a_running_service_call_at_once(photo):
    """The interrupt comes when the channel loads Sionna: the services run, and the call waits for a million seconds."""
    # A shell that runs the tests in the background has them, and what they start, ignore interrupts.
    heeding = "from signal import *; signal(SIGINT, default_int_handler); from lab.cli import main; main()"
    command = [sys.executable, "-X", "importtime", "-c", heeding, "send", str(photo)]
    waits = ["--snr", "30", "--delay", "1e6", "--time-scale", "1"]
    process = subprocess.Popen([*command, *waits], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert any("sionna" in line for line in process.stderr)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    told = [line for line in err.splitlines() if not line.startswith("import time:")]
    assert (out, told) == ("", ["error: stopped"])


def test_help_names_every_command():
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    for command in ("demo", "send", "channels", "encode", "decode", "serve", "up", "probe", "doctor"):
        assert command in result.output


def test_the_command_imports_nothing_heavy_to_print_help():
    code = (
        "import sys, lab.cli; print([m for m in ('torch', 'sionna', 'grpc', 'numpy', 'av', 'PIL') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_doctor_finds_what_the_link_needs(semlink_json):
    report = semlink_json("doctor")
    found = {line["item"]: line["found"] for line in report}
    assert {"python", "torch", "AV1 encoder", "AV1 decoder", "GPU"} <= found.keys()
    assert re.fullmatch(
        r"autoencoder, controlnet, restorer, unet, words: \d+ bytes; decodes on \w+", found["weights pocket"]
    )
    assert all(line["ok"] for line in report)


def started(service: str) -> tuple[subprocess.Popen[str], str]:
    """Start a service as its own process; return it and its address."""
    process = subprocess.Popen([*SEMLINK, "serve", service, "--port", "0", "--json"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(3)]
    process.stdout.close()
    return process, json.loads("".join(lines))[service]


@pytest.mark.parametrize("service", ["sender", "channel", "receiver"])
def test_a_service_process_serves_and_stops_on_sigterm(service):
    process, address = started(service)
    try:
        status = health_of(address)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
    finally:
        process.kill()
        process.wait()
    assert status == "SERVING"


def health_of(address: str) -> str:
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    with grpc.insecure_channel(address) as channel:
        reply = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
    return health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status)


def test_a_taken_port_is_named():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = [*SEMLINK, "serve", "sender", "--port", str(port)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert re.fullmatch(rf"error: .*127.0.0.1:{port}.*\n", done.stderr)
