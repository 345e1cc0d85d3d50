"""``semlink send --watch``: the picture after each packet that arrives."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from semlink.client.local_services import RunSettings, start_services
from shared.picture import load_picture

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SLICED = (
    *("--bytes", 500, "--caption", "", "--erasure", 0.25, "--snr", 20, "--seed", 2, "--protect", "none"),
    *("--decoder", "hci"),
)
"""A link that loses some packets and repairs none, so that the picture comes in slices."""


@contextmanager
def running_services() -> Iterator[list[str]]:
    """Yield the options of the three services, which run on an event loop of their own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    names = {"sender": "--sender", "channel": "--channel-at", "receiver": "--receiver"}
    try:
        services = asyncio.run_coroutine_threadsafe(start_services(tuple(names), RunSettings()), loop).result()
        yield [text for name, option in names.items() for text in (option, services[name].address)]
        for service in services.values():
            asyncio.run_coroutine_threadsafe(service.stop(0), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def read_folder(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_each_packet_that_arrives_gives_a_picture_and_older_ones_are_removed(photo, tmp_path, semlink, semlink_json):
    folder, out = tmp_path / "new" / "watch", tmp_path / "out.png"
    folder.mkdir(parents=True)
    (folder / "0099_12345bytes.png").write_bytes(b"older")
    (folder / "mine.png").write_bytes(b"mine")
    report = semlink_json("send", photo, *SLICED, "--out", out, "--watch", folder)
    rows, files = json.loads((folder / "watch.json").read_text()), read_folder(folder)
    assert 1 < len(rows) == report["link"]["delivered"] < report["link"]["packets"]
    names = [f"{row['order']:04d}_{row['bytes_received']:04d}bytes.png" for row in rows]
    assert sorted(files) == [*names, "mine.png", "watch.json"]
    assert [row["file"] for row in rows] == names
    assert [row["order"] for row in rows] == [*range(1, len(rows) + 1)]
    for key in ("arrival_s", "packet", "bytes_received"):
        assert all(earlier[key] < later[key] for earlier, later in pairwise(rows)), key
    assert all(len(row["units"]) == 1 and row["units"][0].split()[0] in ("BASE", "HCI") for row in rows)
    assert rows[-1]["psnr_db"] > rows[0]["psnr_db"] + 0.5
    assert rows[-1]["psnr_db"] == pytest.approx(report["received"]["quality"]["psnr_db"])
    assert files[names[-1]] == out.read_bytes()
    assert all(load_picture(files[name]).pixels.shape == (256, 384, 3) for name in names)

    status, text, _ = semlink("send", photo, *SLICED, "--snr", -20, "--watch", folder)
    assert status == 0
    assert f"{folder} has 0 pictures after 0 packets that arrived" in text
    assert sorted(read_folder(folder)) == ["mine.png", "watch.json"]
    assert json.loads((folder / "watch.json").read_text()) == []


def test_packets_that_complete_nothing_have_no_picture_and_say_so(photo, tmp_path, semlink):
    folder = tmp_path / "watch"
    whole = ("--codec", "hci-learned", "--bytes", 300, "--packet-bytes", 64, "--snr", 20, "--decoder", "hci")
    status, text, _ = semlink("send", photo, *whole, "--watch", folder)
    *before, last = json.loads((folder / "watch.json").read_text())
    assert status == 0
    assert before
    assert all((row["file"], row["psnr_db"], row["units"]) == (None, None, []) for row in before)
    assert (last["units"], last["reason"]) == (["HCI"], "")
    assert f"{len(before)} without: the packet completes no unit" in " ".join(text.split())
    assert len(read_folder(folder)) == 2


@pytest.mark.usefixtures("tiny_pocket")
def test_the_last_picture_is_the_decoders_and_the_others_come_from_the_one_asked_for(
    small_photo, tmp_path, semlink_json
):
    folder, out = tmp_path / "watch", tmp_path / "out.png"
    args = ("send", small_photo, *SLICED[:-2], "--out", out, "--watch", folder)
    semlink_json(*args)
    *before, last = json.loads((folder / "watch.json").read_text())
    assert {row["decoder"] for row in before} == {"hci"}
    assert last["decoder"] == "pocket"
    assert (folder / last["file"]).read_bytes() == out.read_bytes()
    semlink_json(*args, "--watch-decoder", "pocket")
    assert {row["decoder"] for row in json.loads((folder / "watch.json").read_text())} == {"pocket"}


def test_services_give_the_same_files_as_one_process(small_photo, tmp_path, semlink_json):
    here, there = tmp_path / "here", tmp_path / "there"
    semlink_json("send", small_photo, *SLICED, "--watch", here)
    with running_services() as options:
        semlink_json("send", small_photo, *SLICED, *options, "--watch", there)
    assert read_folder(here) == read_folder(there)


def test_a_picture_to_send_is_not_taken_for_an_older_preview(photo, tmp_path, semlink):
    given = photo.rename(tmp_path / "0001_0412bytes.png")
    status, _, err = semlink("send", given, "--watch", tmp_path)
    assert status == 2
    assert f"{given} has the name of a file that --watch writes in {tmp_path}" in err
    assert given.exists()


def test_unequal_protection_can_be_watched(photo, tmp_path, semlink_json):
    args = ("--codec", "hci-learned", "--bytes", 300, "--packet-bytes", 64, "--decoder", "hci", "--protect", "unequal")
    semlink_json("send", photo, *args, "--channel", "rayleigh", "--snr", 12, "--watch", tmp_path / "watch")
    rows = json.loads((tmp_path / "watch" / "watch.json").read_text())
    assert any(row["file"] for row in rows)
