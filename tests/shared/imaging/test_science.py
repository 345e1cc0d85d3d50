"""Pictures of science: FITS and TIFF with more than 8 bits keep their order from black to white."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from shared.errors import ConfigError, PictureError
from shared.imaging.levels import Levels, parse_levels
from shared.picture import load_picture
from tests.shared.test_picture import tiff

RAMP = np.arange(64 * 70, dtype=np.uint16).reshape(64, 70) * 14  # 0 to 62706
TWELVE_BITS = RAMP // 16
AUTO = Levels("auto")


def fits_file(array, **cards):
    unit = fits.PrimaryHDU(array)
    unit.header.update(cards)
    out = io.BytesIO()
    unit.writeto(out)
    return out.getvalue()


def tiff_file(array, **options):
    out = io.BytesIO()
    tifffile.imwrite(out, array, **options)
    return out.getvalue()


def by_257(array):
    return np.rint(array / 257).astype(np.uint8)


def test_unsigned_fits_does_not_wrap():
    picture = load_picture(fits_file(RAMP))  # BITPIX 16 with BZERO 32768
    assert np.array_equal(picture.pixels, by_257(RAMP)[::-1])
    assert picture.notes == (
        "16 bit to 8 bit, levels full: 0 became black and 65535 white; its values run from 0 to 62706",
    )


def test_negative_values_of_fits_are_black():
    array = np.full((64, 64), 32767, np.int16)
    array[:32] = -5
    picture = load_picture(fits_file(array))
    assert (picture.pixels[32:] == 0).all()
    assert (picture.pixels[:32] == 255).all()
    assert "its values run from -5 to 32767; those outside were cut off" in picture.notes[0]


def test_scaled_fits_counts_in_its_own_unit():
    unit = fits.PrimaryHDU(np.arange(64 * 64, dtype=np.float32).reshape(64, 64) * 0.5 + 10)
    unit.scale("int16", bscale=0.5, bzero=10)
    out = io.BytesIO()
    unit.writeto(out)
    picture = load_picture(out.getvalue(), parse_levels("10:2057.5"))
    assert picture.pixels[::-1].ravel()[[0, -1]].tolist() == [0, 255]
    assert "0 became black and 16393.5 white" in load_picture(out.getvalue()).notes[0]  # 10 + 0.5 x 32767


def test_floating_point_fits_needs_levels_and_undefined_values_are_black():
    array = np.linspace(-2.5, 7.5, 64 * 64, dtype=np.float32).reshape(64, 64)
    array[0, 0] = np.nan
    with pytest.raises(PictureError, match=r"32 bit floating-point values from -2.4.* to 7.5, .* levels auto or LOW"):
        load_picture(fits_file(array))
    picture = load_picture(fits_file(array), parse_levels("-2.5:7.5"))
    assert picture.pixels[63, 0] == 0
    assert picture.pixels[0, 63] == 255
    assert "1 undefined values became black" in picture.notes[0]


def test_fits_of_several_planes_and_of_an_extension():
    assert load_picture(fits_file(np.stack([RAMP, RAMP[::-1]]))).notes[0] == "first frame only"
    out = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(RAMP)]).writeto(out)
    assert np.array_equal(load_picture(out.getvalue()).pixels, by_257(RAMP)[::-1])
    packed = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(RAMP, compression_type="RICE_1")]).writeto(packed)
    assert np.array_equal(load_picture(packed.getvalue()).pixels, by_257(RAMP)[::-1])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (fits_file(np.zeros((20, 64), np.int16)), "64x20 pixels"),
        (fits_file(np.zeros(64, np.int16)), "holds no picture"),
        (fits_file(RAMP)[:4000], "damaged"),
        (fits_file(np.full((64, 64), np.nan, np.float32)), "only undefined values"),
    ],
)
def test_other_fits_are_refused(data, message):
    with pytest.raises(PictureError, match=message):
        load_picture(data)


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"tile": (32, 32)}, {"byteorder": ">"}])
def test_a_tiff_with_white_as_zero_is_no_negative(options):
    white_is_zero = load_picture(tiff_file(65535 - RAMP, photometric="miniswhite", **options))
    assert np.array_equal(white_is_zero.pixels, by_257(RAMP))
    assert "65535 became black and 0 white" in white_is_zero.notes[0]
    assert np.array_equal(load_picture(tiff_file(RAMP, photometric="minisblack", **options)).pixels, by_257(RAMP))


def test_pillow_reads_what_tifffile_does_not():
    out = io.BytesIO()
    Image.fromarray(65535 - RAMP).save(out, "TIFF", compression="tiff_lzw", tiffinfo={262: 0})
    assert np.array_equal(load_picture(out.getvalue()).pixels, by_257(RAMP))


def test_12_bits_in_a_16_bit_file_say_so_and_auto_shows_them():
    dark = load_picture(tiff_file(TWELVE_BITS))
    assert dark.pixels.max() == 15
    assert dark.notes[0].endswith("its values run from 0 to 3919; levels auto would show more of them")
    signed = load_picture(tiff_file(TWELVE_BITS.astype(np.int16) - 1000))
    assert signed.notes[0].endswith("those outside were cut off; levels auto would show more of them")
    bright = load_picture(tiff_file(TWELVE_BITS), parse_levels("0:4095"))
    assert np.array_equal(bright.pixels, np.rint(TWELVE_BITS * (255 / 4095)).astype(np.uint8))
    auto = load_picture(tiff_file(TWELVE_BITS), AUTO)
    assert (auto.pixels.min(), auto.pixels.max()) == (0, 255)
    assert "levels auto: 3 became black and 3915 white" in auto.notes[0]


def test_a_hot_pixel_does_not_make_auto_dark():
    array = TWELVE_BITS.copy()
    array[5, 5] = 65535
    assert np.median(load_picture(tiff_file(array), AUTO).pixels) > 120


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_wide_colour_with_and_without_alpha(planar):
    colours = np.stack([RAMP, RAMP[::-1], RAMP.T.reshape(64, 70)], axis=-1)
    data = colours if planar == "contig" else np.moveaxis(colours, -1, 0)
    options = {"photometric": "rgb", "planarconfig": planar}
    assert np.array_equal(load_picture(tiff_file(data, **options)).pixels, by_257(colours))
    opaque = np.full((64, 70, 1), 0, np.uint16)
    four = np.concatenate([colours, opaque], axis=-1)
    four = four if planar == "contig" else np.moveaxis(four, -1, 0)
    picture = load_picture(tiff_file(four, extrasamples=["unassalpha"], **options))
    assert (picture.pixels == 255).all()
    assert picture.notes[-1] == "alpha flattened on white"


def test_orientation_and_pages_of_a_wide_tiff():
    picture = load_picture(tiff_file(np.stack([RAMP, RAMP]), extratags=[(274, "H", 1, 6, True)], photometric=1))
    assert np.array_equal(picture.pixels, np.rot90(by_257(RAMP), -1))
    assert (picture.notes[0], picture.notes[-1]) == ("first frame only", "EXIF orientation applied")


def test_signed_floating_and_flat_tiff():
    signed = RAMP.astype(np.int16)
    assert load_picture(tiff_file(signed)).pixels.ravel()[1000] == round(signed.ravel()[1000] / 32767 * 255)
    assert load_picture(tiff_file(RAMP.astype(np.float32)), parse_levels("0:62706")).pixels.max() == 255
    assert (load_picture(tiff_file(np.full((64, 64), 7, np.uint16)), AUTO).pixels == 0).all()


def test_levels_change_8_bit_pictures_too():
    out = io.BytesIO()
    Image.fromarray((RAMP // 257).astype(np.uint8)).save(out, "PNG")
    picture = load_picture(out.getvalue(), parse_levels("50:100"))
    assert np.array_equal(picture.pixels, np.rint(np.clip((RAMP // 257 - 50.0) / 50, 0, 1) * 255).astype(np.uint8))
    assert picture.notes[0].startswith("8 bit, levels 50:100: 50 became black and 100 white")


@pytest.mark.parametrize("text", ["", "fll", "5", "5:", ":5", "9:3", "1:1", "nan:4", "0:inf", "1:2:3"])
def test_other_levels_are_refused(text):
    with pytest.raises(ConfigError, match="give full, auto, or LOW:HIGH"):
        parse_levels(text)


def test_12_bits_packed_in_a_tiff_use_all_levels():
    first, second = 4095, 0
    row = struct.pack(">I", (first << 12 | second) << 8)[:3] * 32
    tags = {256: (4, 64), 257: (4, 64), 258: (3, 12), 259: (3, 1), 262: (3, 1), 273: (4, -1), 277: (3, 1)}
    picture = load_picture(tiff(tags | {278: (4, 64), 279: (4, 96 * 64)}, row * 64))
    assert picture.pixels[0, :2].tolist() == [255, 0]
    assert picture.notes[0].startswith("12 bit to 8 bit, levels full: 0 became black and 4095 white")


def test_a_strip_that_unpacks_to_more_than_its_size_is_refused():
    strip = zlib.compress(bytes(1 << 20))
    tags = {256: (4, 64), 257: (4, 64), 258: (3, 16), 259: (3, 8), 262: (3, 1), 273: (4, -1), 277: (3, 1)}
    with pytest.raises(PictureError, match="unpacks to more than its size"):
        load_picture(tiff(tags | {278: (4, 64), 279: (4, len(strip))}, strip))


SEEDS = [fits_file(RAMP), tiff_file(RAMP), tiff_file(RAMP, compression="zlib"), tiff_file(RAMP, photometric=0)]


@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 400) | st.integers(0, 20_000), st.integers(0, 255)), min_size=1, max_size=6),
    st.sampled_from([Levels(), AUTO]),
)
@settings(deadline=None, max_examples=150)
def test_a_damaged_file_gives_a_picture_or_a_picture_error(data, changes, levels):
    damaged = bytearray(data)
    for position, value in changes:
        damaged[position % len(damaged)] = value
    try:
        assert load_picture(bytes(damaged), levels).pixels.dtype == np.uint8
    except PictureError:
        return
