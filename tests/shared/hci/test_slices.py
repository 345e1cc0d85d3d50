"""Slices of a highly compressed image: the grid, and any subset of them decodes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data

from shared.errors import BitstreamError
from shared.hci.slices import BLOCK, decode_slices, grid_cells
from shared.hci.stream import decode_hci, encode_hci_at

WIDTH, HEIGHT = 320, 256
PICTURE = data.astronaut()[:HEIGHT, :WIDTH]


def slices_of(picture: np.ndarray, count: int, scale: int = 4) -> list[bytes]:
    """Code the cells of ``picture`` by AV1, each as a picture of its own."""
    cells = grid_cells(count, picture.shape[1] // scale, picture.shape[0] // scale)
    large = [picture[scale * c.top : scale * c.bottom, scale * c.left : scale * c.right] for c in cells]
    return [encode_hci_at(np.ascontiguousarray(cell), "av1", scale, 60) for cell in large]


@given(st.integers(1, 64), st.integers(8, 2048), st.integers(8, 2048))
def test_cells_cover_the_picture_once(count: int, width: int, height: int) -> None:
    try:
        cells = grid_cells(count, width, height)
    except BitstreamError:
        return
    assert len(cells) == count
    covered = np.zeros((height, width), np.uint8)
    for cell in cells:
        cell.cut(covered)[...] += 1
    assert (covered == 1).all()
    assert all(edge % BLOCK == 0 for cell in cells for edge in (cell.left, cell.top))


def test_one_cell_is_the_picture() -> None:
    (cell,) = grid_cells(1, 100, 50)
    assert (cell.left, cell.top, cell.width, cell.height) == (0, 0, 100, 50)


def test_more_cells_than_a_picture_has_blocks_are_refused() -> None:
    with pytest.raises(BitstreamError, match="40 slices of a small picture of 32x32"):
        grid_cells(40, 32, 32)


@pytest.mark.parametrize("picture", [PICTURE, np.ascontiguousarray(PICTURE[..., 1])], ids=["colour", "grey"])
def test_a_lost_slice_leaves_the_others_as_they_are(picture: np.ndarray) -> None:
    slices, grey = slices_of(picture, 4), picture.ndim == 2
    whole = decode_slices(slices, WIDTH, HEIGHT, grey=grey)
    assert whole is not None
    assert whole.received.all()
    assert not whole.damaged
    part = decode_slices([slices[0], b"", slices[2], slices[3]], WIDTH, HEIGHT, grey=grey)
    assert part is not None
    cell = grid_cells(4, *reversed(part.received.shape))[1]
    assert not cell.cut(part.received).any()
    assert part.received.sum() == part.received.size - cell.width * cell.height
    assert np.array_equal(part.image.pixels[part.received], whole.image.pixels[part.received])


def test_a_change_to_a_decoded_picture_changes_no_later_one() -> None:
    slices = slices_of(data.coffee()[:HEIGHT, :WIDTH], 4)
    first, second = (decode_slices(slices, WIDTH, HEIGHT) for _ in range(2))
    assert first is not None
    assert second is not None
    kept = second.image.pixels.copy()
    first.image.pixels[...] = 0
    again = decode_slices(slices, WIDTH, HEIGHT)
    assert again is not None
    assert np.array_equal(again.image.pixels, kept)
    assert np.array_equal(second.image.pixels, kept)


def test_a_slice_decodes_to_the_picture_of_its_cell() -> None:
    slices = slices_of(PICTURE, 2)
    found = decode_slices(slices, WIDTH, HEIGHT)
    assert found is not None
    cell = grid_cells(2, WIDTH // 4, HEIGHT // 4)[1]
    alone = decode_hci(slices[1], 4 * cell.width, 4 * cell.height)
    assert np.array_equal(cell.cut(found.image.pixels), alone.pixels)


def test_slices_of_other_scales_and_damaged_ones_count_as_lost() -> None:
    first, second = slices_of(PICTURE, 2)
    other_scale = slices_of(PICTURE, 2, scale=2)[1]
    for bad in (other_scale, b"\xff\xff", b"\x00", second[:1]):
        found = decode_slices([first, bad], WIDTH, HEIGHT)
        assert found is not None
        assert found.damaged
        assert 0 < found.received.mean() < 1
    assert decode_slices([b"", b"\xff"], WIDTH, HEIGHT) is None


@given(st.lists(st.binary(max_size=40), min_size=2, max_size=8))
@settings(deadline=None, max_examples=100)
def test_any_bytes_decode_or_count_as_lost(slices: list[bytes]) -> None:
    found = decode_slices(slices, WIDTH, HEIGHT)
    assert found is None or found.image.pixels.shape[:2] == found.received.shape
