"""Semantic tokens of a picture: SPWs, or RSRTs beside a caption and an HCI. Networks load on first use."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Final

import safetensors.torch
from safetensors import SafetensorError

from sender.features import CHANNELS
from sender.token_network import TokenNetwork
from shared.errors import SetupError
from shared.text import TEXT_WIDTH
from shared.tokens.stream import TokenKind

if TYPE_CHECKING:
    from torch import Tensor

WAY_OUT: Final = "install the package again, choose a codec without tokens, or train them (training/README.md)"


def tokens_folder() -> Path:
    """Return the folder of the weights that ship."""
    return Path(str(resources.files("models") / "tokens"))


def new_token_network(kind: TokenKind) -> TokenNetwork:
    """Return an untrained network for ``kind``."""
    return TokenNetwork(CHANNELS, TEXT_WIDTH, sees_context=kind is TokenKind.RSRT)


def load_token_network(folder: Path, kind: TokenKind) -> TokenNetwork:
    """Return the network for ``kind`` in ``folder``, frozen, float32.

    Raises:
        SetupError: its weights are missing or damaged.
    """
    path = folder / f"{kind.name.lower()}.safetensors"
    network = new_token_network(kind)
    try:
        tensors = safetensors.torch.load(path.read_bytes())
        network.load_state_dict({name: value.float() for name, value in tensors.items()})
    except OSError as error:
        raise SetupError(f"no weights of the token encoder: {path} cannot be read; {WAY_OUT}") from error
    except (SafetensorError, RuntimeError, ValueError, KeyError) as error:
        raise SetupError(f"{path} is damaged; {WAY_OUT}") from error
    return network.requires_grad_(requires_grad=False).eval()


def save_token_network(network: TokenNetwork, folder: Path, kind: TokenKind) -> None:
    """Write ``network`` into ``folder`` as float16."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, Tensor] = {
        name: value.detach().half().contiguous().cpu()
        for name, value in network.state_dict().items()
        if value.is_floating_point()
    }
    safetensors.torch.save_file(tensors, folder / f"{kind.name.lower()}.safetensors")
