"""From what the user writes to codecs: ``avif``, ``hci``, ``hci@hci``, ``hci@pocket:steps=4,fidelity=0,drop=HCI``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from receiver.guidance import DECODER_NAMES, DEFAULT_DECODER, DecodeOptions
from shared.codecs.registry import codec_named, codecs
from shared.errors import ConfigError, UnknownNameError
from shared.streams import StreamKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from semlink.evaluate.codec import EvaluatedCodec

VVC = "vvc"
CEILING = "autoencoder"
REAL_ESRGAN = "real-esrgan"
"""A decoder of the evaluation only: Real-ESRGAN as published, in the place of the link's own restorer."""
OPTION_NAMES = ("steps", "fidelity", "seed", "drop")


@dataclass(frozen=True, slots=True)
class LinkSpec:
    """A codec of the link and how to decode it: absent options are the decoder's own defaults.

    ``dropped`` streams are thrown away before decoding; their bytes count all the same.
    """

    name: str
    codec: str
    decoder: str = ""
    steps: int | None = None
    fidelity: float | None = None
    seed: int = 0
    dropped: tuple[StreamKind, ...] = ()


def names_in(text: str) -> list[str]:
    """Return the codec names in ``text``; commas separate names, and the options within one.

    Raises:
        ConfigError: there is none, or one comes twice.
    """
    names: list[str] = []
    for part in (part.strip() for part in text.split(",")):
        if names and "=" in part and "@" not in part:
            names[-1] += f",{part}"
        elif part:
            names.append(part)
    if not names:
        raise ConfigError("--codec names no codec; give names with commas between, such as hci,avif")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(f"--codec names {twice} twice; leave one out")
    return names


def link_spec(name: str) -> LinkSpec:
    """Return what ``name``, such as ``hci@pocket:steps=4``, asks for.

    Raises:
        UnknownNameError: no codec or decoder of that name.
        ConfigError: an unknown option, or a value outside its rule.
    """
    codec, at, rest = name.partition("@")
    if codec not in (known_codecs := codecs()) and codec != "":
        known = ", ".join([*BASELINES, VVC, CEILING, *known_codecs])
        raise UnknownNameError(f"unknown codec '{codec}'; known are {known}")
    decoder, _, options = rest.partition(":")
    decoders = *DECODER_NAMES, REAL_ESRGAN
    if at and decoder not in decoders:
        raise UnknownNameError(f"unknown decoder '{decoder}' in {name}; known are {', '.join(decoders)}")
    values = _options(name, options)
    if decoder != DEFAULT_DECODER and (unused := set(values) - {"drop"}):
        raise ConfigError(f"{name}: decoder {decoder} knows no {min(unused)}; leave it out, or use @{DEFAULT_DECODER}")
    try:
        spec = LinkSpec(
            name,
            codec_named(codec).name,
            decoder,
            steps=int(values["steps"]) if "steps" in values else None,
            fidelity=float(values["fidelity"]) if "fidelity" in values else None,
            seed=int(values.get("seed", "0")),
            dropped=tuple(_stream_named(one, name) for one in values["drop"].split("+")) if "drop" in values else (),
        )
    except ValueError as error:
        raise ConfigError(f"{name}: {error}; steps and seed are whole numbers, fidelity is 0 to 1") from error
    if spec.seed < 0:
        raise ConfigError(f"{name}: seed {spec.seed}; give 0 or more")
    DecodeOptions(steps=spec.steps or 0, fidelity=spec.fidelity)
    return spec


def baseline_named(name: str) -> EvaluatedCodec | None:
    """Return the baseline called ``name``, None where there is none.

    Raises:
        SetupError: it needs something that is not installed.
    """
    make = BASELINES.get(name)
    return None if make is None else make()


def _options(name: str, text: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for part in text.split(",") if text else ():
        key, equals, value = part.partition("=")
        if key not in OPTION_NAMES or not equals:
            raise ConfigError(f"{name}: unknown option '{part}'; known are {', '.join(OPTION_NAMES)}, as in steps=1")
        values[key] = value
    return values


def _stream_named(kind: str, name: str) -> StreamKind:
    try:
        return StreamKind[kind]
    except KeyError as error:
        known = ", ".join(one.name for one in StreamKind)
        raise ConfigError(f"{name}: no stream '{kind}' to drop; known are {known}, with + between") from error


def _jpeg2000() -> EvaluatedCodec:
    from semlink.evaluate.baselines.jpeg2000 import Jpeg2000  # noqa: PLC0415 - each imports what it alone needs

    return Jpeg2000()


def _webp() -> EvaluatedCodec:
    from semlink.evaluate.baselines.webp import WebP  # noqa: PLC0415

    return WebP()


def _avif() -> EvaluatedCodec:
    from semlink.evaluate.baselines.avif import Avif  # noqa: PLC0415

    return Avif()


def _hevc() -> EvaluatedCodec:
    from semlink.evaluate.baselines.hevc import Hevc  # noqa: PLC0415

    return Hevc()


def _avif_esrgan() -> EvaluatedCodec:
    from semlink.evaluate.baselines.avif_esrgan import AvifEsrgan  # noqa: PLC0415

    return AvifEsrgan()


BASELINES: dict[str, Callable[[], EvaluatedCodec]] = {
    "jpeg2000": _jpeg2000,
    "webp": _webp,
    "avif": _avif,
    "hevc": _hevc,
    "avif-esrgan": _avif_esrgan,
}
