"""All measures of a decoded picture against its original, with the original's part computed once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

import torch
from torch import nn

from receiver.metrics.distances import dists_form, lpips_form
from receiver.metrics.efficientnet import EfficientNetLite, efficientnet_lite
from receiver.metrics.pixel import ms_ssim, psnr_db
from receiver.metrics.published import dists, lpips_alex
from receiver.metrics.vgg import vgg_features
from shared.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from receiver.metrics.published import Distance
    from receiver.metrics.tasks import Task
    from receiver.metrics.vgg import VggFeatures

T = TypeVar("T", bound=nn.Module)

EFFICIENTNET_MEASURES: Final = ("lpips_efficientnet", "dists_efficientnet", "top1", "top5", "class_kl")
TOP = 5


@dataclass(frozen=True)
class Reference:
    """An original ``[H, W, 3]``, uint8, and what the networks say about it."""

    pixels: NDArray[np.uint8]
    picture: Tensor
    efficientnet_maps: list[Tensor] = field(default_factory=list)
    vgg_maps: list[Tensor] = field(default_factory=list)
    logits: Tensor | None = None
    answers: list[Any] = field(default_factory=list)


class Measures:
    """The networks that are installed. ``unavailable`` says of every measure that is left out why.

    Measures: ``psnr_db``, ``ms_ssim`` (None below 161 pixels a side); ``lpips_efficientnet``, ``dists_efficientnet``,
    ``dists_vgg16``: the forms of LPIPS and DISTS, unfitted, on the network named; ``lpips_alex`` and ``dists`` as
    published; ``top1`` 1 where the classifier names original and decoded picture alike, ``top5`` 1 where the
    original's name is among the decoded picture's five best, ``class_kl`` the divergence of their classes in nats;
    what ``tasks`` measure.
    """

    def __init__(self, device: str = "cpu", tasks: Sequence[Task] = ()) -> None:
        """Load the networks onto ``device``, as torch names it."""
        self._tasks = tasks
        self._device = torch.device(device)
        self.unavailable: dict[str, str] = {}
        self.efficientnet: EfficientNetLite | None = self._loaded(efficientnet_lite, *EFFICIENTNET_MEASURES)
        self.vgg: VggFeatures | None = self._loaded(vgg_features, "dists_vgg16")
        published: dict[str, Distance | None] = {
            "lpips_alex": self._loaded(lpips_alex, "lpips_alex"),
            "dists": self._loaded(dists, "dists"),
        }
        self._published = {name: distance for name, distance in published.items() if distance is not None}

    @property
    def names(self) -> tuple[str, ...]:
        """The measures that ``compared`` returns."""
        perceptual = () if self.efficientnet is None else EFFICIENTNET_MEASURES
        vgg = () if self.vgg is None else ("dists_vgg16",)
        tasks = (task.measure for task in self._tasks)
        return ("psnr_db", "ms_ssim", *perceptual, *vgg, *self._published, *tasks)

    def reference(self, pixels: NDArray[np.uint8]) -> Reference:
        """Return what ``compared`` needs of the original, ``[H, W, 3]`` uint8."""
        picture = batch_of(pixels).to(self._device)
        with torch.inference_mode():
            return Reference(
                pixels,
                picture,
                [] if self.efficientnet is None else self.efficientnet(picture),
                [] if self.vgg is None else [picture, *self.vgg(picture)],
                None if self.efficientnet is None else self.efficientnet.class_logits(picture),
                [task.answer(pixels) for task in self._tasks],
            )

    def compared(self, pixels: NDArray[np.uint8], reference: Reference) -> Mapping[str, float | None]:
        """Return every measure of ``pixels``, ``[H, W, 3]`` uint8, of the size of the original."""
        picture = batch_of(pixels).to(self._device)
        found: dict[str, float | None] = {
            "psnr_db": psnr_db(pixels, reference.pixels),
            "ms_ssim": ms_ssim(pixels, reference.pixels),
        }
        with torch.inference_mode():
            if self.efficientnet is not None and reference.logits is not None:
                maps = self.efficientnet(picture)
                found["lpips_efficientnet"] = float(lpips_form(maps, reference.efficientnet_maps))
                found["dists_efficientnet"] = float(dists_form(maps, reference.efficientnet_maps))
                found |= _agreement(self.efficientnet.class_logits(picture)[0], reference.logits[0])
            if self.vgg is not None:
                found["dists_vgg16"] = float(dists_form([picture, *self.vgg(picture)], reference.vgg_maps))
            for name, distance in self._published.items():
                found[name] = float(distance(picture, reference.picture))
            for task, answer in zip(self._tasks, reference.answers, strict=True):
                found[task.measure] = task.agreement(task.answer(pixels), answer)
        return found

    def _loaded(self, load: Callable[[], T], *names: str) -> T | None:
        try:
            loaded = load()
        except SetupError as error:
            self.unavailable |= dict.fromkeys(names, str(error))
            return None
        return loaded.to(self._device)


def batch_of(pixels: NDArray[np.uint8]) -> Tensor:
    """Return ``[1, 3, H, W]``, 0 to 1, of ``[H, W, 3]`` uint8."""
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].contiguous().float() / 255


def _agreement(logits: Tensor, reference: Tensor) -> dict[str, float | None]:
    name = int(reference.argmax())
    log_p, log_q = reference.log_softmax(0), logits.log_softmax(0)
    return {
        "top1": float(int(logits.argmax()) == name),
        "top5": float(name in logits.topk(TOP).indices.tolist()),
        "class_kl": float((log_p.exp() * (log_p - log_q)).sum()),
    }
