"""Exact a-posteriori demapping of square QAM, one real dimension at a time.

Gray mapping of TS 38.211, section 5.1, puts the even bits of a symbol on the real axis and the odd ones on the
imaginary axis. Noise is independent on both, so that a bit's LLR (log-likelihood ratio) needs the levels of its own
axis only: 16 distances for 64-QAM instead of 64. Importing this module imports torch, which takes seconds.
"""

from __future__ import annotations

import torch


class AxisDemapper:
    """Log p(1) / p(0) of the bits of square QAM with equiprobable symbols, from ``points`` ``[2 ** bits]``.

    The label of a point is its index, most significant bit first, as in Sionna's ``Constellation``.
    """

    def __init__(self, points: torch.Tensor, device: str) -> None:
        self._bits = len(points).bit_length() - 1
        axis_bits = self._bits // 2
        labels = range(2**axis_bits)
        shifts = range(axis_bits - 1, -1, -1)
        spread = [sum((label >> shift & 1) << 2 * shift + 1 for shift in shifts) for label in labels]  # even bits
        self._levels = points[spread].real.to(device, torch.float32)
        ones = [[label for label in labels if label >> shift & 1] for shift in shifts]
        zeros = [[label for label in labels if not label >> shift & 1] for shift in shifts]
        self._labels = torch.tensor([ones, zeros], device=device)  # [2, axis_bits, levels / 2]

    def __call__(self, received: torch.Tensor, variance: torch.Tensor) -> torch.Tensor:
        """Return the LLRs ``[packets, bits]``, float32, of ``received`` symbols ``[packets, symbols]``.

        ``variance`` is that of their noise per complex symbol, one value for all symbols or one per symbol.
        """
        axes = torch.view_as_real(received.contiguous())
        exponents = -((axes[..., None] - self._levels).square() / variance[..., None, None])
        ones, zeros = exponents[..., self._labels].logsumexp(-1).unbind(-2)  # [packets, symbols, axes, axis_bits]
        return (ones - zeros).transpose(-1, -2).reshape(len(received), -1)
