"""The measures: equal pictures are equal, worse pictures are worse, what is missing is told."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from scipy.linalg import sqrtm
from skimage import data

from receiver.metrics import published
from receiver.metrics.efficientnet import efficientnet_lite
from receiver.metrics.measures import Measures, batch_of
from receiver.metrics.patch_fid import PATCH_SIDE, frechet_distance, patch_features, patches_of
from shared.errors import SetupError


@pytest.fixture(scope="module")
def network():
    return efficientnet_lite()


@pytest.fixture(scope="module")
def measures():
    return Measures()


def blurred(pixels: np.ndarray, radius: float) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(radius)))


def test_equal_pictures_are_at_no_distance_and_of_one_class(measures, synthetic_pixels):
    pixels = synthetic_pixels(192, 176)
    found = measures.compared(pixels, measures.reference(pixels))
    assert set(found) == set(measures.names)
    distances = [found[name] for name in measures.names if name.startswith(("lpips", "dists")) or name == "class_kl"]
    assert distances == pytest.approx([0] * len(distances), abs=1e-4)
    assert found["psnr_db"] == float("inf")
    assert found["ms_ssim"] == pytest.approx(1)
    assert (found["top1"], found["top5"]) == (1, 1)


def test_a_stronger_blur_is_farther_in_every_distance(measures, synthetic_pixels):
    pixels = synthetic_pixels(192, 176)
    reference = measures.reference(pixels)
    little, much = (measures.compared(blurred(pixels, radius), reference) for radius in (0.7, 4))
    for name in measures.names:
        if name.startswith(("lpips", "dists")):
            assert 0 < little[name] < much[name], name
    assert little["psnr_db"] > much["psnr_db"]
    assert little["ms_ssim"] > much["ms_ssim"]


def test_small_pictures_have_no_ms_ssim_and_all_else(measures, synthetic_pixels):
    pixels = synthetic_pixels(64, 80)
    found = measures.compared(blurred(pixels, 1), measures.reference(pixels))
    assert found["ms_ssim"] is None
    assert all(found[name] is not None for name in measures.names if name != "ms_ssim")


def test_what_is_not_measured_is_told_with_a_reason(measures):
    every = {"psnr_db", "ms_ssim", "lpips_efficientnet", "dists_efficientnet", "top1", "top5", "class_kl"}
    every |= {"dists_vgg16", "lpips_alex", "dists"}
    assert set(measures.names) | set(measures.unavailable) == every
    assert not set(measures.names) & set(measures.unavailable)
    assert all("\n" not in reason and reason for reason in measures.unavailable.values())


def test_published_distances_never_download(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for load in (published.lpips_alex, published.dists):
        with pytest.raises(SetupError, match=r"not installed|torch\.hub's cache"):
            load()
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_maps_halve_from_stage_to_stage(network, synthetic_pixels):
    with torch.inference_mode():
        maps = network(batch_of(synthetic_pixels(128, 96)))
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
            picture = batch_of(np.asarray(Image.fromarray(getattr(data, name)()).resize((224, 224))))
            outputs.append(inner._conv_stem((picture * 255 - 127) / 128))
    spread = torch.cat(outputs).var((0, 2, 3)) / inner._bn0.running_var
    assert 0.6 < float(spread.median()) < 1.5


def test_the_classifier_names_what_it_sees(network):
    with torch.inference_mode():
        logits = network.class_logits(batch_of(data.chelsea()))
    assert set(logits[0].topk(3).indices.tolist()) & {281, 282, 285}  # tabby, tiger cat, Egyptian cat


def test_patches_cover_both_grids_exactly():
    rows, columns = torch.arange(150.0).view(-1, 1).expand(150, 200), torch.arange(200.0).expand(150, 200)
    patches = patches_of(torch.stack([rows, columns, rows]))
    corners = [(int(patch[0, 0, 0]), int(patch[1, 0, 0])) for patch in patches]
    grid = [(row, column) for row in (0, 64) for column in (0, 64, 128)]
    shifted = [(32, column) for column in (32, 96)]
    assert corners == grid + shifted
    assert torch.equal(patches[-1, 1, 0], torch.arange(96.0, 96 + PATCH_SIDE))


def test_frechet_distance_is_heusels_formula():
    rng = np.random.default_rng(1)
    mix = rng.normal(size=(5, 5))
    one = rng.normal(size=(400, 5)) @ mix + 0.3
    other = rng.normal(size=(300, 5))
    covariances = np.cov(one, rowvar=False), np.cov(other, rowvar=False)
    expected = ((one.mean(0) - other.mean(0)) ** 2).sum()
    expected += np.trace(covariances[0] + covariances[1] - 2 * np.real(sqrtm(covariances[0] @ covariances[1])))
    assert frechet_distance(one.astype(np.float32), other.astype(np.float32)) == pytest.approx(expected, rel=1e-4)


def test_frechet_distance_holds_where_covariances_are_singular():
    few = np.random.default_rng(2).normal(size=(6, 40)).astype(np.float32)
    assert frechet_distance(few, few) == pytest.approx(0, abs=1e-4)
    assert frechet_distance(few + 2, few) == pytest.approx(160, rel=1e-3)
    assert frechet_distance(few[:1], few) is None


def test_patch_features_see_a_blur(network, synthetic_pixels):
    pixels = synthetic_pixels(192, 192)
    sharp = patch_features(network, batch_of(pixels)[0])
    soft = patch_features(network, batch_of(blurred(pixels, 3))[0])
    assert sharp.shape == (9 + 4, 320)
    assert frechet_distance(soft, sharp) > 0
