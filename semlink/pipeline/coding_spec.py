"""The grammar of codec names: ``CODEC[@DECODER[:OPTION=VALUE,...]][+CHANNEL_CODE]``.

::

    hci                                       a codec of the link, by the receiver's default decoder
    hci@pocket:steps=4,fidelity=0             a codec of the link, by a decoder with options
    hci@hci:drop=CAPTION+TOKENS               streams removed before decoding
    hci@sd-turbo:steps=2                      the decoder of a model profile; hci@mine.yaml that of a file
    misc@pocket:captioner=sd-turbo            pictures described by the captioner of a model profile
    avif                                      a classical codec (semlink/baselines)
    hci@hci+ldpc:mcs=4                        LDPC at row 4 of the MCS table
    avif+ldpc:best                            LDPC at the fastest MCS that is reliable at this SNR
    avif+ideal                                a code that achieves capacity

``semlink evaluate``, ``semlink sweep`` and separate coding all read names here, and each refuses what it cannot use.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from channel.phy.mcs import MCS_INDICES
from receiver.decoder_registry import DEFAULT_DECODER, check_decoding, decoder_names, takes_options
from semlink.baselines.registry import BASELINES
from semlink.baselines.vvc import VVC
from shared.codecs.registry import codecs
from shared.errors import ConfigError, UnknownNameError
from shared.hub.registry import is_file_name, load_profile
from shared.streams import WORD_STREAMS, StreamKind

REAL_ESRGAN: Final = "real-esrgan"
"""A decoder of the evaluation only: Real-ESRGAN as published, in place of the link's own restorer."""
OPTION_NAMES: Final = ("steps", "fidelity", "seed", "drop", "captioner")
LINK_OPTIONS: Final = {"drop", "captioner"}
"""Options that are not the decoder's."""
_OPTION: Final = re.compile(r"\w+=")
_FIXED_MCS: Final = re.compile(r"ldpc:mcs=([0-9]{1,3})")


class ChannelCode(StrEnum):
    """What codes the bytes for the channel."""

    PROFILE = "profile"
    """LDPC at the MCS of the channel profile: ``+ldpc``, or no channel code written."""
    FIXED = "fixed"
    """LDPC at one row of the MCS table: ``+ldpc:mcs=4``."""
    BEST = "best"
    """LDPC at the fastest MCS that is reliable at the SNR: ``+ldpc:best``."""
    IDEAL = "ideal"
    """A code that achieves capacity: ``+ideal``."""


@dataclass(frozen=True, slots=True)
class CodingSpec:
    """One codec as a user writes it.

    Args:
        name: the text as written.
        source: the text before the channel code. Specifications of one source make the same bytes at equal budgets.
        codec: a codec of the link, a classical codec or ``vvc``.
        decoder: what decodes the link's streams; empty: the receiver's default decoder.
        steps: steps of the decoder; None: the decoder's default.
        fidelity: 0 to 1; None: the decoder's choice.
        seed: of the decoder's noise.
        dropped: streams that are removed before decoding. Their bytes still count.
        channel_code: what codes the bytes for the channel.
        mcs_index: row of the MCS table, for a fixed MCS only.
        captioner: model profile whose captioner describes the picture; empty: the captioner that ships.
    """

    name: str
    source: str
    codec: str
    decoder: str = ""
    steps: int | None = None
    fidelity: float | None = None
    seed: int = 0
    dropped: tuple[StreamKind, ...] = ()
    channel_code: ChannelCode = ChannelCode.PROFILE
    mcs_index: int | None = None
    captioner: str = ""

    @property
    def is_classical(self) -> bool:
        """Whether the bytes are one file of a classical codec."""
        return self.codec in BASELINES

    @property
    def has_channel_code(self) -> bool:
        """Whether a channel code is written."""
        return self.name != self.source


def split_codec_names(text: str) -> list[str]:
    """Return the codec names in ``text``. Commas separate names, and also the options within one name.

    Raises:
        ConfigError: ``text`` holds no name, or one name twice.
    """
    names: list[str] = []
    for part in (part.strip() for part in text.split(",")):
        if names and _OPTION.match(part):  # an option of the name before: no name starts with WORD=
            names[-1] += f",{part}"
        elif part:
            names.append(part)
    if not names:
        raise ConfigError("no codec is named; give names separated by commas, such as hci,avif")
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise ConfigError(f"codec {repeated} is named twice; leave one out")
    return names


def parse_coding_spec(name: str) -> CodingSpec:
    """Return what ``name``, such as ``hci@pocket:steps=4+ldpc:best``, specifies.

    Raises:
        UnknownNameError: no codec or decoder of that name.
        ConfigError: an unknown option or channel code, or a value out of range.
    """
    source, channel_code, mcs_index = _split_channel_code(name)
    codec, at, rest = source.partition("@")
    if codec in (*BASELINES, VVC):
        if at:
            raise ConfigError(f"{name}: {codec} has a decoder of its own; leave '@{rest}' out")
        return CodingSpec(name, source, codec, channel_code=channel_code, mcs_index=mcs_index)
    if codec not in (link_codecs := codecs()):
        known = ", ".join([*BASELINES, VVC, *link_codecs])
        raise UnknownNameError(f"unknown codec '{codec}'; known are {known}")
    decoder, _, options = rest.partition(":")
    decoders = *decoder_names(), REAL_ESRGAN
    if at and decoder not in decoders and not is_file_name(decoder):
        raise UnknownNameError(f"unknown decoder '{decoder}' in {name}; known are {', '.join(decoders)}")
    values = _parse_options(name, options)
    if not (decoder and takes_options(decoder) and decoder != REAL_ESRGAN) and (unused := set(values) - LINK_OPTIONS):
        raise ConfigError(
            f"{name}: decoder {decoder} has no option {min(unused)}; leave it out, or use @{DEFAULT_DECODER}"
        )
    try:
        spec = CodingSpec(
            name,
            source,
            codec,
            decoder,
            steps=int(values["steps"]) if "steps" in values else None,
            fidelity=float(values["fidelity"]) if "fidelity" in values else None,
            seed=int(values.get("seed", "0")),
            dropped=tuple(_parse_stream(one, name) for one in values["drop"].split("+")) if "drop" in values else (),
            channel_code=channel_code,
            mcs_index=mcs_index,
            captioner=values.get("captioner", ""),
        )
    except ValueError as error:
        raise ConfigError(f"{name}: {error}; steps and seed are whole numbers, fidelity is 0 to 1") from error
    _check_ranges(spec)
    _check_captioner(spec)
    return spec


def _split_channel_code(name: str) -> tuple[str, ChannelCode, int | None]:
    """Return the text before the channel code, the channel code, and the row of the MCS table if it names one."""
    source, plus, code = name.rpartition("+")
    if not plus or code.isupper():  # upper case is the name of a stream: drop=HCI+CAPTION
        return name, ChannelCode.PROFILE, None
    named = {"ldpc": ChannelCode.PROFILE, "ldpc:best": ChannelCode.BEST, "ideal": ChannelCode.IDEAL}
    if code in named:
        return source, named[code], None
    fixed = _FIXED_MCS.fullmatch(code)
    if fixed and int(fixed[1]) in MCS_INDICES:
        return source, ChannelCode.FIXED, int(fixed[1])
    rows = f"+ldpc:mcs={MCS_INDICES[0]} to +ldpc:mcs={MCS_INDICES[-1]}"
    raise ConfigError(f"{name}: unknown channel code '+{code}'; write +ldpc, {rows}, +ldpc:best or +ideal")


def _parse_options(name: str, text: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for part in text.split(",") if text else ():
        key, equals, value = part.partition("=")
        if key not in OPTION_NAMES or not equals:
            raise ConfigError(f"{name}: unknown option '{part}'; known are {', '.join(OPTION_NAMES)}, as in steps=1")
        values[key] = value
    return values


def _parse_stream(kind: str, name: str) -> StreamKind:
    try:
        return StreamKind[kind]
    except KeyError as error:
        known = ", ".join(one.name for one in StreamKind)
        raise ConfigError(f"{name}: no stream '{kind}' to drop; known are {known}, separated by +") from error


def _check_captioner(spec: CodingSpec) -> None:
    if not spec.captioner:
        return
    if not WORD_STREAMS.intersection(codecs()[spec.codec].streams):
        raise ConfigError(f"{spec.name}: codec {spec.codec} sends no words; leave captioner out, or use misc")
    if load_profile(spec.captioner).captioner is None:
        raise ConfigError(f"{spec.name}: model profile {spec.captioner} has no captioner; leave it out")


def _check_ranges(spec: CodingSpec) -> None:
    if spec.seed < 0:
        raise ConfigError(f"{spec.name}: seed {spec.seed}; give 0 or more")
    try:
        check_decoding("" if spec.decoder == REAL_ESRGAN else spec.decoder, spec.steps, spec.fidelity)
    except ConfigError as error:
        raise ConfigError(f"{spec.name}: {error}") from None
