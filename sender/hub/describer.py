"""The interface of every captioner on a pretrained model, and what the models share: loading and writing."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch

from shared.errors import LinkError, SetupError
from shared.hub.files import find_profile, replace_hint
from shared.hub.layout import parts_of
from shared.hub.memory import check_memory, choose_dtype, offload_on, without_layers
from shared.out_of_memory import report_out_of_memory

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from PIL import Image

    from shared.hub.profile import ModelProfile

WITHOUT = "or leave --captioner out"
Box = tuple[float, float, float, float]
"""Left, top, right and bottom as shares of the picture, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Item:
    """An object in a picture: its name, some words on it, and its boxes; () if the model gives none."""

    name: str
    detail: str
    boxes: tuple[Box, ...] = ()


class Describer(Protocol):
    """A pretrained model that describes pictures. The same picture gets the same words on the same machine."""

    def overall(self, image: Image.Image, words: int) -> str:
        """Return a description of the RGB ``image`` in about ``words`` words, as the model wrote it."""
        ...

    def items(self, image: Image.Image) -> tuple[Item, ...]:
        """Return up to three objects, the most important first; () for a model that cannot list them."""
        ...


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A network of transformers that computes on ``device``, the processor of its pictures, and its tokenizer.

    With ``offloaded`` the network is in main memory except within ``running``.
    """

    network: Any
    images: Any
    tokenizer: Any
    device: torch.device
    offloaded: bool = False

    def to_device(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Return ``inputs`` where the network computes, numbers that are not integers in its number type."""
        dtype = self.network.dtype
        return {
            name: value.to(self.device, dtype) if torch.is_floating_point(value) else value.to(self.device)
            for name, value in inputs.items()
        }

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Have the network on its device, whichever of its parts are called.

        Hooks that offload would miss parts: writing calls the encoder by itself, and maps call single layers.
        """
        if not self.offloaded:
            yield
            return
        try:
            self.network.to(self.device)
            yield
        finally:
            self.network.to("cpu")

    @torch.inference_mode()
    def write(self, inputs: Mapping[str, Any], max_tokens: int, *, beams: int = 1) -> torch.Tensor:
        """Return the numbers of the tokens that the network writes, ``[T]``: the likeliest ones, none drawn at random.

        Those of an encoder-decoder or of BLIP begin with its start token; those of Qwen begin with the prompt.
        """
        with self.running():
            written: torch.Tensor = self.network.generate(
                **self.to_device(inputs),
                max_new_tokens=max_tokens,
                num_beams=beams,
                do_sample=False,
                # The values in a repository's generation_config.json are for sampling; without it they draw warnings.
                temperature=None,
                top_p=None,
                top_k=None,
            )
            return written[0].cpu()


def load_model(profile: ModelProfile, role: str, device: torch.device) -> LoadedModel:
    """Return the model of ``profile`` in the field ``role``: captioner or maps.

    Raises:
        SetupError: a file is missing, damaged or of another class, or a package is missing.
        LimitError: there is too little memory.
    """
    profile = without_layers(profile)
    (found,) = find_profile(profile, (role,))
    check_memory(profile, [found], device, WITHOUT)
    from shared.hub.libraries import quiet, transformers  # noqa: PLC0415 - seconds to import
    from shared.hub.loading import load_network  # noqa: PLC0415

    network_class = getattr(transformers, found.part.components[0].class_name)
    network = load_network(network_class, found, "", profile, device, choose_dtype(profile, device), WITHOUT)
    quantised = profile.memory.quantisation != "none"  # then it stays where it is
    offloaded = offload_on(profile, device) != "none" and not quantised
    with quiet(), explained(profile, role, device):
        # Pillow computes the same pixels on every machine; torchvision is not a package that the sender needs.
        images = transformers.AutoImageProcessor.from_pretrained(found.folder, backend="pil", local_files_only=True)
        tokenizer = transformers.AutoTokenizer.from_pretrained(found.folder, local_files_only=True)
        if not (offloaded or quantised):
            network.to(device)
    return LoadedModel(network, images, tokenizer, device, offloaded)


@contextlib.contextmanager
def explained(profile: ModelProfile, role: str, device: torch.device) -> Iterator[None]:
    """Turn what transformers raises for files that are damaged or do not fit together into one line.

    Raises:
        SetupError: they are.
        LimitError: there is too little memory.
    """
    what = f"{role} of model profile {profile.name}"
    try:
        with report_out_of_memory(what, str(device), WITHOUT):
            yield
    except LinkError:
        raise
    except Exception as error:  # safetensors, tokenizers and pydantic-like checks each raise their own
        (source,) = (part.source for part in parts_of(profile) if part.role == role)
        said = " ".join(str(error).split())[:160]
        raise SetupError(
            f"{what}, {source.label}, cannot be loaded ({type(error).__name__}: {said}); "
            f"{replace_hint(profile, source)}"
        ) from error
