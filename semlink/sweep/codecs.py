"""Codec names of a sweep: ``hci@hci``, ``hci+ldpc:mcs=4``, ``jpeg2000+ldpc:best``, ``avif+ideal``.

The part before ``+`` is a codec as ``semlink evaluate`` knows it, the part behind says how its bytes are coded for the
channel: ``ldpc`` by the profile's MCS, ``ldpc:mcs=N`` by row N, ``ldpc:best`` by the fastest row for the SNR,
``ideal`` by a code that reaches capacity. Without it: ``ldpc``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from channel.phy.mcs import MCS_INDICES
from semlink.pipeline.coding_spec import BASELINES, CEILING, OPTION_NAMES, REAL_ESRGAN, VVC, link_spec
from shared.errors import ConfigError

PROFILE: Final = "profile"
BEST: Final = "best"
IDEAL: Final = "ideal"
_CODING: Final = re.compile(r"(?P<source>.*)\+(?P<coding>(?:ldpc|ideal)(?::[^+]*)?)")


@dataclass(frozen=True, slots=True)
class SweptCodec:
    """``source`` makes the bytes; ``scheme`` is ``profile``, ``best``, ``ideal`` or the index of an MCS as text."""

    name: str
    source: str
    scheme: str

    @property
    def classical(self) -> bool:
        """Whether the bytes are one file of a codec that knows nothing of the link."""
        return self.source in BASELINES


def swept_codec(name: str) -> SweptCodec:
    """Return what ``name`` asks for.

    Raises:
        UnknownNameError: no codec or decoder of that name.
        ConfigError: an option or a channel code that there is not.
    """
    match = _CODING.fullmatch(name)
    source, coding = (match["source"], match["coding"]) if match else (name, "ldpc")
    codec = SweptCodec(name, source, _scheme(name, coding))
    if codec.classical:
        return codec
    if source in (VVC, CEILING):
        raise ConfigError(f"{name}: {source} makes no file that a channel could carry; leave it out")
    if link_spec(source).decoder == REAL_ESRGAN:
        raise ConfigError(f"{name}: decoder {REAL_ESRGAN} is for semlink evaluate only; leave it out")
    if codec.scheme == IDEAL:
        raise ConfigError(f"{name}: the link's own packets take its real codes; write {source}+ldpc:best")
    return codec


def codec_names(text: str) -> list[str]:
    """Return the codec names in ``text``; commas separate names, and the options of one decoder."""
    names: list[str] = []
    for part in (part.strip() for part in text.split(",")):
        if names and part.partition("=")[0] in OPTION_NAMES and "=" in part:
            names[-1] += f",{part}"
        elif part:
            names.append(part)
    return names


def _scheme(name: str, coding: str) -> str:
    kind, _, option = coding.partition(":")
    if kind == IDEAL and not option:
        return IDEAL
    if kind == "ldpc" and option in ("", BEST):
        return option or PROFILE
    key, _, value = option.partition("=")
    if kind == "ldpc" and key == "mcs" and value.isdigit() and int(value) in MCS_INDICES:
        return str(int(value))
    rows = f"mcs={MCS_INDICES[0]} to mcs={MCS_INDICES[-1]}"
    raise ConfigError(f"{name}: '+{coding}' is no channel code; write +ldpc, +ldpc:{rows}, +ldpc:best or +ideal")
