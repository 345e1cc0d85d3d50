"""Number types and memory of large models: what a profile's ``dtype`` and ``memory`` mean on a device.

| setting | what it does | needs |
| --- | --- | --- |
| ``offload: model`` | a network is on the GPU only while it runs | a GPU and accelerate |
| ``offload: sequential`` | each layer is on the GPU only while it runs: slow; captioners: ``model`` | likewise |
| ``attention_slicing`` | attention of one head at a time | - |
| ``vae_slicing`` | the autoencoder takes one picture of a batch at a time | - |
| ``vae_tiling`` | the autoencoder takes tiles of its own within a tile of the picture | - |
| ``quantisation`` | linear layers in 8 or 4 bits (LLM.int8, NF4), as diffusers configures it | CUDA, bitsandbytes |

On the CPU offload does nothing, since the networks are in main memory already, and quantisation is refused.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch

from shared.errors import LimitError, SetupError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.hub.files import FoundPart
    from shared.hub.profile import ModelProfile

DTYPES: Final = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}
QUANTISED_BYTES: Final = {"8bit": 1.0, "4bit": 0.5}
BESIDE: Final = ("controlnet", "adapters")
"""Parts of a profile that run beside the base in every step."""
HEADROOM: Final = 1.1
"""Memory over that of the weights alone."""
MEMINFO: Final = Path("/proc/meminfo")
CONTROL_GROUP: Final = Path("/sys/fs/cgroup")


def choose_dtype(profile: ModelProfile, device: torch.device) -> torch.dtype:
    """Return the number type of the networks on ``device``; float16 is computed as float32 on a CPU.

    Few CPUs compute float16, and their convolutions in it take many times longer.
    """
    dtype = DTYPES[profile.dtype]
    return torch.float32 if device.type == "cpu" and dtype is torch.float16 else dtype


def offload_on(profile: ModelProfile, device: torch.device) -> str:
    """Return how networks are offloaded from ``device``: not at all from the CPU, whose memory they would move to."""
    return "none" if device.type == "cpu" else profile.memory.offload


def without_layers(profile: ModelProfile) -> ModelProfile:
    """Return ``profile`` with networks that are offloaded as a whole where it asks for layers.

    A captioner writes word by word with parts of its network, so that hooks on the network would not run.
    """
    if profile.memory.offload != "sequential":
        return profile
    return profile.model_copy(update={"memory": profile.memory.model_copy(update={"offload": "model"})})


def quantisation_config(profile: ModelProfile, device: torch.device, library: str = "diffusers") -> Any:
    """Return the configuration with which ``from_pretrained`` of ``library`` quantises; None without quantisation.

    Raises:
        SetupError: the device is not a CUDA GPU, or a package is missing.
    """
    wanted = profile.memory.quantisation
    if wanted == "none":
        return None
    what = f"model profile {profile.name}: memory.quantisation = {wanted}"
    if device.type != "cuda":
        raise SetupError(
            f"{what} needs a CUDA GPU, and the device is {device.type}; set it to none, or use --device cuda"
        )
    for package in ("bitsandbytes", "accelerate"):
        _require(package, what)
    if library == "transformers":
        from transformers import BitsAndBytesConfig  # noqa: PLC0415 - seconds to import
    else:
        from diffusers import BitsAndBytesConfig  # noqa: PLC0415
    if wanted == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=choose_dtype(profile, device)
    )


def check_memory(
    profile: ModelProfile, found: Sequence[FoundPart], device: torch.device, without: str = "or use --decoder pocket"
) -> None:
    """Check that the weights of ``found`` fit into the free memory of ``device``, and those offloaded into main memory.

    ``without`` ends the message: how to do without them.

    Raises:
        LimitError: they do not.
    """
    for where, needed in (
        (device, needed_bytes(profile, found, device)),
        (torch.device("cpu"), main_memory_bytes(profile, found, device)),
    ):
        free = free_bytes(where)
        if free is not None and needed > free:
            raise LimitError(
                f"model profile {profile.name} needs {needed / 1e9:.1f} GB of memory and {where} has "
                f"{free / 1e9:.1f} GB free: {_way_out(profile, where)}, {without}"
            )


def needed_bytes(profile: ModelProfile, found: Sequence[FoundPart], device: torch.device) -> int:
    """Return the memory that the weights of ``found`` take on ``device``, from the headers of their files.

    Of networks that are offloaded the largest counts, and those beside it: they run in the same steps.
    """
    if offload_on(profile, device) == "none":
        return _weight_bytes(profile, sum(one.values for one in found), device)
    if profile.memory.offload == "sequential":
        return 0  # a layer at a time
    beside = sum(one.values for one in found if one.part.role in BESIDE)
    rest = (most for one in found if one.part.role not in BESIDE for most in one.values_by_network)
    return _weight_bytes(profile, beside + max(rest, default=0), device)


def main_memory_bytes(profile: ModelProfile, found: Sequence[FoundPart], device: torch.device) -> int:
    """Return the main memory that the weights of ``found`` take for as long as they are loaded for ``device``."""
    if device.type != "cpu" and offload_on(profile, device) == "none":
        return 0
    return _weight_bytes(profile, sum(one.values for one in found), device)


def _weight_bytes(profile: ModelProfile, values: int, device: torch.device) -> int:
    each = QUANTISED_BYTES.get(profile.memory.quantisation) or choose_dtype(profile, device).itemsize
    return int(values * each * HEADROOM)


def free_bytes(device: torch.device) -> int | None:
    """Return the free memory of ``device`` in bytes; None where nothing says it.

    In a container the limit of its control group counts too: the machine may have more.
    """
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    known = [one for one in (_machine_free_bytes(), _container_free_bytes()) if one is not None]
    return min(known, default=None)


def _container_free_bytes() -> int | None:
    """Return what the control group (version 2) of this process leaves; None without a limit.

    Its cache of files counts as free.
    """
    try:
        most = int((CONTROL_GROUP / "memory.max").read_text())  # "max" is no number: there is no limit
        used = int((CONTROL_GROUP / "memory.current").read_text())
        entries = dict(line.split() for line in (CONTROL_GROUP / "memory.stat").read_text().splitlines())
        return most - used + int(entries["active_file"]) + int(entries["inactive_file"])
    except (OSError, ValueError, KeyError):
        return None


def _machine_free_bytes() -> int | None:
    try:
        lines = MEMINFO.read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        pass
    if hasattr(os, "sysconf") and "SC_AVPHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def place(profile: ModelProfile, networks: Sequence[Any], device: torch.device) -> None:
    """Move ``networks`` to ``device``, or leave them in main memory with hooks that offload them.

    Raises:
        SetupError: accelerate is not installed.
    """
    offload = offload_on(profile, device)
    if offload != "none":
        _require("accelerate", f"model profile {profile.name}: memory.offload = {offload}")
        add_offload(networks, device, sequential=offload == "sequential")
        return
    for network in networks:
        if not getattr(network, "quantization_method", None):  # a quantised network is where it belongs
            network.to(device)


def add_offload(networks: Sequence[Any], device: torch.device, *, sequential: bool) -> None:
    """Have each of ``networks``, or each of their layers, move to ``device`` while it runs."""
    from accelerate import cpu_offload, cpu_offload_with_hook  # noqa: PLC0415 - optional

    before = None
    for network in networks:
        if sequential:
            cpu_offload(network, device, offload_buffers=True)
        else:
            _, before = cpu_offload_with_hook(network, device, prev_module_hook=before)


def save_memory(profile: ModelProfile, denoiser: Any, autoencoder: Any) -> None:
    """Switch on the slicing and tiling that ``profile`` asks for."""
    if profile.memory.attention_slicing:
        # Networks whose attention is always computed as a whole have no such method.
        getattr(denoiser, "set_attention_slice", lambda _: None)("auto")
    if profile.memory.vae_slicing:
        autoencoder.enable_slicing()
    if profile.memory.vae_tiling:
        autoencoder.enable_tiling()


def _require(package: str, what: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise SetupError(f"{what} needs the package {package}: pip install {package}")


def _way_out(profile: ModelProfile, device: torch.device) -> str:
    if device.type == "cpu":
        return "free some"
    more = {"none": "set memory.offload to model or sequential", "model": "set memory.offload to sequential"}
    quantise = "" if profile.memory.quantisation == "4bit" else ", set memory.quantisation to 4bit"
    return more.get(profile.memory.offload, "free some") + quantise
