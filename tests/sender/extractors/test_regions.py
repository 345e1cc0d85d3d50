"""The region finder: names, masks and details."""

from __future__ import annotations

import numpy as np
import pytest
import skimage.data
import torch

from sender.extractors.objects import class_names, find_objects
from sender.extractors.regions import RegionFinder, describe
from shared.errors import PictureError
from shared.regions.coder import decode_regions, encode_regions


@pytest.fixture(scope="module")
def finder():
    return RegionFinder()


def test_a_cat_is_found_where_it_is(finder):
    regions = finder.find_regions(skimage.data.chelsea())
    assert "cat" in regions[0].name.split()
    assert "brown" in regions[0].detail.split()
    assert regions[0].mask[2:6, 2:6].sum() > 8  # the face is in the middle
    assert not regions[0].mask.all()


def test_the_same_picture_gives_the_same_regions(finder):
    pixels = skimage.data.chelsea()[::3, ::3]
    first, second = (encode_regions(one.find_regions(pixels)) for one in (finder, RegionFinder()))
    assert first == second
    assert encode_regions(decode_regions(first)) == first


@pytest.mark.parametrize("shape", [(1, 1), (1, 300, 3), (64, 64), (40, 500, 3)])
def test_any_size_gives_regions_within_the_rules(finder, shape):
    regions = finder.find_regions(np.random.default_rng(0).integers(0, 256, shape, np.uint8))
    assert len(regions) <= 3
    for region in regions:
        assert region.mask.sum() >= 3
        assert region.name in class_names()
        assert 1 <= len(region.detail.split(" ")) <= 10


@pytest.mark.parametrize("pixels", [np.zeros((8, 8)), np.zeros((8, 8, 4), np.uint8), np.zeros((0, 8, 3), np.uint8)])
def test_not_a_picture(finder, pixels):
    with pytest.raises(PictureError, match="uint8"):
        finder.find_regions(pixels)


def test_there_are_a_thousand_different_short_names():
    assert len(set(class_names())) == len(class_names()) == 1000
    assert all(1 <= len(name.split(" ")) <= 3 and name == name.lower() for name in class_names())
    assert (class_names()[0], class_names()[207], class_names()[999]) == ("tench", "golden retriever", "toilet tissue")


CLASSES = 30 * torch.eye(1000, 1280)


def features_with(*placed):
    """A map [8, 8, 1280] with evidence for classes: (class number, rows, columns, strength)."""
    features = torch.zeros(8, 8, 1280)
    for number, rows, columns, strength in placed:
        features[rows, columns, number] = strength
    return features


def test_two_objects_have_separate_masks():
    left, right = slice(0, 3), slice(4, 8)
    features = features_with((5, left, left, 9.0), (9, right, right, 8.0))
    found = find_objects(features, CLASSES, torch.zeros(1000))
    assert [thing.number for thing in found] == [5, 9] or [thing.number for thing in found] == [9, 5]
    masks = {thing.number: thing.mask for thing in found}
    assert masks[5][left, left].all()
    assert masks[5].sum() == 9
    assert masks[9][right, right].all()
    assert masks[9].sum() == 16


def test_a_second_name_of_one_object_adds_to_it():
    weights = CLASSES.clone()
    weights[9] = weights[5] * 0.9 + weights[9] * 0.5
    top, bottom = slice(0, 4), slice(4, 8)
    features = features_with((5, top, slice(0, 8), 9.0), (9, bottom, slice(0, 8), 9.0))
    found = find_objects(features, weights, torch.zeros(1000))
    assert len(found) == 1
    assert found[0].mask.all()


def test_uncertain_evidence_gives_no_object():
    assert find_objects(torch.zeros(8, 8, 1280), CLASSES, torch.zeros(1000)) == []


@pytest.mark.parametrize(
    ("colour", "words"),
    [
        ((250, 20, 20), "bright red"),
        ((60, 40, 28), "dark brown"),
        ((20, 150, 40), "green"),
        ((30, 60, 240), "bright blue"),
        ((250, 250, 250), "white"),
        ((128, 128, 128), "gray"),
        ((10, 12, 9), "black"),
        ((240, 230, 40), "bright yellow"),
    ],
)
def test_colours_have_the_right_names(colour, words):
    small = np.full((256, 256, 3), colour, np.uint8)
    assert describe(small, np.ones((8, 8), bool)) == f"{words} plain"


def test_place_texture_and_second_colour():
    small = np.zeros((256, 256, 3), np.uint8)
    small[:64, :64] = (20, 150, 40)
    small[:64:2, :64] = (250, 250, 250)
    mask = np.zeros((8, 8), bool)
    mask[:2, :2] = True
    assert describe(small, mask) == "green and white textured at the top left"
    mask = np.zeros((8, 8), bool)
    mask[3:5, 6:] = True
    assert describe(small, mask) == "black plain on the right"
