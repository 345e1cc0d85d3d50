"""Muon (Jordan 2024): momentum whose update is orthogonalised, for convolution kernels seen as matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable
    from concurrent.futures import Executor

    from torch import Tensor


ROWS = 128
WEIGHT_DECAY = 0.1


def orthogonalise(matrix: Tensor) -> Tensor:
    """Return ``matrix`` with all its singular values pulled towards 1 by five Newton-Schulz steps.

    A matrix of several times 128 rows (the kernels in front of a pixel shuffle) is treated as a stack of matrices of
    128 rows, which costs a fraction.
    """
    x = matrix.view(-1, ROWS, matrix.shape[1]) if matrix.shape[0] % ROWS == 0 else matrix[None]
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    tall = x.shape[1] > x.shape[2]
    x = x.mT if tall else x
    for _ in range(5):
        gram = x @ x.mT
        polynomial = torch.baddbmm(gram, gram, gram, beta=-4.7750, alpha=2.0315)
        x = torch.baddbmm(x, polynomial, x, beta=3.4445)
    x = x.mT if tall else x
    result: Tensor = x.reshape(matrix.shape)
    return result


class Muon(torch.optim.Optimizer):
    """Steps along the orthogonalised Nesterov momentum, with a root mean square of 0.2 ``lr`` per weight."""

    def __init__(
        self,
        parameters: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float,
        threads: Executor | None = None,
        momentum: float = 0.95,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum})
        self.threads = threads

    def step(self, closure: None = None) -> None:  # type: ignore[override]  # noqa: ARG002
        """Apply one update to every parameter that has a gradient; ``threads``, if any, share the parameters."""
        for group in self.param_groups:
            moved = [parameter for parameter in group["params"] if parameter.grad is not None]
            largest_first = sorted(moved, key=lambda parameter: -parameter.numel())
            apply = map if self.threads is None else self.threads.map
            list(apply(self._move, largest_first, [group] * len(moved)))

    @torch.no_grad()
    def _move(self, parameter: Tensor, group: dict[str, Any]) -> None:
        state, gradient = self.state[parameter], parameter.grad
        assert gradient is not None
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        state["momentum"].lerp_(gradient, 1 - group["momentum"])
        matrix = gradient.lerp(state["momentum"], group["momentum"]).flatten(1)
        scale = 0.2 * max(min(matrix.shape[0], ROWS), matrix.shape[1]) ** 0.5
        update = orthogonalise(matrix.bfloat16()).to(parameter.dtype)
        parameter.mul_(1 - group["lr"] * WEIGHT_DECAY)
        parameter.add_(update.view_as(parameter), alpha=-group["lr"] * scale)
