"""Weights from a safetensors file into a network, one way for all networks that ship as one file."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import nn

from shared.errors import SetupError

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable
    from pathlib import Path

Network = TypeVar("Network", bound=nn.Module)


def load_weights(network: Network, file: Path | Traversable, what: str, way_out: str) -> Network:
    """Return ``network`` with the weights in ``file``, as float32, frozen; it may be on the device "meta".

    ``what`` names the network's owner, and ``way_out`` says what a user may do.

    Raises:
        SetupError: the file is missing, damaged or of another network, or not all of its numbers are finite.
    """
    try:
        tensors = safetensors.torch.load(file.read_bytes())
        network.load_state_dict({name: tensor.float() for name, tensor in tensors.items()}, assign=True)
    except OSError as error:
        raise SetupError(f"no weights of {what} at {file}: {way_out}") from error
    except (SafetensorError, RuntimeError, ValueError, KeyError) as error:
        raise SetupError(f"weights of {what} at {file} are damaged: {way_out}") from error
    if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values()):
        raise SetupError(f"weights of {what} at {file} are damaged, not all are finite: {way_out}")
    return network.requires_grad_(requires_grad=False).eval()
