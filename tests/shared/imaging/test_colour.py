"""Colour: ICC profiles and PNG's gamma become sRGB; what is sRGB already stays as it is."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from shared.picture import load_picture
from tests.shared.test_picture import chunk, encoded, png16, ramp


def rgb_profile(gamma, primaries=((0.64, 0.33), (0.3, 0.6), (0.15, 0.06)), description="test"):
    """Return a matrix profile with one gamma and the primaries as x and y, white D50."""
    xyz = np.array([[x / y, 1.0, (1 - x - y) / y] for x, y in primaries]).T
    white = np.array([0.9642, 1.0, 0.8249])
    columns = xyz * np.linalg.solve(xyz, white)

    def fixed(value):
        return struct.pack(">i", round(float(value) * 65536))

    def xyz_tag(column):
        return b"XYZ " + bytes(4) + b"".join(map(fixed, column))

    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    text = description.encode() + b"\0"
    desc = b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(78)
    desc += bytes(-len(desc) % 4)
    tags = {b"desc": desc, b"cprt": b"text" + bytes(4) + b"none\0" + bytes(3), b"wtpt": xyz_tag(white)}
    tags |= {name: xyz_tag(column) for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns.T, strict=True)}
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    offset, table, body = 128 + 4 + 12 * len(tags), b"", b""
    for name, data in tags.items():
        table += name + struct.pack(">II", offset + len(body), len(data))
        body += data
    size = offset + len(body)
    header = struct.pack(">I4sI4s4s4s", size, b"lcms", 0x02100000, b"mntr", b"RGB ", b"XYZ ")
    header += bytes(12) + b"acsp" + bytes(28) + b"".join(map(fixed, white))
    return header + bytes(128 - len(header)) + struct.pack(">I", len(tags)) + table + body


SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
LINEAR = rgb_profile(1.0)


def to_srgb(light):
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("picture_format", ["PNG", "TIFF", "WEBP"])
def test_an_srgb_profile_changes_nothing(picture_format):
    picture = load_picture(encoded(Image.fromarray(ramp()), picture_format, icc_profile=SRGB, lossless=True))
    assert np.array_equal(picture.pixels, ramp())
    assert picture.notes == ()


@pytest.mark.parametrize("alpha", [False, True])
def test_a_linear_profile_is_converted(alpha):
    grey = np.repeat(np.arange(256, dtype=np.uint8)[None], 64, axis=0)
    image = Image.fromarray(grey).convert("RGB")
    if alpha:
        image.putalpha(255)
    picture = load_picture(encoded(image, "PNG", icc_profile=LINEAR))
    assert picture.grey
    assert np.abs(picture.pixels[0] - 255 * to_srgb(np.arange(256) / 255)).max() <= 1.5
    assert picture.notes == ("ICC profile 'test' converted to sRGB",)


def test_wide_primaries_become_more_saturated():
    wide = rgb_profile(2.2, ((0.7347, 0.2653), (0.1152, 0.8264), (0.1566, 0.0177)))
    colour = np.full((64, 64, 3), (90, 200, 90), np.uint8)
    red, green, _ = load_picture(encoded(Image.fromarray(colour), "PNG", icc_profile=wide)).pixels[0, 0]
    assert green > 200
    assert red < 90


@pytest.mark.parametrize("profile", [b"profile", SRGB[:200], LINEAR.replace(b"RGB XYZ ", b"CMYKXYZ ")])
def test_a_damaged_profile_is_left_out_with_a_note(profile):
    picture = load_picture(encoded(Image.fromarray(ramp()), "PNG", icc_profile=profile))
    assert np.array_equal(picture.pixels, ramp())
    assert picture.notes == ("ICC profile ignored: it is damaged or for another kind of picture",)


def test_a_grey_picture_with_a_profile_for_colour_stays_grey():
    picture = load_picture(encoded(Image.fromarray(ramp()[..., 0]), "JPEG", icc_profile=LINEAR, quality=95))
    assert picture.grey


def test_16_bit_grey_with_a_profile():
    values = np.repeat(np.arange(0, 65536, 1024, dtype=np.uint16)[None], 64, axis=0)
    iccp = chunk(b"iCCP", b"x\0\0" + zlib.compress(LINEAR))
    picture = load_picture(png16(values, 0, iccp))
    assert np.abs(picture.pixels[0] - 255 * to_srgb(values[0] / 65535)).max() <= 4  # converted after the 8 bits
    assert picture.notes[-1] == "ICC profile 'test' converted to sRGB"


def with_chunk(data, name, payload):
    return data[:33] + chunk(name, payload) + data[33:]


def test_the_gamma_of_a_png_is_converted():
    grey = np.repeat(np.arange(256, dtype=np.uint8)[None], 64, axis=0)
    linear = with_chunk(encoded(Image.fromarray(grey), "PNG"), b"gAMA", struct.pack(">I", 100_000))
    picture = load_picture(linear)
    assert np.abs(picture.pixels[0] - 255 * (np.arange(256) / 255) ** 0.45455).max() <= 0.51
    assert picture.notes == ("gamma 1 converted to that of sRGB, 0.45455",)
    wide = png16(np.repeat(np.arange(0, 65536, 1024, dtype=np.uint16)[None], 64, 0), 0)
    lifted = load_picture(with_chunk(wide, b"gAMA", struct.pack(">I", 100_000))).pixels[0]
    assert np.abs(lifted - 255 * (np.arange(0, 65536, 1024) / 65535) ** 0.45455).max() <= 0.51


@pytest.mark.parametrize("gamma", [45455, 45000])
def test_the_usual_gamma_changes_nothing(gamma):
    data = with_chunk(encoded(Image.fromarray(ramp()), "PNG"), b"gAMA", struct.pack(">I", gamma))
    assert np.array_equal(load_picture(data).pixels, ramp())
    assert load_picture(data).notes == ()


def test_other_primaries_of_a_png_are_noted():
    points = (0.3127, 0.329, 0.7347, 0.2653, 0.1152, 0.8264, 0.1566, 0.0177)
    payload = b"".join(struct.pack(">I", round(one * 100_000)) for one in points)
    picture = load_picture(with_chunk(encoded(Image.fromarray(ramp()), "PNG"), b"cHRM", payload))
    assert picture.notes == ("primary colours of the PNG ignored (cHRM)",)
