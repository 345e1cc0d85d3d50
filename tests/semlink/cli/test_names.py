"""Names of files that are no plain ASCII, standard input and output, and levels, at the command."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from semlink.cli.main import main
from shared.bitstream import Bitstream

CODEC = ("--codec", "hci-learned")
MAIN = "from semlink.cli.main import main; main()"


@pytest.mark.parametrize(
    "name", ["caf\udce9.png", "x[/b].png", "photo[bold].png", "two\nlines.png", "夏" * 80 + ".png"]
)
def test_a_picture_of_any_name_is_encoded_and_shown(name, tmp_path, picture_png, semlink):
    (tmp_path / name).parent.mkdir(exist_ok=True)  # a tag that closes holds a slash
    (tmp_path / name).write_bytes(picture_png)
    status, out, err = semlink("encode", tmp_path / name, tmp_path / "out.sem", *CODEC)
    assert status == 0, err
    shown = name.replace("\udce9", r"\xe9").replace("\n", r"\n")
    assert shown in out.replace("\n", "").replace(" ", "") + out
    assert (tmp_path / "out.sem").stat().st_size > 0


def test_a_bad_picture_is_named_whatever_its_name(tmp_path, semlink):
    bad = tmp_path / "b\udce9\n.png"
    bad.write_bytes(b"no picture")
    status, _, err = semlink("encode", bad, tmp_path / "out.sem", *CODEC)
    assert status == 2
    assert r"b\xe9\n.png: this is not a picture" in err


@pytest.mark.parametrize("option", ["--mcs", "--set", "--sender", "--caption", "--channel"])
def test_an_option_that_is_not_utf8_is_refused(option, photo, semlink):
    status, _, err = semlink("send", photo, option, "caf\udce9")
    assert status == 2
    assert err == f"error: {option} caf\\xe9: holds bytes that are not UTF-8; write it in UTF-8\n"


@pytest.mark.parametrize(("command", "argument"), [("channels", "NAME|FILE.yaml"), ("probe", "HOST:PORT")])
def test_an_argument_that_is_not_utf8_is_refused_by_its_name(command, argument, semlink):
    status, _, err = semlink(command, "caf\udce9")
    assert status == 2
    assert err == f"error: {argument} caf\\xe9: holds bytes that are not UTF-8; write it in UTF-8\n"


def test_encode_and_decode_work_in_a_pipe(tmp_path, picture_png, monkeypatch, capfdbinary):
    def run(given, *args):
        monkeypatch.setattr(sys, "argv", ["semlink", *map(str, args)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code
        return capfdbinary.readouterr()

    monkeypatch.chdir(tmp_path)
    encoded = run(picture_png, "encode", "-", "-", *CODEC)
    assert Bitstream.unpack(encoded.out).header.width == 384
    assert b"hci-learned" in encoded.err
    decoded = run(encoded.out, "decode", "-", "-", "--decoder", "hci", "--json")
    assert Image.open(io.BytesIO(decoded.out)).size[0] == 384
    assert json.loads(decoded.err)["decoder"] == "hci"
    assert list(tmp_path.iterdir()) == []


def test_levels_of_a_dark_picture(tmp_path, semlink_json):
    dark = np.tile(np.arange(200, dtype=np.uint16) * 16, (120, 1))
    Image.fromarray(dark).save(tmp_path / "dark.tif")
    noted = semlink_json("encode", tmp_path / "dark.tif", tmp_path / "a.sem", *CODEC, "--levels", "auto")["notes"]
    assert "levels auto: 0 became black and 3184 white" in noted[0]
    plain = semlink_json("encode", tmp_path / "dark.tif", tmp_path / "b.sem", *CODEC)["notes"]
    assert plain[0].endswith("levels auto would show more of them")
    assert (tmp_path / "a.sem").read_bytes() != (tmp_path / "b.sem").read_bytes()


@pytest.mark.parametrize("levels", ["dark", "5:1"])
def test_wrong_levels_are_refused(levels, photo, semlink):
    status, _, err = semlink("send", photo, "--levels", levels)
    assert status == 2
    assert "give full, auto, or LOW:HIGH" in err


def test_without_standard_output_and_with_ascii_only(tmp_path, picture_png):
    name = "h\u00f6he\u590f.png"
    (tmp_path / name).write_bytes(picture_png)
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", MAIN, "encode", tmp_path / name, "out.sem", *CODEC]
    shown = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=True)
    assert rb"h\xf6he\u590f.png" in shown.stdout.replace(b"\n", b"")
    expected = (tmp_path / "out.sem").read_bytes()
    closed = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" >&- 2>&- <&-', "sh", *command], check=False, cwd=tmp_path, env=environment
    )
    assert closed.returncode == 0
    assert (tmp_path / "out.sem").read_bytes() == expected
    for arguments in (["encode", name, "-"], ["decode", "out.sem", "-"], ["send", name, "--out", "-"]):
        closed = subprocess.run(
            ["/bin/sh", "-c", 'exec "$@" >&-', "sh", *command[:3], *arguments],
            check=False,
            cwd=tmp_path,
            env=environment,
            stderr=subprocess.PIPE,
        )
        assert (closed.returncode, closed.stderr.count(b"\n")) == (2, 1)
        assert b"standard output is closed" in closed.stderr
    assert sorted(Path(tmp_path).iterdir()) == sorted([tmp_path / name, tmp_path / "out.sem"])
