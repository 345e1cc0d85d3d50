"""The integer tables of ``shared/latent/tables.py``: contexts trained by gradient, then rounded; symbols counted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from shared.latent.context import NEIGHBOURS, STEPS, cross_channel_sums, neighbours
from shared.latent.layout import CHANNEL_COUNTS, LATENT_CHANNELS, VALUE_MAX
from shared.latent.tables import FRACTIONS, RADIUS, SCALE_LEVELS, SYMBOLS, WEIGHT_BITS, table_places
from training.channel_dropout import draw_channel_mask

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sender.extractors.latent_network import Analysis
    from training.latent.pictures import Crops

SCALE_MIN, SCALE_MAX = 0.05, 4.0
COUNTS_TOTAL = 1 << 16
PRIOR_SYMBOLS, PRIOR_CHOICES = 30.0, 8.0
"""How many observations the smooth distribution beneath the counted ones is worth."""
OFFERED_WEIGHT = 40
"""Of the counts that the link offers against each of the others."""
RULE_SHARE = 0.85
SIDES = (192, 320)
BATCH, RATE = 32, 3e-3
INT16 = 32767
BEFORE = torch.ones(LATENT_CHANNELS, LATENT_CHANNELS).tril(-1)[:, :, None]
"""1 where a channel (second index) is coded before another (first index): ids ascend."""


@dataclass(frozen=True)
class Latents:
    """Channels ``[N, 32, h, w]`` int64 of crops of one size, and which of them are sent, ``[N, 32]``, 1 or 0."""

    values: NDArray[np.int64]
    kept: NDArray[np.int64]


@torch.no_grad()
def draw_latents(analysis: Analysis, crops: Crops, count: int, side: int, seed: int) -> Latents:
    """Return the latents of ``count`` training crops; channels are chosen by the sender's rule, some at random."""
    rng = np.random.default_rng((seed, side))
    channels, kept = [], []
    for _ in range(0, count, BATCH):
        picture = torch.from_numpy(crops.batch(rng, BATCH, side)).permute(0, 3, 1, 2).float() / 255
        values = analysis(picture).round().clamp(-VALUE_MAX, VALUE_MAX)
        rule = {
            "count": torch.from_numpy(rng.choice(CHANNEL_COUNTS, BATCH)),
            "by_rule": torch.from_numpy(rng.random(BATCH) < RULE_SHARE),
            "dice": torch.from_numpy(rng.random((BATCH, LATENT_CHANNELS), np.float32)),
        }
        channels.append(values.numpy().astype(np.int64))
        kept.append(draw_channel_mask(values, picture, rule).numpy().astype(np.int64))
    return Latents(np.concatenate(channels), np.concatenate(kept))


class ContextModel(nn.Module):
    """The sums of ``LatentTables.table_indices`` in floating point, and the bits of a logistic distribution on them."""

    def __init__(self) -> None:
        super().__init__()
        steps = len(STEPS)
        self.mean_near = nn.Parameter(torch.zeros(steps, LATENT_CHANNELS, NEIGHBOURS))
        self.mean_cross = nn.Parameter(torch.zeros(steps, LATENT_CHANNELS, LATENT_CHANNELS, 2))
        self.scale_bias = nn.Parameter(torch.full((steps, LATENT_CHANNELS), -1.0))
        self.scale_near = nn.Parameter(torch.full((steps, LATENT_CHANNELS, NEIGHBOURS), 0.05))
        self.scale_cross = nn.Parameter(torch.zeros(steps, LATENT_CHANNELS, LATENT_CHANNELS, 2))

    def forward(self, channels: NDArray[np.int64], kept: NDArray[np.int64]) -> Tensor:
        """Return the bits per sample of the kept ones of ``channels`` ``[B, 32, h, w]``."""
        sent = channels * kept[:, :, None, None]
        signed, absolute = (torch.from_numpy(known).float() for known in cross_channel_sums(sent))
        there = torch.from_numpy(kept).float()[:, :, None]
        bits: Tensor = torch.zeros(())
        for number, step in enumerate(STEPS):
            rows, columns = step.places(*channels.shape[2:])
            near = torch.from_numpy(neighbours(sent, step, rows, columns)).float()
            mean = torch.einsum("bcnk,ck->bcn", near, self.mean_near[number])
            mean = mean + torch.einsum("bjnf,cjf->bcn", signed[:, :, rows, columns], self.mean_cross[number] * BEFORE)
            score = torch.einsum("bcnk,ck->bcn", near.abs(), self.scale_near[number])
            score = score + torch.einsum(
                "bjnf,cjf->bcn", absolute[:, :, rows, columns], self.scale_cross[number] * BEFORE
            )
            scale = functional.softplus(score + self.scale_bias[number][:, None]) + SCALE_MIN / 2
            values = torch.from_numpy(channels[:, :, rows, columns]).float()
            bits = bits - (_log2_share(values - mean, scale) * there).sum()
        per_sample: Tensor = bits / (there.sum() * channels.shape[2] * channels.shape[3])
        return per_sample


def _log2_share(apart: Tensor, scale: Tensor) -> Tensor:
    """Return log2 of the logistic distribution's share in ±0.5 of ``apart`` from its mean."""
    upper, lower = torch.sigmoid((apart + 0.5) / scale), torch.sigmoid((apart - 0.5) / scale)
    return (upper - lower).clamp_min(1e-6).log2()


def train_contexts(parts: list[Latents], steps: int, seed: int, batch: int = BATCH) -> tuple[ContextModel, list[float]]:
    """Return the model after ``steps`` of Adam on batches of the ``parts`` in turn, and its bits per sample."""
    model, rng = ContextModel(), np.random.default_rng((seed, 3))
    optimiser = torch.optim.Adam(model.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    history = []
    for step in range(steps):
        part = parts[step % len(parts)]
        rows = rng.choice(len(part.values), batch)
        loss = model(part.values[rows], part.kept[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        history.append(float(loss.detach()))
    return model, history


def make_integer_tables(model: ContextModel, parts: list[Latents]) -> dict[str, NDArray[np.int16] | NDArray[np.int32]]:
    """Return the arrays of ``shared/latent/tables.SHAPES``."""
    rounded = {
        name: np.clip(np.rint(value.detach().double().numpy() * 2**WEIGHT_BITS), -INT16, INT16).astype(np.int16)
        for name, value in model.named_parameters()
    }
    for name in ("mean_cross", "scale_cross"):
        rounded[name] = rounded[name] * BEFORE.numpy().astype(np.int16)
    scales = np.geomspace(SCALE_MIN, SCALE_MAX, SCALE_LEVELS - 1)
    # The inverse of forward's softplus: the level is chosen by comparing the score itself.
    thresholds = np.rint(np.log(np.expm1(scales - SCALE_MIN / 2)) * 2**WEIGHT_BITS).astype(np.int32)
    found = sum(_count_symbols(rounded, thresholds, part) for part in parts)
    assert isinstance(found, np.ndarray)
    smooth = _make_smooth_counts(scales)
    shares = found + PRIOR_SYMBOLS * smooth
    shares /= shares.sum(-1, keepdims=True)
    return {
        **rounded,
        "thresholds": thresholds,
        "counts": np.maximum(1, np.rint(shares * COUNTS_TOTAL)).astype(np.int32),
        "chosen": _count_choices(np.concatenate([part.kept for part in parts])),
        "number": np.where(np.isin(np.arange(1, LATENT_CHANNELS + 1), CHANNEL_COUNTS), OFFERED_WEIGHT, 1).astype(
            np.int32
        ),
    }


def _count_symbols(
    weights: dict[str, NDArray[np.int16]], thresholds: NDArray[np.int32], part: Latents
) -> NDArray[np.float64]:
    """Return how often each symbol ``[24, 8, 18]`` followed each context, by the coder's own integer sums."""
    whole = {name: value.astype(np.int64) for name, value in weights.items()}
    counts = np.zeros((SCALE_LEVELS * FRACTIONS, SYMBOLS))
    for channels, kept in zip(part.values, part.kept, strict=True):
        ids = np.flatnonzero(kept)
        signed, absolute = cross_channel_sums(channels[ids])
        for number, step in enumerate(STEPS):
            rows, columns = step.places(*channels.shape[1:])
            near = neighbours(channels[ids], step, rows, columns)
            mean = np.einsum("cnk,ck->cn", near, whole["mean_near"][number, ids])
            mean += np.einsum("jnf,cjf->cn", signed[:, rows, columns], whole["mean_cross"][number][np.ix_(ids, ids)])
            scale = np.einsum("cnk,ck->cn", np.abs(near), whole["scale_near"][number, ids])
            scale += np.einsum(
                "jnf,cjf->cn", absolute[:, rows, columns], whole["scale_cross"][number][np.ix_(ids, ids)]
            )
            scale += whole["scale_bias"][number, ids][:, None]
            nearest, table = table_places(mean, scale, thresholds.astype(np.int64))
            apart = channels[ids][:, rows, columns] - nearest
            symbol = np.where(np.abs(apart) > RADIUS, SYMBOLS - 1, apart + RADIUS)
            np.add.at(counts, (table.ravel(), symbol.ravel()), 1)
    return counts.reshape(SCALE_LEVELS, FRACTIONS, SYMBOLS)


def _make_smooth_counts(scales: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the logistic distribution's shares ``[24, 8, 18]`` for every level and fraction of the mean."""
    middle = np.sqrt(scales[:-1] * scales[1:])
    levels = np.concatenate([[scales[0] * 0.75], middle, [scales[-1] * 1.25]])[:, None, None]
    fractions = (np.arange(FRACTIONS) - FRACTIONS // 2)[None, :, None] / FRACTIONS
    edges = np.arange(-RADIUS, RADIUS + 2) - 0.5
    below = 1 / (1 + np.exp(-np.clip((edges - fractions) / levels, -700, 700)))
    inside = np.diff(below, axis=-1)
    return np.concatenate([inside, np.maximum(1 - inside.sum(-1, keepdims=True), 1e-6)], axis=-1)


def _count_choices(kept: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return ``[32, 33, 2]``: how often channel i was absent and there when k channels were still to come."""
    counts = np.zeros((LATENT_CHANNELS, LATENT_CHANNELS + 1, 2))
    for channel in range(LATENT_CHANNELS):
        for missing in range(LATENT_CHANNELS + 1):
            share = min(max(missing / (LATENT_CHANNELS - channel), 0.01), 0.99)
            counts[channel, missing] = PRIOR_CHOICES * np.array([1 - share, share])
    to_come = np.flip(np.cumsum(np.flip(kept, 1), axis=1), 1)
    for channel in range(LATENT_CHANNELS):
        np.add.at(counts[channel], (to_come[:, channel], kept[:, channel]), 1)
    shares = counts / counts.sum(-1, keepdims=True)
    whole: NDArray[np.int32] = np.maximum(1, np.rint(shares * COUNTS_TOTAL)).astype(np.int32)
    return whole


def measure_table_bits(tables: dict[str, NDArray[np.int16] | NDArray[np.int32]], part: Latents) -> float:
    """Return the ideal bits per sample of ``part`` by the counts alone."""
    weights = {name: value for name, value in tables.items() if name.startswith(("mean", "scale"))}
    found = _count_symbols(weights, tables["thresholds"], part)  # type: ignore[arg-type]
    counts = tables["counts"].astype(np.float64)
    bits = -(found * np.log2(counts / counts.sum(-1, keepdims=True))).sum()
    return float(bits / found.sum()) if found.sum() else math.nan


def measure_order0_bits(part: Latents) -> float:
    """Return the entropy of the samples of the kept channels, each channel by its own histogram over ``part``."""
    bits = samples = 0.0
    for channel in range(LATENT_CHANNELS):
        values = part.values[part.kept[:, channel] > 0, channel].ravel()
        _, counts = np.unique(values, return_counts=True)
        bits -= float((counts * np.log2(counts / max(1, counts.sum()))).sum())
        samples += len(values)
    return bits / samples
