"""Evaluates networks in integers, so that all machines compute the same picture and the same probabilities.

Ballé, Johnston and Minnen 2019, "Integer networks for data compression with latent-variable models". Activations are
integers in units of 2⁻¹², clamped to ±2²²; weights are int16 with one power-of-two scale per output channel. The
integers travel in float64 tensors: every partial sum of a convolution stays below 2⁵³ (`IntegerWeights` checks it), so
that each one is exact and neither the order of summation, nor fused multiply-adds, nor the number of threads, nor the
batch, nor the device can change a result. Convolutions are sums of matrix products, one per tap, because a library's
convolution is free to choose an algorithm that transforms its input (Winograd, FFT), which is not exact.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from shared.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Mapping

UNIT_BITS = 12
UNIT = 1 << UNIT_BITS
LIMIT = 1 << 22
EXACT = 1 << 53
GAIN_BITS = 16
SCALE_ENTRIES = 64
# One unit of the network's second output is 8 steps in the table of scales, and 0 is its entry 16 (network.py).
LEVELS_PER_UNIT, LEVEL_ORIGIN = 8, 16


def shift_right(x: Tensor, bits: Tensor | int) -> Tensor:
    """Return ``x / 2**bits`` rounded half up and clamped to the range of activations."""
    scale = torch.exp2(-torch.as_tensor(bits, dtype=x.dtype, device=x.device))
    return torch.floor(x * scale + 0.5).clamp_(-LIMIT, LIMIT)


def rectify(x: Tensor) -> Tensor:
    """Return the leaky rectifier of slope 1/8."""
    return torch.where(x >= 0, x, torch.floor(x * 0.125))


class IntegerConv:
    """A convolution of stride 1 with zero padding that keeps the size."""

    def __init__(self, weight: Tensor, shift: Tensor, bias: Tensor) -> None:
        """Take ``weight [O, C, k, k]``, ``shift [O]`` (its scale is ``2**-shift``) and ``bias [O]`` in units."""
        self.kernel = weight.shape[-1]
        self.outputs = weight.shape[0]
        taps = enumerate(weight.double().permute(2, 3, 0, 1).flatten(0, 1).contiguous())
        self.taps = [(index, tap) for index, tap in taps if bool(tap.any())]
        self.shift = shift.double()[:, None, None]
        self.bias = bias.double()[:, None, None]

    def __call__(self, x: Tensor) -> Tensor:
        """Map integers ``[B, C, h, w]`` to integers ``[B, O, h, w]``."""
        batch, channels, height, width = x.shape
        margin = self.kernel // 2
        padded = F.pad(x, (margin,) * 4)
        total = torch.zeros(batch, self.outputs, height * width, dtype=x.dtype, device=x.device)
        for index, tap in self.taps:
            top, left = divmod(index, self.kernel)
            view = padded[:, :, top : top + height, left : left + width].reshape(batch, channels, -1)
            total += tap @ view
        return (shift_right(total.view(batch, -1, height, width), self.shift) + self.bias).clamp_(-LIMIT, LIMIT)


class IntegerWeights:
    """The named tensors of a weights file. Each method checks the tensor that it returns."""

    def __init__(self, tensors: Mapping[str, Tensor], device: torch.device) -> None:
        self.tensors, self.device = tensors, device

    def get(self, name: str, dtype: torch.dtype, dimensions: int) -> Tensor:
        """Return one tensor on the device.

        Raises:
            SetupError: it is missing or of another kind.
        """
        tensor = self.tensors.get(name)
        if tensor is None or tensor.dtype != dtype or tensor.ndim != dimensions or tensor.numel() == 0:
            raise SetupError(
                f"weights of hci-learned are damaged: {name} should be {dtype} with {dimensions} dimensions; "
                "install the package again or export them again (training/README.md)"
            )
        return tensor.to(self.device)

    def conv(self, name: str) -> IntegerConv:
        """Return one convolution.

        Raises:
            SetupError: a tensor is missing, shapes disagree, or a sum could leave the exact range of float64.
        """
        weight = self.get(f"{name}.weight", torch.int16, 4)
        shift, bias = self.get(f"{name}.shift", torch.uint8, 1), self.get(f"{name}.bias", torch.int32, 1)
        fits = weight.shape[0] == shift.shape[0] == bias.shape[0] and weight.shape[2] == weight.shape[3]
        worst = int(weight.long().abs().sum(dim=(1, 2, 3)).max()) * LIMIT
        if not fits or weight.shape[2] % 2 == 0 or worst >= EXACT // 2 or int(shift.max()) > 30:
            raise SetupError(
                f"weights of hci-learned are damaged: {name} has {tuple(weight.shape)}; install the package again"
            )
        return IntegerConv(weight, shift, bias)

    def table(self, name: str) -> Tensor:
        """Return a table of one integer row per quality, as float64 ``[qualities, C, 1, 1]``."""
        return self.get(name, torch.int32, 2).double()[:, :, None, None]


class IntegerResidual:
    """``x + conv(rectify(conv(rectify(x))))``."""

    def __init__(self, weights: IntegerWeights, name: str) -> None:
        self.first, self.second = weights.conv(f"{name}.first"), weights.conv(f"{name}.second")

    def __call__(self, x: Tensor) -> Tensor:
        """Map integers ``[B, C, h, w]`` to the same shape."""
        return (x + self.second(rectify(self.first(rectify(x))))).clamp_(-LIMIT, LIMIT)


class IntegerDecoder:
    """Computes the entropy parameters and the picture. All tensors hold integers as float64."""

    def __init__(self, tensors: Mapping[str, Tensor], device: torch.device) -> None:
        weights = IntegerWeights(tensors, device)
        self.device = device
        self.hyper_first, self.hyper_second = weights.conv("hyper_first"), weights.conv("hyper_second")
        self.context = weights.conv("context")
        self.parameters_first, self.parameters_second = (
            weights.conv("parameters_first"),
            weights.conv("parameters_second"),
        )
        self.synthesis_skip = weights.conv("synthesis_skip")
        self.synthesis_in = weights.conv("synthesis_in")
        self.eighth = [IntegerResidual(weights, "synthesis.1"), IntegerResidual(weights, "synthesis.2")]
        self.widen = weights.conv("synthesis.3")
        self.quarter = IntegerResidual(weights, "synthesis.5")
        self.picture_conv = weights.conv("synthesis.7")
        self.hyper_mean, self.hyper_level = weights.table("hyper_mean"), weights.table("hyper_level")
        self.hyper_bias, self.synthesis_bias = weights.table("hyper_bias"), weights.table("synthesis_bias")
        self.inverse_gain = weights.table("inverse_gain")

    def features(self, z: Tensor, quality: int, height: int, width: int) -> Tensor:
        """Map the hyper-latent ``[B, hypers, hz, wz]`` to features ``[B, features, height, width]``."""
        x = F.pixel_shuffle(self.hyper_first(z), 2) + self.hyper_bias[quality]
        x = F.pixel_shuffle(self.hyper_second(rectify(x)), 2)
        return x[:, :, :height, :width]

    def parameters(self, features: Tensor, known: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the mean in units and the index into the table of scales (0..63), both ``[B, latents, h, w]``."""
        context = torch.zeros_like(features) if known is None else self.context(known)
        joint = self.parameters_second(rectify(self.parameters_first(torch.cat([features, context], 1))))
        mean, level = joint.chunk(2, 1)
        level = torch.floor((level * LEVELS_PER_UNIT + LEVEL_ORIGIN * UNIT) / UNIT + 0.5)
        return mean, level.clamp_(0, SCALE_ENTRIES - 1)

    def picture(self, y: Tensor, quality: int) -> Tensor:
        """Map the latent in units ``[B, latents, h, w]`` to the picture ``[B, 3, 16h, 16w]`` of uint8."""
        y = shift_right(y * self.inverse_gain[quality], GAIN_BITS)
        x = self.synthesis_in(y) + self.synthesis_bias[quality]
        x = F.pixel_shuffle(x, 2)
        for block in self.eighth:
            x = block(x)
        x = F.pixel_shuffle(self.widen(x), 2)
        x = F.pixel_shuffle(self.picture_conv(rectify(self.quarter(x))), 4)
        x = x + F.pixel_shuffle(self.synthesis_skip(y), 16)
        # The network's 0 is mid grey; 255 steps span one.
        return torch.floor((x * 255 + (UNIT // 2) * 255) / UNIT + 0.5).clamp_(0, 255).to(torch.uint8)
