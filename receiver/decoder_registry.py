"""The decoders by name: the pocket decoder, the plain enlargement, and one per model profile."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Final

from receiver.decoders.base import DecodeOptions, check_steps
from receiver.decoders.upsample import UpsampleDecoder
from shared.errors import ConfigError, InputError, UnknownNameError
from shared.hub.files import find_profile
from shared.hub.layout import DECODER_ROLES
from shared.hub.registry import is_file_name, load_profile, profile_names
from shared.lazy import Lazy

if TYPE_CHECKING:
    from collections.abc import Callable

    from receiver.decoders.base import Decoder
    from shared.hub.profile import ModelProfile

DEFAULT_DECODER: Final = "pocket"
POCKET_STEPS: Final = 4


def decoder_names() -> list[str]:
    """Return the names of all decoders, the default one first.

    Raises:
        SetupError: the folder of the user's profiles cannot be read.
    """
    return [DEFAULT_DECODER, UpsampleDecoder.name, *(name for name in profile_names() if name != DEFAULT_DECODER)]


def check_decoder(name: str) -> None:
    """Check that ``name`` is a decoder's, a profile's YAML file, or empty, without loading anything.

    Raises:
        UnknownNameError: there is no such decoder.
        InputError, ConfigError: the file cannot be read, or is no profile.
    """
    _max_steps(name)


def check_decoding(name: str, steps: int | None = None, fidelity: float | None = None) -> None:
    """Check a request for the decoder ``name`` without loading it: its name, ``steps`` and ``fidelity``.

    Raises:
        UnknownNameError, InputError, ConfigError: as ``check_decoder``; or an option is out of range.
    """
    check_steps(steps or 0, _max_steps(name))
    DecodeOptions(fidelity=fidelity)


def require_files(name: str) -> None:
    """Check that the files of the decoder ``name`` are there, if it is that of a model profile, without loading them.

    Raises:
        SetupError: a file is missing or damaged; the message has the command that brings it.
    """
    if is_profile(name):
        find_profile(_decoder_profile(name), DECODER_ROLES)


def weights_bytes(name: str, device: str = "") -> int:
    """Return the main memory of the weights of the decoder ``name`` on ``device``; 0 for decoders that ship.

    Raises:
        SetupError: a file is missing or damaged, or there is no such device.
    """
    if not is_profile(name):
        return 0
    from shared.hub.memory import main_memory_bytes  # noqa: PLC0415 - these import torch
    from shared.torch_devices import select_device  # noqa: PLC0415

    profile = _decoder_profile(name)
    return main_memory_bytes(profile, find_profile(profile, DECODER_ROLES), select_device(device))


def check_name(name: str) -> None:
    """Check that ``name`` is not that of a file. A service takes names alone: files are its operator's.

    Raises:
        InputError: it is a file's.
    """
    if is_file_name(name):
        raise InputError(
            f"decoder {name}: a service takes the name of a profile, not a file; put the file into the folder "
            "SEMLINK_PROFILES of the receiver, or decode without services"
        )


def is_profile(name: str) -> bool:
    """Whether the decoder ``name``, one that ``check_decoder`` accepts, is that of a model profile to be fetched."""
    return name not in ("", DEFAULT_DECODER, UpsampleDecoder.name)


def takes_options(name: str) -> bool:
    """Whether the decoder ``name``, one that ``check_decoder`` accepts, takes steps, fidelity and a seed."""
    return name != UpsampleDecoder.name


def load_decoder(name: str, device: str = "") -> Decoder:
    """Return the decoder ``name``, ready for use; the empty name is the default decoder. Loading takes seconds.

    ``device`` is where it computes; the empty text leaves that to the decoder.

    Raises:
        UnknownNameError, InputError, ConfigError: as ``check_decoder``.
        SetupError: its weights or the device are missing.
        LimitError: the memory of the device is too small.
    """
    check_decoder(name)
    if name == UpsampleDecoder.name:
        return UpsampleDecoder()
    if name in ("", DEFAULT_DECODER):
        from receiver.pocket.decoder import PocketDecoder  # noqa: PLC0415 - the other decoder needs no torch

        pocket = PocketDecoder(device)
        pocket.load()
        return pocket
    from receiver.hub.decoder import HubDecoder  # noqa: PLC0415 - likewise

    decoder = HubDecoder(_decoder_profile(name), device)
    decoder.load()
    return decoder


class LoadedDecoders:
    """Decoders that load at their first use and stay loaded. Several threads may call.

    Args:
        load: loads a decoder by its name.
    """

    def __init__(self, load: Callable[[str], Decoder]) -> None:
        self._load = load
        self._lock = threading.Lock()
        self._decoders: dict[str, Lazy[Decoder]] = {}

    def lazy(self, name: str = "") -> Lazy[Decoder]:
        """Return the decoder ``name``, which loads when it is called; empty: the default one."""
        name = name or DEFAULT_DECODER
        with self._lock:
            if name not in self._decoders:
                self._decoders[name] = Lazy(partial(self._load, name))
            return self._decoders[name]


def _max_steps(name: str) -> int:
    """Return the most steps of the decoder ``name``."""
    if not is_profile(name):
        return POCKET_STEPS
    if not is_file_name(name) and name not in (known := decoder_names()):
        raise UnknownNameError(f"unknown decoder '{name}'; known are {', '.join(known)}")
    return _decoder_profile(name).max_steps


def _decoder_profile(name: str) -> ModelProfile:
    """Return the model profile ``name``, which has a decoder."""
    profile = load_profile(name)
    if profile.base is None:
        raise ConfigError(f"model profile {profile.name} has no base to decode with: use --decoder {DEFAULT_DECODER}")
    return profile
