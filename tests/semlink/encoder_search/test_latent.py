"""The analyst: more planes lose less of the picture, at any size and in grey."""

import numpy as np
import pytest

from semlink.encoder_search.latent import PocketAnalyst, visual_analysis
from sender.extractors.latent import LatentEncoder, chosen_channels
from sender.rdo import latent_choices
from shared.efficientnet import efficientnet_lite


@pytest.mark.parametrize("grey", [False, True])
def test_many_planes_lose_less_than_none_that_says_anything(grey):
    from skimage import data

    pixels = np.ascontiguousarray(data.astronaut()[:128, 128:256])
    pixels = pixels[:, :, 1].copy() if grey else pixels
    lost = PocketAnalyst()(pixels, "a woman in a space suit")
    values = LatentEncoder().values(pixels)
    most, *_, fewest = latent_choices(values, chosen_channels(values, pixels, 16))
    assert 0 < lost(most.arrived) < lost(fewest.arrived)


@pytest.mark.parametrize(
    ("sides", "half"),
    [((64, 100), (32, 50)), ((960, 720), (240, 180)), ((64, 2048), (32, 1024)), ((128, 1920), (32, 480))],
)
def test_large_pictures_are_seen_smaller_but_never_too_small_for_the_network(sides, half):
    first, *_, last = visual_analysis(efficientnet_lite(2), np.zeros((*sides, 3), np.uint8))
    assert tuple(first.shape[2:]) == half
    assert min(last.shape[2:]) >= 2
