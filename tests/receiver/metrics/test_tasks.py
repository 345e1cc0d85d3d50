"""Task agreement by hand-worked answers, and with real models, tiny and untrained."""

import numpy as np
import pytest
import torch

from receiver.metrics.tasks import (
    Detection,
    Task,
    depth_delta1,
    detection_f1,
    intersection_over_union,
    parse_tasks,
    segments_miou,
)
from shared.errors import ConfigError, SetupError, UnknownNameError

pytestmark = pytest.mark.filterwarnings("ignore")  # transformers' own
DOG, OTHER_DOG = Detection("dog", (0, 0, 10, 10)), Detection("dog", (5, 0, 15, 10))


def test_overlap_of_boxes():
    assert intersection_over_union(DOG.box, DOG.box) == 1
    assert intersection_over_union(DOG.box, OTHER_DOG.box) == pytest.approx(50 / 150)
    assert intersection_over_union(DOG.box, (20, 20, 30, 30)) == 0


def test_detections_agree_by_label_and_place():
    near = Detection("dog", (1, 0, 11, 10))
    assert detection_f1([], []) == 1
    assert detection_f1([DOG], []) == 0
    assert detection_f1([near], [DOG]) == 1
    assert detection_f1([near, near], [DOG]) == pytest.approx(2 / 3)
    assert detection_f1([OTHER_DOG], [DOG]) == 0
    assert detection_f1([Detection("cat", DOG.box)], [DOG]) == 0


def test_segments_agree_by_label_and_place():
    left = np.zeros((4, 4), bool)
    left[:, :2] = True
    assert segments_miou({}, {}) == 1
    assert segments_miou({"sky": left}, {"sky": left}) == 1
    assert segments_miou({"sky": left}, {"sky": left | ~left}) == pytest.approx(0.5)
    assert segments_miou({"sky": left}, {"sky": left, "sea": ~left}) == pytest.approx(0.5)


def test_depths_agree_up_to_their_scale():
    depth = np.linspace(1, 3, 100, dtype=np.float32).reshape(10, 10)
    assert depth_delta1(depth, 7 * depth) == 1
    assert depth_delta1(depth, np.where(depth < 1.5, depth * 2, depth)) < 0.9


@pytest.fixture(scope="module")
def depth_model(tmp_path_factory):
    """A folder with an untrained depth model and its preprocessing."""
    from shared.torchvision_import import allow_torchvision

    allow_torchvision()
    from transformers import GLPNConfig, GLPNForDepthEstimation, GLPNImageProcessor

    config = GLPNConfig(
        depths=[1, 1, 1, 1], hidden_sizes=[8, 8, 8, 8], num_attention_heads=[1, 1, 1, 1], decoder_hidden_size=8
    )
    folder = tmp_path_factory.mktemp("depth")
    model = GLPNForDepthEstimation(config)
    with torch.no_grad():
        list(model.head.parameters())[-2].mul_(1000)  # an untrained model gives the same everywhere
    model.save_pretrained(folder)
    GLPNImageProcessor().save_pretrained(folder)
    return folder


def test_a_real_model_agrees_with_itself_more_than_with_noise(depth_model, synthetic_pixels):
    task = Task("depth", str(depth_model))
    picture = synthetic_pixels(96, 64)
    noise = np.random.default_rng(0).integers(0, 256, picture.shape, dtype=np.uint8)
    answer = task.answer(picture)
    assert task.measure == "depth_delta1"
    assert task.agreement(answer, task.answer(picture)) == 1
    assert task.agreement(answer, task.answer(noise)) < 1


def test_a_missing_model_is_one_line(tmp_path):
    with pytest.raises(SetupError, match="no detection model at") as caught:
        Task("detection", str(tmp_path / "nothing"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("names", "error"),
    [
        (["depth"], ConfigError),
        (["=x"], ConfigError),
        (["depth="], ConfigError),
        (["depth=a", "depth=b"], ConfigError),
        (["tracking=a"], UnknownNameError),
    ],
)
def test_wrong_names_are_refused(names, error):
    with pytest.raises(error):
        parse_tasks(names)
