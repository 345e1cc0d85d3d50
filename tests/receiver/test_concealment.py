"""Filling lost slices: received pixels stay, and what is filled follows the base and its surroundings."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage import data, transform

from receiver.concealment import fill_lost

PICTURE = data.astronaut()[:96, 200:328]
LOST = (slice(32, 64), slice(48, 96))


def mask_without(place: tuple[slice, slice]) -> np.ndarray:
    received = np.ones(PICTURE.shape[:2], bool)
    received[place] = False
    return received


def blurred(picture: np.ndarray, factor: int) -> np.ndarray:
    small = transform.resize(picture, (picture.shape[0] // factor, picture.shape[1] // factor, 3), anti_aliasing=True)
    return np.uint8(np.rint(255 * transform.resize(small, picture.shape)))


def error(picture: np.ndarray) -> float:
    return float(np.mean((picture[LOST].astype(float) - PICTURE[LOST]) ** 2))


def test_without_loss_nothing_changes() -> None:
    assert fill_lost(PICTURE, np.ones(PICTURE.shape[:2], bool), None) is PICTURE


def test_a_base_fills_better_than_the_surroundings_and_those_better_than_nothing() -> None:
    received, holed = mask_without(LOST), PICTURE.copy()
    holed[LOST] = 0
    with_base, without = fill_lost(holed, received, blurred(PICTURE, 8)), fill_lost(holed, received, None)
    assert error(with_base) < 0.5 * error(without) < 0.25 * error(holed)


def test_a_base_of_another_brightness_is_corrected_at_the_border() -> None:
    received = mask_without(LOST)
    darker = np.uint8(np.clip(blurred(PICTURE, 8).astype(int) - 30, 0, 255))
    filled = fill_lost(PICTURE, received, darker)
    border = filled[32, 48:96].astype(float) - filled[31, 48:96]
    pasted = darker[32, 48:96].astype(float) - PICTURE[31, 48:96]
    assert abs(border.mean()) < 0.6 * abs(pasted.mean())


@pytest.mark.parametrize("with_base", [True, False])
@given(received=hnp.arrays(bool, st.tuples(st.integers(1, 20), st.integers(1, 20))), level=st.integers(0, 255))
def test_received_pixels_stay_and_even_pictures_stay_even(received: np.ndarray, level: int, with_base: bool) -> None:
    if not received.any():
        received[0, 0] = True
    even = np.full(received.shape, level, np.uint8)
    holed = np.where(received, even, 255 - even)
    filled = fill_lost(holed, received, even if with_base else None)
    assert np.abs(filled.astype(int) - even).max() <= 1
    assert np.array_equal(filled[received], even[received])
