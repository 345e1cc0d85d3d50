"""Picture files: every format loads as 8-bit RGB or grey, bad files raise a one-line error, PNG files are complete."""

from __future__ import annotations

import io
import struct
import threading
import warnings
import zlib
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from shared.bitstream import PictureHeader
from shared.errors import InputError, PictureError
from shared.files import write_file
from shared.picture import encode_png, load_picture

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

WIDTH, HEIGHT = 81, 67


def ramp() -> NDArray[np.uint8]:
    """Colour picture that differs under every turn and flip, [67, 81, 3]."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([x * 3, y * 3, (x + y) // 2], axis=-1).astype(np.uint8)


def encoded(image: Image.Image, picture_format: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, picture_format, **options)
    return out.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png16(values: NDArray[np.uint16], colour_type: int, extra: bytes = b"") -> bytes:
    """16-bit PNG of [h, w] (type 0) or [h, w, channels] (2 RGB, 4 grey + alpha, 6 RGBA)."""
    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    ihdr = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", ihdr) + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )


def png_that_claims(width: int, height: int) -> bytes:
    ihdr = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + ihdr + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def tiff(tags: dict[int, tuple[int, int]], data: bytes) -> bytes:
    """Little-endian TIFF of one strip or tile; a tag is (type, value), value -1 the offset of ``data``."""
    offset = 8 + 2 + 12 * len(tags) + 4
    entries = b"".join(
        struct.pack("<HHII", tag, kind, 1, offset if value < 0 else value)
        for tag, (kind, value) in sorted(tags.items())
    )
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + data


@pytest.mark.parametrize("picture_format", ["PNG", "BMP", "TIFF", "PPM", "TGA", "JPEG2000", "PCX", "QOI", "SGI", "DDS"])
def test_lossless_formats_load_exactly(picture_format: str) -> None:
    picture = load_picture(encoded(Image.fromarray(ramp()), picture_format))
    assert np.array_equal(picture.pixels, ramp())
    assert picture.pixels.dtype == np.uint8
    assert picture.header == PictureHeader(WIDTH, HEIGHT, grey=False)
    assert picture.notes == ()


@pytest.mark.parametrize("picture_format", ["JPEG", "WEBP", "AVIF", "GIF"])
def test_lossy_formats_load(picture_format: str) -> None:
    picture = load_picture(encoded(Image.fromarray(ramp()), picture_format, quality=95))
    assert picture.header == PictureHeader(WIDTH, HEIGHT, grey=False)
    assert np.abs(picture.pixels.astype(int) - ramp()).mean() < 12


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
@pytest.mark.parametrize("picture_format", ["PNG", "TIFF"])
def test_a_grey_picture_in_any_mode_counts_as_grey(mode: str, picture_format: str) -> None:
    grey = ramp()[..., 0] // 128 * 255  # black and white, so that mode 1 keeps it too
    image = Image.fromarray(grey)
    data = encoded(image.convert("RGB").convert("RGBA") if mode == "RGBA" else image.convert(mode), picture_format)
    picture = load_picture(data)
    assert picture.grey
    assert picture.header == PictureHeader(WIDTH, HEIGHT, grey=True)
    assert np.array_equal(picture.pixels, grey)
    assert picture.notes == ()


def test_one_coloured_pixel_makes_a_colour_picture() -> None:
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[63, 63, 2] = 1
    assert not load_picture(encode_png(pixels)).grey


@pytest.mark.parametrize("alpha", [0, 128, 255])
def test_alpha_is_flattened_on_white(alpha: int) -> None:
    image = Image.fromarray(ramp()).convert("RGBA")
    image.putalpha(alpha)
    picture = load_picture(encoded(image, "PNG"))
    expected = ramp() * (alpha / 255) + 255 * (1 - alpha / 255)
    assert np.abs(np.atleast_3d(picture.pixels) - expected).max() <= 0.51
    assert picture.notes == (() if alpha == 255 else ("alpha flattened on white",))


def test_transparent_palette_entries_show_white() -> None:
    image = Image.fromarray(ramp()).quantize(8)
    opaque = load_picture(encoded(image, "PNG")).pixels
    picture = load_picture(encoded(image, "PNG", transparency=bytes([0] + [255] * 7)))
    hidden = np.array(image) == 0
    assert (picture.pixels[hidden] == 255).all()
    assert np.array_equal(picture.pixels[~hidden], opaque[~hidden])
    assert picture.notes == ("alpha flattened on white",)


def test_16_bit_grey_is_rounded() -> None:
    values = np.arange(64 * 1024, dtype=np.uint16).reshape(64, 1024)
    picture = load_picture(png16(values, 0))
    assert np.array_equal(picture.pixels, np.round(values / 257).astype(np.uint8))
    assert picture.notes == (
        "16 bit to 8 bit, levels full: 0 became black and 65535 white; its values run from 0 to 65535",
    )


def test_16_bit_grey_with_a_transparent_value() -> None:
    values = np.full((64, 64), 20000, np.uint16)
    values[0] = 300
    picture = load_picture(png16(values, 0, chunk(b"tRNS", struct.pack(">H", 300))))
    assert (picture.pixels[0] == 255).all()
    assert (picture.pixels[1:] == 78).all()
    assert [note[:15] for note in picture.notes] == ["16 bit to 8 bit", "alpha flattened"]


@pytest.mark.parametrize(("colour_type", "channels"), [(2, 3), (4, 2), (6, 4)])
def test_16_bit_colour_and_alpha(colour_type: int, channels: int) -> None:
    wide = np.repeat(ramp()[..., :1], channels, axis=-1).astype(np.uint16) * 257
    wide[..., -1] = 65535 if channels != 3 else wide[..., -1] // 2
    picture = load_picture(png16(wide, colour_type))
    assert [note[:15] for note in picture.notes] == ["16 bit to 8 bit"]
    colours = wide[..., :3] if channels >= 3 else wide[..., :1]
    assert np.abs(np.atleast_3d(picture.pixels).astype(int) - colours / 257).max() <= 0.51


def test_16_bit_tiff_and_pgm() -> None:
    values = np.linspace(0, 65535, 64 * 64).astype(np.uint16).reshape(64, 64)
    for picture_format in ("TIFF", "PPM"):
        picture = load_picture(encoded(Image.fromarray(values), picture_format))
        assert np.array_equal(picture.pixels, np.round(values / 257).astype(np.uint8))
        assert [note[:15] for note in picture.notes] == ["16 bit to 8 bit"]


@pytest.mark.parametrize("picture_format", ["PNG", "TIFF", "JPEG", "WEBP", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(picture_format: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(ramp())
    picture = load_picture(encoded(stored, picture_format, exif=exif, quality=95))
    stored.getexif()[0x0112] = orientation
    upright = np.array(ImageOps.exif_transpose(stored)).astype(int)
    assert picture.pixels.shape == upright.shape
    assert np.abs(picture.pixels - upright).mean() < 12
    assert picture.notes == (() if orientation == 1 else ("EXIF orientation applied",))


def test_cmyk_and_animation_are_noted() -> None:
    image = Image.fromarray(ramp())
    assert load_picture(encoded(image.convert("CMYK"), "TIFF")).notes == ("CMYK to RGB",)
    animated = encoded(image, "PNG", save_all=True, append_images=[image.rotate(180)])
    assert load_picture(animated).notes == ("first frame only",)
    assert np.array_equal(load_picture(animated).pixels, ramp())


@pytest.mark.parametrize(("width", "height"), [(64, 64), (65, 127), (8192, 64), (64, 8192)])
def test_all_allowed_sizes_load(width: int, height: int) -> None:
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = 9
    assert load_picture(encode_png(pixels)).pixels.shape == (height, width, 3)


REFUSED = [
    (b"", r"empty \(0 bytes\)"),
    (b"\0" * 1000, "not a picture"),
    (b"just some words, no picture", "not a picture"),
    (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n%%EndComments\n", "not a picture"),
    (png_that_claims(32, 32), "this file is 32x32 pixels; the link carries 64 to 8192 on a side; resize it first"),
    (png_that_claims(64, 63), "64x63 pixels"),
    (png_that_claims(8193, 64), "8193x64 pixels"),
    (png_that_claims(10_000, 10_000), "10000x10000 pixels"),  # between Pillow's warning and its error
    (png_that_claims(100_000, 100_000), "10000000000 pixels.*64 to 8192"),
    (png_that_claims(0, 64), "not a picture"),
    (png_that_claims(8192, 8192), "truncated"),
    (
        encoded(Image.fromarray(np.zeros((64, 64), np.float32)), "TIFF"),
        "floating-point values from 0 to 0.*levels auto",
    ),
    (
        encoded(Image.fromarray(np.full((64, 64), 70_000, np.int32)), "TIFF"),
        "32 bit values from 70000 to 70000",
    ),
]


@pytest.mark.parametrize(("data", "message"), REFUSED)
def test_other_files_raise_a_one_line_error(data: bytes, message: str) -> None:
    with pytest.raises(PictureError, match=message) as error:
        load_picture(data)
    assert "\n" not in str(error.value)


def test_a_tiff_of_one_huge_tile_is_refused_before_decoding() -> None:
    side = 46336
    tags = {256: (4, 64), 257: (4, 64), 258: (3, 8), 259: (3, 8), 262: (3, 1), 277: (3, 1)}
    tags |= {322: (4, side), 323: (4, side), 324: (4, -1), 325: (4, 100)}
    with pytest.raises(PictureError, match="tiles are 46336x46336 pixels; at most 8192"):
        load_picture(tiff(tags, bytes(100)))


@pytest.mark.parametrize("picture_format", ["PNG", "JPEG", "WEBP", "AVIF", "BMP", "GIF", "TIFF", "PPM", "JPEG2000"])
@pytest.mark.parametrize("kept", [0.05, 0.5, 0.8])
def test_a_truncated_file_is_refused(picture_format: str, kept: float) -> None:
    # A PNG that lacks only the check bytes behind its last pixel still comes in, exact; 0.8 cuts pixels.
    data = encoded(Image.fromarray(ramp()), picture_format)
    with pytest.raises(PictureError) as error:
        load_picture(data[: int(len(data) * kept)])
    assert "\n" not in str(error.value)


SEEDS = [
    encoded(Image.fromarray(ramp()), name)
    for name in (
        "PNG",
        "JPEG",
        "WEBP",
        "AVIF",
        "BMP",
        "GIF",
        "TIFF",
        "PPM",
        "TGA",
        "JPEG2000",
        "PCX",
        "QOI",
        "SGI",
        "DDS",
    )
]


@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 200) | st.integers(0, 20_000), st.integers(0, 255)), min_size=1, max_size=6),
)
@settings(deadline=None, max_examples=300)
def test_a_damaged_file_gives_a_picture_or_a_picture_error(data: bytes, changes: list[tuple[int, int]]) -> None:
    damaged = bytearray(data)
    for position, value in changes:
        damaged[position % len(damaged)] = value
    try:
        picture = load_picture(bytes(damaged))
    except PictureError:
        return
    assert picture.pixels.dtype == np.uint8
    assert picture.header.pixels == picture.pixels.shape[0] * picture.pixels.shape[1]


@given(st.binary(max_size=400))
@settings(deadline=None, max_examples=200)
def test_any_bytes_give_a_picture_or_a_picture_error(data: bytes) -> None:
    try:
        assert load_picture(data).pixels.dtype == np.uint8
    except PictureError:
        return


def test_pillow_warnings_and_settings_do_not_change() -> None:
    filters, limit = list(warnings.filters), Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with pytest.raises(PictureError):
            load_picture(png_that_claims(10_000, 10_000))
        threads = [threading.Thread(target=load_picture, args=(encode_png(ramp()),)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [str(warning.message) for warning in seen] == []
    assert (list(warnings.filters), Image.MAX_IMAGE_PIXELS) == (filters, limit)


def test_a_written_picture_file_loads_again() -> None:
    for pixels in (ramp(), np.ascontiguousarray(ramp()[..., 0])):
        assert np.array_equal(load_picture(encode_png(pixels)).pixels, pixels)


def test_a_failed_write_raises_and_leaves_no_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here")
    (tmp_path / "folder.png").mkdir()
    for name, message in [
        ("absent/out.png", "No such file"),
        ("file/out.png", "Not a directory"),
        ("folder.png", "is not a file"),
        ("nul\0.png", "null"),
        ("x" * 300 + ".png", "too long"),
    ]:
        with pytest.raises(InputError, match=message):
            write_file(tmp_path / name, encode_png(ramp()))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.png"]
    assert (tmp_path / "file").read_text() == "here"


def test_a_written_file_replaces_the_old_one_behind_its_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write_file(tmp_path / "link", b"new")
    assert (tmp_path / "real").read_bytes() == b"new"
    assert (tmp_path / "link").is_symlink()
