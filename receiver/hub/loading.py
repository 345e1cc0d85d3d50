"""Loads the tokenizers and the guides of a model profile: ControlNet and token adapter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.errors import SetupError
from shared.hub.files import replace_hint
from shared.hub.libraries import quiet
from shared.hub.loading import first_line, load_network

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

    from shared.hub.files import FoundPart
    from shared.hub.profile import ModelProfile


def load_guides(
    kind: Any, parts: Mapping[str, FoundPart], profile: ModelProfile, device: torch.device, dtype: torch.dtype
) -> dict[str, Any]:
    """Return ``controlnet`` of class ``kind`` and ``adapter``, those that ``parts`` has the files of, by name.

    Raises:
        SetupError: as ``load_network``.
    """
    guides = {}
    if "controlnet" in parts:
        guides["controlnet"] = load_network(kind, parts["controlnet"], "", profile, device, dtype)
    if "adapters" in parts:
        from receiver.hub.adapters import TokenAdapter  # noqa: PLC0415 - only where a profile has them

        guides["adapter"] = load_network(TokenAdapter, parts["adapters"], "", profile, device, dtype)
    return guides


def load_tokenizer(kind: Any, found: FoundPart, folder: str, profile: ModelProfile) -> Any:
    """Return the tokenizer in ``folder`` of ``found``.

    Raises:
        SetupError: its files are missing or damaged.
    """
    path = found.folder / folder
    try:
        with quiet():
            return kind.from_pretrained(path, local_files_only=True)
    except Exception as error:  # tokenizers raises bare exceptions
        raise SetupError(
            f"{path} is no tokenizer ({first_line(error)}); {replace_hint(profile, found.part.source)}"
        ) from error
