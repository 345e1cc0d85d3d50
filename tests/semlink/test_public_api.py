"""The Python API as a user meets it: names, examples, errors, and the same calls over services."""

from __future__ import annotations

import asyncio
import contextlib
import doctest
import importlib
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

import semlink
from semlink.client.local_services import RunSettings, start_services

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLES = ("semlink", "semlink._api")


@pytest.fixture(scope="module")
def picture(synthetic_pixels) -> np.ndarray:
    return synthetic_pixels(192, 128)


def encode(picture) -> semlink.Encoded:
    """Encode in a tenth of the time of the usual codec, where any stream will do."""
    return semlink.encode(picture, codec="hci-learned", max_bytes=300)


@pytest.fixture(scope="module")
def encoded(picture) -> semlink.Encoded:
    return encode(picture)


@pytest.mark.parametrize("module", EXAMPLES)
def test_the_examples_in_the_docstrings_run(module):
    results = doctest.testmod(importlib.import_module(module))
    assert results.attempted > 0
    assert results.failed == 0


def test_all_names_exist_and_are_documented():
    assert sorted(semlink.__all__) == semlink.__all__
    for name in semlink.__all__:
        assert getattr(semlink, name).__doc__, name


def test_import_loads_nothing_heavy():
    code = "import sys, semlink; print([m for m in ('torch', 'numpy', 'grpc', 'PIL', 'sionna') if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_a_users_script_passes_mypy_strict(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import semlink\n"
        "encoded = semlink.encode('photo.jpg', codec='layered', max_bytes=1000)\n"
        "link = semlink.Link('rayleigh', snr_db=6, seed=1)\n"
        "received = link.send(encoded)\n"
        "picture = semlink.decode(received)\n"
        "width: int = picture.image.width\n"
        "psnr_db: float = picture.quality('photo.jpg')['psnr_db']\n"
        "wrong: str = received.channel_uses\n"
    )
    # With the project's own settings, so that the cache of `make check` holds all modules but the script.
    command = [sys.executable, "-m", "mypy", "--strict", str(script)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.stdout.count("error:") == 1, found.stdout
    assert 'expression has type "int", variable has type "str"' in found.stdout


def test_pictures_come_as_paths_bytes_images_and_arrays(picture, tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(picture).save(path)
    given = (picture, path, str(path), path.read_bytes(), Image.fromarray(picture))
    assert len({encode(one).data for one in given}) == 1


def test_streams_come_as_values_bytes_and_files(encoded, tmp_path):
    path = encoded.save(tmp_path / "photo.sem")
    given = (encoded, encoded.bitstream, encoded.data, path, str(path))
    assert len({semlink.decode(one, decoder="hci").png for one in given}) == 1


def test_a_link_repeats_itself_and_the_picture_index_changes_the_noise(encoded):
    link = semlink.Link("awgn", snr_db=-1.5, packet_bytes=32, seed=3)
    first = link.send(encoded)
    assert first == link.send(encoded) == semlink.Link("awgn", snr_db=-1.5, packet_bytes=32, seed=3).send(encoded)
    assert 0 < first.delivered < len(first.packets)
    others = [link.send(encoded, picture_index=index).packets for index in range(1, 4)]
    assert any([one.outcome for one in other] != [one.outcome for one in first.packets] for other in others)


def test_packets_leave_in_the_codecs_order(picture):
    encoded = semlink.encode(picture, codec="layered", max_bytes=400)
    assert [kind.name for kind in encoded.order] != [stream.kind.name for stream in encoded.bitstream.streams]
    received = semlink.Link(snr_db=20).send(encoded)
    assert received.bitstream == encoded.bitstream
    assert received.streams == tuple(encoded.stream_bytes)


def test_channels_come_by_name_file_and_mapping(encoded, tmp_path):
    document = {"snr_db": 25, "mcs": 4, "propagation": {"kind": "rician", "k_factor_db": 40}}
    path = tmp_path / "mine.yaml"
    path.write_text("snr_db: 25\nmcs: 4\npropagation: {kind: rician, k_factor_db: 40}\n")
    results = [semlink.Link(one, seed=1).send(encoded) for one in (document, path, str(path))]
    assert results[0] == results[1] == results[2]
    assert results[0].lost == 0
    assert (
        semlink.Link("tdl-a", settings={"propagation.speed_m_s": 30}).describe()["propagation.speed_m_s"] == "30.0 m/s"
    )


def test_settings_are_numbers_of_python_or_numpy(encoded):
    expected = semlink.Link({"snr_db": 9.0, "mcs": 8}, seed=1).send(encoded)
    assert expected.mcs == 8
    for options in ({"mcs": 8}, {"mcs": "8"}, {"mcs": np.int64(8)}, {"settings": {"mcs": 8}}):
        assert semlink.Link("awgn", snr_db=np.float32(9), seed=1, **options).send(encoded) == expected
    assert semlink.Link({"snr_db": np.float64(9), "mcs": 8}, seed=1).send(encoded) == expected
    assert semlink.Link(snr_db=20, mcs="auto").send(encoded).mcs > 8


def test_a_pillow_image_is_read_as_its_file_is(picture, tmp_path):
    path = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    Image.fromarray(picture).save(path, exif=exif)
    with Image.open(path) as image:
        assert encode(image).bitstream.header == encode(path).bitstream.header
    for mode in ("CMYK", "YCbCr", "HSV", "LAB", "RGBX", "La", "RGBa", "L", "1", "P"):
        image = Image.fromarray(picture).convert("RGBA" if mode == "RGBa" else "LA" if mode == "La" else "RGB")
        assert encode(image.convert(mode)).bitstream.header.width == 192, mode


def test_wide_values_come_as_arrays_images_and_files_with_levels(picture, tmp_path):
    wide = picture[..., 0].astype(np.uint16) * 16
    Image.fromarray(wide).save(tmp_path / "wide.tif")
    given = (wide, wide.astype(np.float32), Image.fromarray(wide.astype(np.float32)), tmp_path / "wide.tif")
    encoded = [semlink.encode(one, codec="hci-learned", levels="0:4080") for one in given]
    assert {one.data for one in encoded} == {semlink.encode(picture[..., 0], codec="hci-learned").data}
    assert all("levels 0:4080: 0 became black and 4080 white" in one.notes[0] for one in encoded)


def test_values_print_no_payloads(picture):
    encoded = semlink.encode(picture, codec="hci-learned", max_bytes=3000)
    assert len(encoded.data) > 500
    received = semlink.Link(snr_db=20).send(encoded)
    for value in (encoded, received, semlink.decode(received, decoder="hci")):
        assert len(repr(value)) < 500
        hash(value)


def test_a_closed_client_is_refused():
    client = semlink.connect(sender="127.0.0.1:1")
    client.close()
    client.close()
    with pytest.raises(semlink.LinkError, match="this client is closed"):
        client.codecs()


def test_nothing_received_is_one_error_and_no_picture(picture, encoded):
    link = semlink.Link(snr_db=-20)
    received = link.send(encoded)
    assert (received.delivered, received.bitstream, received.streams) == (0, None, ())
    with pytest.raises(semlink.NothingReceivedError, match="0 of 1 packets"):
        semlink.decode(received)
    assert semlink.send(picture, link, max_bytes=300).picture is None


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda picture: semlink.encode("missing.png"), "missing.png"),
        (lambda picture: semlink.encode(picture.astype(float)), "64 bit floating-point values from"),
        (lambda picture: semlink.encode(picture.astype(int)), "uint8"),
        (lambda picture: semlink.encode(picture, levels="dark"), "levels 'dark': give full, auto, or LOW:HIGH"),
        (lambda picture: semlink.encode(__file__), "test_public_api.py: this is not a picture"),
        (lambda picture: semlink.Link(settings={"caf\udce9": 1}).describe(), r"caf\xe9"),
        (lambda picture: semlink.Link(mcs="\udce9").describe(), r"mcs = \xe9"),
        (lambda picture: semlink.connect(sender="\udce9:5").codecs(), "is not an address"),
        (lambda picture: semlink.encode(picture, codec="jpeg"), "unknown codec 'jpeg'"),
        (lambda picture: semlink.encode(picture, max_bytes=3), "3 bytes"),
        (lambda picture: semlink.encode(3), "int is no picture"),
        (lambda picture: semlink.decode(b"abc"), "3 bytes"),
        (lambda picture: semlink.decode(3), "int is no stream"),
        (lambda picture: semlink.previews(b"abc"), "bytes has no packets: give what Link.send returns"),
        (
            lambda picture: semlink.previews(semlink.Link().send(encode(picture)), draft_decoder="x"),
            "unknown decoder 'x'",
        ),
        (lambda picture: semlink.decode(encode(picture), fidelity=2), "fidelity = 2"),
        (lambda picture: semlink.decode(encode(picture), decoder="x"), "unknown decoder 'x'"),
        (lambda picture: semlink.encode(picture, max_bytes=0), "max_bytes = 0"),
        (lambda picture: semlink.encode(picture[:0]), "uint8"),
        (lambda picture: semlink.encode(picture, codec="gsc", trade_off=(1,)), "trade_off = (1,)"),
        (lambda picture: semlink.Link(packet_bytes=64.5), "packet_bytes = 64.5"),
        (
            lambda picture: semlink.Link(seed=-1).describe(),
            "seed = -1: give a whole number from 0 to 2^64 - 1",
        ),
        (lambda picture: semlink.Link(settings=[1]), "settings = [1]"),
        (lambda picture: semlink.Link(seed=-1), "seed = -1"),
        (lambda picture: semlink.Link().send(b"", picture_index=-1), "picture_index = -1"),
        (lambda picture: semlink.Link(mcs=29).send(encode(picture)), "29"),
        (lambda picture: semlink.Link(mcs=4.5).send(encode(picture)), "4.5"),
        (lambda picture: semlink.Link(snr_db=object()).send(encode(picture)), "snr_db"),
        (lambda picture: semlink.Link("nowhere").send(encode(picture)), "unknown channel 'nowhere'"),
        (lambda picture: semlink.Link(snr_db=float("nan")).send(encode(picture)), "snr_db"),
    ],
)
def test_wrong_input_is_a_link_error_that_names_the_value(call, words, picture):
    with pytest.raises(semlink.LinkError) as refused:
        call(picture)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_same_calls_over_services_give_the_same_results(picture, encoded):
    async def over_services() -> tuple[semlink.Received, bytes, semlink.Transfer]:
        running = await start_services(("sender", "channel", "receiver"), RunSettings())
        at = {name: service.address for name, service in running.items()}
        try:
            async with semlink.connect_async(**at) as client:
                sent = await client.encode(picture, codec="hci-learned", max_bytes=300)
                received = await client.link("rayleigh", snr_db=20, seed=2).send(sent)
                decoded = await client.decode(received, decoder="hci")
                shown = [one async for one in client.previews(received, decoder="hci")]
                lost = await client.send(picture, client.link(snr_db=-20), max_bytes=300, decoder="hci")
            assert shown[-1].png == decoded.png
            return received, decoded.png, lost
        finally:
            await asyncio.gather(*(service.stop(0) for service in running.values()))

    received, png, lost = asyncio.run(over_services())
    assert received == semlink.Link("rayleigh", snr_db=20, seed=2).send(encoded)
    assert png == semlink.decode(received, decoder="hci").png
    assert lost.picture is None


def test_connect_without_addresses_is_this_process(picture, encoded):
    with semlink.connect() as client:
        assert client.encode(picture, codec="hci-learned", max_bytes=300) == encoded
    with pytest.raises(semlink.LinkError, match=r"127\.0\.0\.1:1"), semlink.connect(sender="127.0.0.1:1") as client:
        client.encode(picture)


def test_a_foreign_package_of_the_same_name_is_refused(tmp_path):
    (tmp_path / "receiver").mkdir()
    (tmp_path / "receiver" / "__init__.py").touch()
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import semlink"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.returncode != 0
    last = found.stderr.strip().splitlines()[-1]
    assert "SetupError" in last
    assert "another package is called 'receiver'" in last


def test_saved_pictures_open_again(picture, encoded, tmp_path: Path):
    rebuilt = semlink.decode(encoded, decoder="hci")
    with contextlib.closing(Image.open(rebuilt.save(tmp_path / "out.png"))) as image:
        assert np.array_equal(np.asarray(image), rebuilt.pixels)
    assert rebuilt.trust_map is None
    assert rebuilt.quality(picture)["psnr_db"] > 15


def test_previews_show_the_picture_after_each_packet_that_adds_to_it(picture):
    link = semlink.Link("awgn", snr_db=20, settings={"erasure_rate": 0.3}, seed=2)
    encoded = semlink.encode(picture, codec="resilient", max_bytes=500, caption="", link=link)
    received = link.send(encoded, picture_index=3)
    previews = list(semlink.previews(received, decoder="hci"))
    arrived = [packet for packet in received.packets if packet.outcome == "delivered"]
    assert [one.packet for one in previews] == [packet.index for packet in arrived]
    assert [one.bytes_received for one in previews] == [
        sum(len(packet.data) for packet in arrived[: n + 1]) for n in range(len(arrived))
    ]
    qualities = [one.quality(picture)["psnr_db"] for one in previews]
    assert qualities[-1] > qualities[0]
    assert previews[-1].png == semlink.decode(received, decoder="hci").png
    assert (previews[0].image.size, previews[0].trust) == ((192, 128), None)
    assert list(semlink.previews(semlink.Link(snr_db=-20).send(encoded))) == []


def test_a_link_that_loses_packets_gets_slices_and_every_packet_counts(picture):
    link = semlink.Link("awgn", snr_db=20, settings={"erasure_rate": 0.3}, seed=2)
    assert link.predict_loss() == pytest.approx(0.3, abs=0.01)
    sent = semlink.send(picture, link, max_bytes=500, decoder="hci")
    assert len(sent.encoded.data) <= 500
    assert 0 < sent.received.delivered < len(sent.received.packets)
    assert sent.picture is not None
    assert "slices" in sent.picture.contents["HCI"]


def test_slices_follow_the_packets_and_the_repair_of_the_link(picture):
    def slices_for(**options):
        link = semlink.Link("awgn", snr_db=20, **options)
        encoded = semlink.encode(picture, codec="resilient", max_bytes=250, caption="", link=link)
        return len(semlink.Bitstream.unpack(encoded.data).streams[0].units)

    losing = {"erasure_rate": 0.1}
    assert slices_for(settings=losing) == 6
    assert slices_for(settings=losing, packet_bytes=64) > 6
    assert slices_for(settings=losing | {"repair_overhead": 3.0}) == slices_for() == 1
    stated = semlink.encode(picture, codec="resilient", max_bytes=250, caption="", link="awgn", expected_loss=0.1)
    assert stated.data == semlink.encode(picture, codec="resilient", max_bytes=250, caption="", expected_loss=0.1).data


def test_a_link_without_loss_gets_the_whole_image(picture):
    link = semlink.Link("awgn", snr_db=20)
    sent = semlink.send(picture, link, max_bytes=300, decoder="hci")
    assert sent.encoded.data == semlink.encode(picture, codec="hci", max_bytes=300).data
