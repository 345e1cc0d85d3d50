"""From a checkpoint's float network to the integer weights of ``shared/hci/learned.py``."""

from __future__ import annotations

import json
import math
import shutil
from typing import TYPE_CHECKING

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from shared.hci.integer_net import GAIN_BITS, UNIT
from shared.hci.learned import LearnedHciCoder
from training.hci_learned.network import SCALE_LEVELS, SCALE_MIN, SCALE_STEP, LearnedCoder, Widths
from training.hci_learned.train import read_checkpoint

if TYPE_CHECKING:
    from pathlib import Path

ENCODER = ("analysis", "hyper_analysis")
WEIGHT_MAX, SHIFT_MAX = 32767, 30
COUNTS_TOTAL = 1 << 22
RADIUS_SCALES = 4


def to_integer_conv(name: str, conv: nn.Conv2d) -> dict[str, Tensor]:
    """Return ``conv`` as int16 weights, a power-of-two scale per output channel, and biases in units."""
    weight = conv.weight.detach().double()
    if name == "context":
        # Where row + column is odd, only neighbours at an odd distance are known; the other taps always meet zeros.
        kernel = weight.shape[-1]
        parity = (torch.arange(kernel)[:, None] + torch.arange(kernel)[None]) % 2
        weight = weight * (parity == 1)
    largest = weight.abs().amax(dim=(1, 2, 3)).clamp_min(2.0**-SHIFT_MAX)
    shift = torch.floor(torch.log2(WEIGHT_MAX / largest)).clamp_(0, SHIFT_MAX)
    whole = torch.round(weight * torch.exp2(shift)[:, None, None, None]).clamp_(-WEIGHT_MAX, WEIGHT_MAX)
    bias = conv.bias
    assert bias is not None
    return {
        f"{name}.weight": whole.to(torch.int16),
        f"{name}.shift": shift.to(torch.uint8),
        f"{name}.bias": torch.round(bias.detach().double() * UNIT).to(torch.int32),
    }


def make_probability_tables() -> dict[str, Tensor]:
    """Return ``counts [64, W]`` (whole steps -radius..radius, then the escape) and ``radius [64]``."""
    radii, rows = [], []
    for level in range(SCALE_LEVELS):
        scale = SCALE_MIN * math.exp(level * SCALE_STEP)
        radius = max(1, math.ceil(RADIUS_SCALES * scale))
        edges = [0.5 * math.erfc(-(k - 0.5) / (scale * math.sqrt(2))) for k in range(-radius, radius + 2)]
        shares = np.append(np.diff(edges), 2 * edges[0])
        radii.append(radius)
        rows.append(np.maximum(1, np.round(shares * COUNTS_TOTAL)).astype(np.int32))
    counts = np.zeros((SCALE_LEVELS, max(map(len, rows))), np.int32)
    for row, values in zip(counts, rows, strict=True):
        row[: len(values)] = values
    return {"counts": torch.from_numpy(counts), "radius": torch.tensor(radii, dtype=torch.uint8)}


def make_quality_tables(network: LearnedCoder) -> dict[str, Tensor]:
    """Return every quality's vectors, interpolated between the trained anchors once and for all."""
    qualities = torch.linspace(0, 1, len(LearnedHciCoder.qualities))

    def rows(table: nn.Module) -> Tensor:
        values: Tensor = table(qualities)[:, :, 0, 0].detach().double()
        return values

    def whole(values: Tensor) -> Tensor:
        return torch.round(values).to(torch.int32)

    return {
        "encoder.gain": rows(network.gain).exp().float(),
        "inverse_gain": whole(rows(network.inverse_gain).exp() * 2**GAIN_BITS),
        "hyper_mean": whole(rows(network.hyper_mean) * UNIT),
        "hyper_level": whole(rows(network.hyper_level) * 100).clamp_(0, SCALE_LEVELS - 1),
        "hyper_bias": whole(rows(network.hyper_bias) * UNIT),
        "synthesis_bias": whole(rows(network.synthesis_bias) * UNIT),
    }


def make_integer_tensors(network: LearnedCoder) -> dict[str, Tensor]:
    """Return the tensors of the weights file: int16 for the decoder, float16 for the encoder."""
    tensors = {**make_probability_tables(), **make_quality_tables(network)}
    for name, module in network.named_modules():
        if not isinstance(module, nn.Conv2d):
            continue
        if name.startswith(ENCODER):
            assert module.bias is not None
            tensors[f"encoder.{name}.weight"] = module.weight.detach().half()
            tensors[f"encoder.{name}.bias"] = module.bias.detach().half()
        else:
            tensors |= to_integer_conv(name, module)
    return {name: tensor.contiguous() for name, tensor in tensors.items()}


def load_network(state: dict[str, object]) -> LearnedCoder:
    """Return the running mean of a checkpoint's networks."""
    network = LearnedCoder(Widths(**state["widths"]))  # type: ignore[arg-type]
    network.load_state_dict(state["mean"])  # type: ignore[arg-type]
    return network.eval()


def export(checkpoint: Path, out: Path) -> None:
    """Write ``weights.safetensors`` and the run's log into ``out``.

    Raises:
        SetupError: there is no such checkpoint.
    """
    state = read_checkpoint(checkpoint)
    out.mkdir(parents=True, exist_ok=True)
    metadata = {name: json.dumps(state[name]) for name in ("plan", "widths", "steps_done", "crops_seen")}
    safetensors.torch.save_file(make_integer_tensors(load_network(state)), out / "weights.safetensors", metadata)
    log = checkpoint.parent / "log.jsonl"
    if log.exists():
        shutil.copy(log, out / "training-log.jsonl")
