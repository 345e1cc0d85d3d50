"""All measures of a decoded picture against its original, and the reporter that the receiver's service runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from receiver.metrics.names import CLASSIFIER, MAX_PIXELS, PERCEPTUAL, PIXEL
from receiver.metrics.pixel import ms_ssim, psnr_db
from shared.errors import SetupError
from shared.lazy import Lazy
from shared.picture import load_picture
from shared.pixels import grey_to_rgb, to_tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from receiver.metrics.perceptual import PerceptualDistances
    from receiver.metrics.tasks import Task
    from shared.efficientnet import EfficientNetLite

ALL: Final = (*PIXEL, *PERCEPTUAL, *CLASSIFIER)


@dataclass(frozen=True)
class Reference:
    """An original ``[H, W, 3]``, uint8, and what the networks compute from it."""

    pixels: NDArray[np.uint8]
    features: Mapping[str, list[Tensor]] = field(default_factory=dict)
    logits: Tensor | None = None
    answers: list[Any] = field(default_factory=list)


class Measures:
    """Measures decoded pictures against an original. ``unavailable`` says why a measure cannot be computed.

    ``psnr_db`` and ``ms_ssim`` (None below 161 pixels a side) are pixel measures; ``lpips_alex``, ``lpips_vgg`` and
    ``dists`` are distances as published (``receiver.metrics.perceptual``); ``top1``, ``top5`` and ``class_kl`` are
    agreement of a classifier (``receiver.metrics.classifier``); ``tasks`` add measures of their own.

    Args:
        names: the measures to compute; only the networks that they need are loaded.
        device: where the networks compute, as torch names it.
        tasks: models whose answers are compared too.
    """

    def __init__(self, names: Sequence[str] = ALL, device: str = "cpu", tasks: Sequence[Task] = ()) -> None:
        self.unavailable: dict[str, str] = {}
        self._wanted, self._device, self._tasks = names, device, tasks
        perceptual = [name for name in names if name in PERCEPTUAL]
        self._distances = self._load_distances(perceptual) if perceptual else None
        classifier = any(name in CLASSIFIER for name in names)
        self.classifier: EfficientNetLite | None = self._load_classifier() if classifier else None

    @property
    def names(self) -> tuple[str, ...]:
        """The measures that ``compare`` returns."""
        there = (name for name in self._wanted if name not in self.unavailable)
        return (*there, *(task.measure for task in self._tasks))

    def require_all(self) -> None:
        """Check that every measure can be computed.

        Raises:
            SetupError: the weights of one are not installed, or damaged.
        """
        if self.unavailable:
            raise SetupError(next(iter(self.unavailable.values())))

    def reference(self, pixels: NDArray[np.uint8]) -> Reference:
        """Compute once what ``compare`` needs of the original, ``[H, W, 3]`` uint8."""
        return Reference(
            pixels,
            {} if self._distances is None else self._distances.features(pixels),
            None if self.classifier is None else self._logits(self.classifier, pixels),
            [task.answer(pixels) for task in self._tasks],
        )

    def compare(self, pixels: NDArray[np.uint8], reference: Reference) -> dict[str, float | None]:
        """Return every measure of ``pixels``, ``[H, W, 3]`` uint8, of the size of the original."""
        found: dict[str, float | None] = {}
        if "psnr_db" in self._wanted:
            found["psnr_db"] = psnr_db(pixels, reference.pixels)
        if "ms_ssim" in self._wanted:
            found["ms_ssim"] = ms_ssim(pixels, reference.pixels)
        if self._distances is not None:
            found |= self._distances.compare(pixels, reference.features)
        if self.classifier is not None and reference.logits is not None:
            from receiver.metrics.classifier import class_agreement  # noqa: PLC0415 - imports torch

            agreement = class_agreement(self._logits(self.classifier, pixels), reference.logits)
            found |= {name: value for name, value in agreement.items() if name in self._wanted}
        for task, answer in zip(self._tasks, reference.answers, strict=True):
            found[task.measure] = task.agreement(task.answer(pixels), answer)
        return found

    def _load_distances(self, names: Sequence[str]) -> PerceptualDistances:
        from receiver.metrics.perceptual import PerceptualDistances  # noqa: PLC0415 - imports torch

        distances = PerceptualDistances(names, self._device)
        self.unavailable |= distances.unavailable
        return distances

    def _load_classifier(self) -> EfficientNetLite | None:
        from shared.efficientnet import efficientnet_lite  # noqa: PLC0415 - imports torch

        try:
            return efficientnet_lite().to(self._device)
        except SetupError as error:
            self.unavailable |= {name: str(error) for name in self._wanted if name in CLASSIFIER}
            return None

    def _logits(self, classifier: EfficientNetLite, pixels: NDArray[np.uint8]) -> Tensor:
        """Return the classifier's logits ``[1000]``."""
        import torch  # noqa: PLC0415 - seconds to import

        with torch.inference_mode():
            return classifier.class_logits(to_tensor(pixels)[None].contiguous().to(self._device))[0]


class PerceptualReporter:
    """Perceptual distances and classifier agreement of received pictures, for the service's metrics.

    The networks load at the first call. Several threads may call at once.

    Args:
        loading: context that is entered around the loading of the networks, given a name for it.
    """

    def __init__(self, loading: Callable[[str], AbstractContextManager[None]]) -> None:
        self._loading = loading
        self._measures = Lazy(self._load)

    def __call__(self, pixels: NDArray[np.uint8], reference: bytes) -> Mapping[str, float | None]:
        """Return the measures of ``pixels``, ``[H, W, 3]`` or ``[H, W]``, against ``reference``, a picture file.

        Pictures of more than ``MAX_PIXELS`` are not measured: the networks' maps would not fit into memory.
        """
        if pixels.shape[0] * pixels.shape[1] > MAX_PIXELS:
            return {}
        measures = self._measures()
        return measures.compare(grey_to_rgb(pixels), measures.reference(grey_to_rgb(load_picture(reference).pixels)))

    def _load(self) -> Measures:
        with self._loading("perceptual"):
            return Measures((*PERCEPTUAL, *CLASSIFIER))
