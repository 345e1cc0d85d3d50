"""Boxes as cells, and the answers of Florence-2 and Qwen2.5-VL as objects."""

import pytest
import torch
from PIL import Image

from sender.hub.describer import LoadedModel
from sender.hub.florence import FlorenceDescriber
from sender.hub.maps import mask_of_boxes
from sender.hub.qwen import QwenDescriber


@pytest.mark.parametrize(
    ("boxes", "cells"),
    [
        ([(0.0, 0.0, 1.0, 1.0)], 64),
        ([(0.25, 0.5, 0.75, 1.0)], 16),
        ([(0.0, 0.0, 0.25, 0.25), (0.75, 0.75, 1.0, 1.0)], 8),
        ([(0.51, 0.51, 0.52, 0.52)], 1),
    ],
)
def test_boxes_become_cells(boxes, cells):
    mask = mask_of_boxes(boxes)
    assert mask.shape == (8, 8)
    assert mask.sum() == cells


class Answering(FlorenceDescriber):
    """The processing of Florence-2's answers, without a network that writes them."""

    def __init__(self, answers):
        self._answers = answers
        self._model = LoadedModel(None, None, self, torch.device("cpu"))
        self.asked = []

    def _ask(self, image, prompt, max_tokens):
        self.asked.append(prompt)
        return self._answers[len(self.asked) - 1]

    def decode(self, answer, skip_special_tokens):
        return answer.replace("<s>", "").replace("</s>", "") if skip_special_tokens else answer


def test_florence_names_the_largest_objects_and_joins_those_of_one_name():
    small, large = "<loc_0><loc_0><loc_100><loc_100>", "<loc_500><loc_0><loc_999><loc_999>"
    objects = f"</s><s>dog{small}car{large}dog<loc_0><loc_500><loc_300><loc_700>sky<loc_9><loc_9><loc_9><loc_9></s>"
    describer = Answering([objects, "A shiny red car.<loc_1>", "A wet dog."])
    car, dog = describer.items(Image.new("RGB", (100, 50)))
    assert (car.name, car.detail, dog.name, dog.detail) == ("car", "a shiny red car", "dog", "a wet dog")
    assert (len(car.boxes), len(dog.boxes)) == (1, 2)
    assert car.boxes[0] == pytest.approx((0.5, 0, 1, 1), abs=1e-3)
    assert describer.asked[1] == f"<REGION_TO_DESCRIPTION>{large}"


def test_florence_finds_nothing_in_an_answer_without_boxes():
    assert Answering(["</s><s>dog<loc_4></s>"]).items(Image.new("RGB", (100, 50))) == ()


def test_qwen_shows_a_picture_token_per_part_of_the_picture(captioning):
    from sender.hub.describer import load_model

    model = load_model(captioning("qwen2.5-vl"), "captioner", torch.device("cpu"))
    seen = []
    model.network.register_forward_pre_hook(lambda _, given, named: seen.append(named["input_ids"]), with_kwargs=True)
    QwenDescriber(model).overall(Image.new("RGB", (280, 140)), 1)
    assert int((seen[0] == model.network.config.image_token_id).sum()) == (280 // 28) * (140 // 28)
