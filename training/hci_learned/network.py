"""The float network that is trained: a variable-rate hyperprior with a checkerboard context.

Minnen, Ballé and Toderici 2018 (mean-scale hyperprior); He et al. 2021 (checkerboard context); Cui et al. 2021 (gain
vectors for variable rate in one model). Whatever the decoder evaluates is built from convolutions, leaky rectifiers of
slope 1/8, pixel shuffles and sums only, so that ``shared/hci/integer_net.py`` can evaluate it in integers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from training.compressai_import import GaussianConditional, LowerBound

SCALE_MIN, SCALE_MAX, SCALE_LEVELS = 0.11, 32.0, 64
SCALE_STEP = math.log(SCALE_MAX / SCALE_MIN) / (SCALE_LEVELS - 1)
NEGATIVE_SLOPE = 0.125
# Samples of a block of 16 by 16 pixels, which one place of the latent stands for.
BLOCK = 3 * 16 * 16
# Steps of a uniform quantiser that the Lagrangian multipliers of train.py ask of orthonormal coefficients.
GAIN_FIRST, GAIN_LAST = 0.7, 4.7


@dataclass(frozen=True)
class Widths:
    """Channels at 1/4 of the picture's size, at 1/8, in the latent at 1/16, in its entropy model, and at 1/64."""

    quarter: int = 64
    eighth: int = 128
    latent: int = 192
    features: int = 128
    hyper: int = 64
    anchors: int = 8


def _conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2)


class Rectifier(nn.Module):
    """Leaky rectifier whose slope is a power of two."""

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` where positive, else ``x / 8``."""
        return F.leaky_relu(x, NEGATIVE_SLOPE)


class Residual(nn.Module):
    """``x + conv(rectifier(conv(rectifier(x))))``, all 3×3."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = _conv(channels, channels), _conv(channels, channels)
        self.rectifier = Rectifier()
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[B, C, h, w]`` to the same shape."""
        out: Tensor = x + self.second(self.rectifier(self.first(self.rectifier(x))))
        return out


class QualityTable(nn.Module):
    """A vector per anchor quality, interpolated linearly between anchors."""

    def __init__(self, anchors: int, channels: int, first: float = 0.0, last: float = 0.0) -> None:
        super().__init__()
        ramp = torch.linspace(first, last, anchors)[:, None]
        self.rows = nn.Parameter(ramp.expand(anchors, channels).clone())

    def forward(self, quality: Tensor) -> Tensor:
        """Map qualities ``[B]`` in 0..1 to ``[B, C, 1, 1]``."""
        anchors = self.rows.shape[0]
        place = quality * (anchors - 1)
        low = place.floor().clamp(0, anchors - 2).long()
        part = (place - low)[:, None]
        return torch.lerp(self.rows[low], self.rows[low + 1], part)[:, :, None, None]


def round_straight_through(x: Tensor) -> Tensor:
    """Round with the gradient of the identity."""
    return x + (x.round() - x).detach()


def make_anchor_mask(height: int, width: int, device: torch.device) -> Tensor:
    """Return ``[1, 1, height, width]``: 1 where row + column is even, which is decoded first."""
    rows, columns = torch.arange(height, device=device)[:, None], torch.arange(width, device=device)[None]
    return ((rows + columns) % 2 == 0).float()[None, None]


class LearnedCoder(nn.Module):
    """The whole coder; ``forward`` gives the training quantities, ``shared/hci/learned.py`` the real bytes."""

    def __init__(self, widths: Widths | None = None) -> None:
        super().__init__()
        self.widths = w = widths or Widths()
        self.analysis = nn.Sequential(
            nn.PixelUnshuffle(4),
            _conv(48, w.quarter),
            Residual(w.quarter),
            _conv(w.quarter, w.eighth, stride=2),
            Residual(w.eighth),
            Residual(w.eighth),
            _conv(w.eighth, w.latent, stride=2),
        )
        self.analysis_skip = nn.Conv2d(BLOCK, w.latent, 1)
        self.gain = QualityTable(w.anchors, w.latent, math.log(GAIN_FIRST), math.log(GAIN_LAST))
        self.inverse_gain = QualityTable(w.anchors, w.latent, -math.log(GAIN_FIRST), -math.log(GAIN_LAST))
        self.hyper_analysis = nn.Sequential(
            _conv(w.latent, w.features),
            Rectifier(),
            _conv(w.features, w.features, stride=2),
            Rectifier(),
            _conv(w.features, w.hyper, stride=2),
        )
        self.hyper_mean = QualityTable(w.anchors, w.hyper)
        # In hundreds of table entries: an optimiser's small steps then cross the table in a few hundred of them.
        self.hyper_level = QualityTable(w.anchors, w.hyper, 0.2, 0.2)
        self.hyper_first = nn.Conv2d(w.hyper, w.features * 4, 1)
        self.hyper_second = _conv(w.features, w.features * 4)
        self.hyper_bias = QualityTable(w.anchors, w.features)
        self.rectifier = Rectifier()
        self.context = _conv(w.latent, w.features, 5)
        self.parameters_first = nn.Conv2d(2 * w.features, 2 * w.features, 1)
        self.parameters_second = nn.Conv2d(2 * w.features, 2 * w.latent, 1)
        self.synthesis_skip = nn.Conv2d(w.latent, BLOCK, 1)
        self.synthesis_in = _conv(w.latent, w.eighth * 4)
        self.synthesis_bias = QualityTable(w.anchors, w.eighth * 4)
        self.synthesis = nn.Sequential(
            nn.PixelShuffle(2),
            Residual(w.eighth),
            Residual(w.eighth),
            _conv(w.eighth, w.quarter * 4),
            nn.PixelShuffle(2),
            Residual(w.quarter),
            Rectifier(),
            _conv(w.quarter, 48),
            nn.PixelShuffle(4),
        )
        self.gaussian = GaussianConditional(None, scale_bound=SCALE_MIN)
        self.level_floor = LowerBound(0.0)

    @torch.no_grad()
    def start_as_transform_coder(self, directions: Tensor) -> None:
        """Make the untrained coder a block transform: ``directions [latent, 768]`` forth, their transpose back.

        What the convolutions add starts near zero, so training starts from a working coder and refines it.
        """
        self.analysis_skip.weight.copy_(directions[:, :, None, None])
        self.synthesis_skip.weight.copy_(directions.T[:, :, None, None])
        for last in (self.analysis[-1], self.synthesis[-2], self.analysis_skip, self.synthesis_skip):
            assert isinstance(last, nn.Conv2d)
            assert last.bias is not None
            last.bias.zero_()
        for last in (self.analysis[-1], self.synthesis[-2]):
            assert isinstance(last, nn.Conv2d)
            last.weight.mul_(0.1)

    def scale(self, level: Tensor) -> Tensor:
        """Return the Gaussian's scale for a (fractional) index into the table of 64 scales."""
        return SCALE_MIN * torch.exp(self.level_floor(level).clamp(max=SCALE_LEVELS - 1) * SCALE_STEP)

    def hyper_features(self, z: Tensor, quality: Tensor, height: int, width: int) -> Tensor:
        """Map the quantised hyper-latent to features ``[B, features, height, width]`` at the latent's size."""
        x = F.pixel_shuffle(self.hyper_first(z), 2) + self.hyper_bias(quality)
        x = F.pixel_shuffle(self.hyper_second(self.rectifier(x)), 2)
        return x[:, :, :height, :width]

    def predict_parameters(self, features: Tensor, known: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return mean and scale index of every latent from hyper features and the already known latents."""
        context = torch.zeros_like(features) if known is None else self.context(known)
        joint = self.parameters_second(self.rectifier(self.parameters_first(torch.cat([features, context], 1))))
        mean, level = joint.chunk(2, 1)
        # 8 levels per unit keep the output's range near that of the mean.
        return mean, level * 8 + 16

    def synthesise(self, y: Tensor, quality: Tensor) -> Tensor:
        """Return the picture ``[B, 3, 16h, 16w]`` (0..1, unclamped) of quantised latents ``[B, latent, h, w]``."""
        y = y * self.inverse_gain(quality).exp()
        x = self.synthesis_in(y) + self.synthesis_bias(quality)
        out: Tensor = self.synthesis(x) + F.pixel_shuffle(self.synthesis_skip(y), 16) + 0.5
        return out

    def bits(self, values: Tensor, mean: Tensor, level: Tensor, random: torch.Generator) -> Tensor:
        """Return the estimated bits ``[B]`` of ``values`` with additive uniform noise in place of rounding."""
        noise = torch.empty_like(values, dtype=torch.float32).uniform_(-0.5, 0.5, generator=random)
        noisy = values.float() + noise
        likelihood = self.gaussian._likelihood(noisy, self.scale(level.float()), mean.float())  # noqa: SLF001
        return -torch.log2(likelihood.clamp_min(1e-9)).sum(dim=(1, 2, 3))

    def forward(self, picture: Tensor, quality: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Map pictures ``[B, 3, 16h, 16w]`` (0..1) and qualities ``[B]`` (0..1) to reconstruction and bits.

        Returns:
            The reconstruction (shape of ``picture``), the bits of the latent ``[B]`` and of the hyper-latent ``[B]``.
        """
        y = self.analysis(picture - 0.5) + self.analysis_skip(F.pixel_unshuffle(picture - 0.5, 16))
        y = y * self.gain(quality).exp()
        z = self.hyper_analysis(y)
        z_mean, z_level = self.hyper_mean(quality).expand_as(z), self.hyper_level(quality).expand_as(z) * 100
        z_bits = self.bits(z, z_mean, z_level, random)
        features = self.hyper_features(round_straight_through(z - z_mean) + z_mean, quality, y.shape[2], y.shape[3])
        anchors = make_anchor_mask(y.shape[2], y.shape[3], y.device)
        mean, level = self.predict_parameters(features, None)
        known = (round_straight_through(y - mean) + mean) * anchors
        late_mean, late_level = self.predict_parameters(features, known)
        mean = mean * anchors + late_mean * (1 - anchors)
        level = level * anchors + late_level * (1 - anchors)
        y_bits = self.bits(y, mean, level, random)
        return self.synthesise(round_straight_through(y - mean) + mean, quality), y_bits, z_bits
