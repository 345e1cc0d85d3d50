"""3×3 convolutions that NNPACK computes by Winograd's method, where that is faster than oneDNN."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn


class Convolution(nn.Conv2d):
    """A convolution with a 3×3 kernel, stride 1 and padding 1; weights and names are those of ``nn.Conv2d``.

    Results of the two libraries differ by rounding. Each is the same for any number of threads.
    """

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__(channels_in, channels_out, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[B, channels_out, H, W]`` for ``x`` ``[B, channels_in, H, W]``."""
        if not _computes_by_nnpack(x):
            return super().forward(x)
        result: Tensor = torch._nnpack_spatial_convolution(x.contiguous(), self.weight.contiguous(), self.bias, 1, 1)  # noqa: SLF001 - torch has no public name for it
        return result


def _computes_by_nnpack(x: Tensor) -> bool:
    """NNPACK has no gradient and no other number type than float32."""
    plain = x.device.type == "cpu" and x.dtype is torch.float32 and not torch.is_autocast_enabled("cpu")
    return plain and not torch.is_grad_enabled() and _nnpack_is_faster()


@cache
def _nnpack_is_faster() -> bool:
    """With AVX-512 it was not measured; oneDNN then computes twice as much at once."""
    return torch.backends.cpu.get_cpu_capability() == "AVX2" and has_nnpack()


def has_nnpack() -> bool:
    """Return whether NNPACK supports this CPU. This call must come before its first convolution."""
    return bool(torch._nnpack_available())  # noqa: SLF001 - torch has no public name for it
