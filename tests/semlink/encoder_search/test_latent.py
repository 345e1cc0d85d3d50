"""Feature distortion: more latent channels lose less of the picture."""

import numpy as np
import pytest

from semlink.encoder_search.latent import PocketFeatureDistortion, visual_features
from sender.extractors.latent import LatentEncoder, select_channels
from sender.rdo import latent_candidates
from shared.efficientnet import efficientnet_lite


@pytest.fixture(scope="module")
def feature_distortion():
    return PocketFeatureDistortion()


@pytest.fixture(scope="module")
def latent_encoder():
    return LatentEncoder()


@pytest.mark.parametrize("grey", [False, True])
def test_more_channels_lose_less(grey, feature_distortion, latent_encoder):
    from skimage import data

    pixels = np.ascontiguousarray(data.astronaut()[:128, 128:256])
    pixels = pixels[:, :, 1].copy() if grey else pixels
    distortion = feature_distortion(pixels, "a woman in a space suit")
    values = latent_encoder.values(pixels)
    most, *_, fewest = latent_candidates(values, select_channels(values, pixels, 16))
    assert 0 < distortion(most.channels) < distortion(fewest.channels)


@pytest.mark.parametrize(
    ("sides", "half"),
    [((64, 100), (32, 50)), ((960, 720), (240, 180)), ((64, 2048), (32, 1024)), ((128, 1920), (32, 480))],
)
def test_large_pictures_are_down_sampled_but_not_below_what_the_network_needs(sides, half):
    first, *_, last = visual_features(efficientnet_lite(2), np.zeros((*sides, 3), np.uint8))
    assert tuple(first.shape[2:]) == half
    assert min(last.shape[2:]) >= 2
