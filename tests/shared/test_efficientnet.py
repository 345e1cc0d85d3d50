"""EfficientNet-Lite: shapes of its maps, its preprocessing, and the classes that it gives photographs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from shared.efficientnet import efficientnet_lite
from shared.pixels import to_tensor


@pytest.fixture(scope="module")
def network():
    return efficientnet_lite()


def test_maps_halve_from_stage_to_stage(network, synthetic_pixels):
    with torch.inference_mode():
        maps = network(to_tensor(synthetic_pixels(128, 96))[None])
    assert [tuple(one.shape[1:]) for one in maps] == [
        (16, 48, 64),
        (24, 24, 32),
        (40, 12, 16),
        (112, 6, 8),
        (320, 3, 4),
    ]


def test_preprocessing_is_the_one_that_the_network_was_trained_with(network):
    """The first layer's outputs have the spread that its normalisation learned."""
    photographs = ("astronaut", "coffee", "chelsea", "rocket", "hubble_deep_field", "immunohistochemistry")
    inner = network.network
    outputs = []
    with torch.inference_mode():
        for name in photographs:
            picture = to_tensor(np.asarray(Image.fromarray(getattr(data, name)()).resize((224, 224))))[None]
            outputs.append(inner._conv_stem((picture * 255 - 127) / 128))
    spread = torch.cat(outputs).var((0, 2, 3)) / inner._bn0.running_var
    assert 0.6 < float(spread.median()) < 1.5


def test_a_photograph_of_a_cat_gets_the_class_of_a_cat(network):
    with torch.inference_mode():
        logits = network.class_logits(to_tensor(data.chelsea())[None])
    assert set(logits[0].topk(3).indices.tolist()) & {281, 282, 285}  # tabby, tiger cat, Egyptian cat
