"""Loads a network's weights from a safetensors file."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import nn

from shared.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from importlib.resources.abc import Traversable
    from pathlib import Path

Network = TypeVar("Network", bound=nn.Module)


def load_weights(network: Network, file: Path | Traversable, what: str, hint: str) -> Network:
    """Return ``network`` with the weights in ``file``, as float32, frozen; it may be on the device "meta".

    Error messages name the owner of the weights, ``what``, and end with ``hint``, which describes the fix.

    Raises:
        SetupError: the file is missing, damaged or for another network, or holds numbers that are not finite.
    """
    try:
        tensors = safetensors.torch.load(file.read_bytes())
        network.load_state_dict({name: tensor.float() for name, tensor in tensors.items()}, assign=True)
    except OSError as error:
        raise SetupError(f"no weights of {what} at {file}: {hint}") from error
    except (SafetensorError, RuntimeError, ValueError, KeyError) as error:
        raise SetupError(f"weights of {what} at {file} are damaged: {hint}") from error
    if not are_finite(tensors.values()):
        raise SetupError(f"weights of {what} at {file} are damaged, not all are finite: {hint}")
    return network.requires_grad_(requires_grad=False).eval()


def are_finite(tensors: Iterable[torch.Tensor]) -> bool:
    """Return whether all numbers are finite; least and largest say so in an eighth of the time of ``isfinite``."""
    extremes = [torch.stack(tensor.aminmax()) for tensor in tensors if tensor.numel()]
    return all(bool(pair.isfinite().all()) for pair in extremes)
