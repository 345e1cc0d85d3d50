"""Task agreement: do a detector, a segmenter and a depth estimator give the same for original and decoded picture?

The caller names the models: a local folder or a name on a hub, loaded as ``transformers`` pipelines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image

from shared.errors import ConfigError, SetupError, UnknownNameError
from shared.torch_imports import TORCH_IMPORTS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

MIN_SCORE, MIN_OVERLAP = 0.5, 0.5
"""Least score of a detection, and least intersection over union (IoU) of two matching boxes."""
DEPTH_RATIO: Final = 1.25


@dataclass(frozen=True)
class Detection:
    """A labelled box: left, top, right, bottom in pixels."""

    label: str
    box: tuple[float, float, float, float]


def detection_f1(found: Sequence[Detection], reference: Sequence[Detection]) -> float:
    """Return the F1 score of ``found``. Boxes match if they have the same label and an IoU of at least a half.

    The score is 1 if both are empty.
    """
    if not found and not reference:
        return 1.0
    pairs = sorted(
        (
            (intersection_over_union(one.box, other.box), row, column)
            for row, one in enumerate(found)
            for column, other in enumerate(reference)
            if one.label == other.label
        ),
        reverse=True,
    )
    matched: tuple[set[int], set[int]] = set(), set()
    for overlap, row, column in pairs:
        if overlap >= MIN_OVERLAP and row not in matched[0] and column not in matched[1]:
            matched[0].add(row)
            matched[1].add(column)
    return 2 * len(matched[0]) / (len(found) + len(reference))


def intersection_over_union(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the intersection over the union of two boxes."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(width, 0.0) * max(height, 0.0)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return shared / (areas - shared) if areas > shared else 0.0


def depth_delta1(found: NDArray[np.float32], reference: NDArray[np.float32]) -> float:
    """Return the share of pixels whose depths ``[H, W]`` differ by less than a quarter after equal medians.

    Threshold accuracy of Eigen et al. 2014. Models of relative depth have another scale for each picture, hence the
    medians.
    """
    smallest = float(np.finfo(np.float32).tiny)
    one, other = (np.maximum(depth / max(float(np.median(depth)), smallest), smallest) for depth in (found, reference))
    ratio = np.maximum(one / other, other / one)
    return float((ratio < DEPTH_RATIO).mean())


def _read_detections(answer: Any) -> list[Detection]:
    scored = [one for one in answer if one["score"] >= MIN_SCORE]
    boxes = [one["box"] for one in scored]
    return [
        Detection(one["label"], (box["xmin"], box["ymin"], box["xmax"], box["ymax"]))
        for one, box in zip(scored, boxes, strict=True)
    ]


def _read_segments(answer: Any) -> dict[str, NDArray[np.bool_]]:
    """Return the mask ``[H, W]`` of each label."""
    return {one["label"]: np.asarray(one["mask"]) > 0 for one in answer}


def segments_miou(found: dict[str, NDArray[np.bool_]], reference: dict[str, NDArray[np.bool_]]) -> float:
    """Return the mean IoU over the labels in either picture; 1 without labels."""
    scores = []
    for label in found.keys() | reference.keys():
        if label not in found or label not in reference:
            scores.append(0.0)
            continue
        either = np.count_nonzero(found[label] | reference[label])
        scores.append(np.count_nonzero(found[label] & reference[label]) / either if either else 1.0)
    return float(np.mean(scores)) if scores else 1.0


@dataclass(frozen=True)
class _Kind:
    pipeline: str
    measure: str
    read: Callable[[Any], Any]
    agreement: Callable[[Any, Any], float]


KINDS: Final = {
    "detection": _Kind("object-detection", "detection_f1", _read_detections, detection_f1),
    "segmentation": _Kind("image-segmentation", "segmentation_miou", _read_segments, segments_miou),
    "depth": _Kind(
        "depth-estimation",
        "depth_delta1",
        lambda answer: answer["predicted_depth"].squeeze().float().cpu().numpy(),
        depth_delta1,
    ),
}


def _check_kind(kind: str) -> None:
    if kind not in KINDS:
        raise UnknownNameError(f"unknown task '{kind}'; known are {', '.join(KINDS)}")


class Task:
    """One model for one kind of task. ``measure`` is the key of the measure that ``agreement`` returns."""

    def __init__(self, kind: str, model: str, device: str = "cpu") -> None:
        """Load ``model``, a folder or a name on a hub.

        Raises:
            UnknownNameError: no such kind.
            SetupError: the model cannot be loaded.
        """
        _check_kind(kind)
        self._kind = KINDS[kind]
        self.measure = self._kind.measure
        try:
            with TORCH_IMPORTS:
                from shared.torchvision_import import allow_torchvision  # noqa: PLC0415 - seconds to import

                allow_torchvision()
                from transformers import pipeline  # noqa: PLC0415

                self._pipeline: Any = pipeline(self._kind.pipeline, model=model, device=device)
        except Exception as error:  # transformers raises errors of any type for a wrong model or hub
            reason = " ".join(str(error).split())[:200]
            raise SetupError(f"no {kind} model at '{model}': {reason}; name a local folder with a model") from error

    def answer(self, pixels: NDArray[np.uint8]) -> Any:
        """Run the model on ``pixels`` ``[H, W, 3]``, uint8, and return its answer."""
        return self._kind.read(self._pipeline(Image.fromarray(pixels)))

    def agreement(self, found: Any, reference: Any) -> float:
        """Return the agreement of two answers, 0 to 1."""
        return self._kind.agreement(found, reference)


def parse_tasks(names: Sequence[str]) -> dict[str, str]:
    """Return the model by kind of the tasks in ``names``, each written KIND=MODEL. Nothing is loaded.

    Raises:
        ConfigError: a name has another form, or a kind is named twice.
        UnknownNameError: no such kind.
    """
    pairs = [name.partition("=") for name in names]
    for name, (kind, equals, model) in zip(names, pairs, strict=True):
        if not kind or not equals or not model:
            raise ConfigError(f"--task {name}: give KIND=MODEL, such as depth=./my-depth-model")
    kinds = [kind for kind, _, _ in pairs]
    twice = next((kind for kind in kinds if kinds.count(kind) > 1), None)
    if twice is not None:
        raise ConfigError(f"--task names {twice} twice; one model per kind")
    for kind in kinds:
        _check_kind(kind)
    return {kind: model for kind, _, model in pairs}
