"""From a sweep to its tasks: one picture with one seed at one point, with a key over all that its row depends on."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from channel.phy.mcs import MCS_INDICES
from channel.profile.registry import load_profile, parse_profile
from semlink.baselines.vvc import VVC
from semlink.client.settings import FILE_ENDINGS, read_profile
from semlink.evaluate.pictures import MIN_FILE_BYTES, OriginalReader, find_pictures
from semlink.pipeline.coding_spec import (
    REAL_ESRGAN,
    ChannelCode,
    CodingSpec,
    parse_coding_spec,
)
from semlink.pipeline.models_used import ModelsUsed, models_used
from semlink.pipeline.separate_coding import ideal_rate
from semlink.sweep.settings import BYTE_RATES
from semlink.sweep.version import hash_code, hash_weights
from shared.errors import ConfigError, PictureError
from shared.imaging.levels import FULL, parse_levels
from shared.yaml_text import yaml_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from channel.config import ChannelConfig
    from channel.profile.profile import Profile
    from semlink.sweep.settings import Sweep
    from shared.imaging.levels import Levels

VERSION: Final = 1
"""Raise it when rows change their meaning."""
MAX_TASKS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Point:
    """One point of the grid: a codec at a rate over a channel at an SNR.

    Args:
        key: hash of all that a row depends on, except picture and seed.
        codec: what makes the bytes and what codes them for the channel.
        channel: name of a profile, or the path of a profile's file.
        profile: YAML text of the profile's file; empty for a profile with a name.
        changes: settings of the profile that this point changes, by dotted name.
        snr_db: SNR of the point; None: the profile's own.
        es_n0_db: Es/N0 that follows from profile and changes.
        rate_kind: ``max_bytes``, ``bpp``, ``channel_uses`` or ``cbr``.
        rate: the value of that setting.
        packet_bytes: most bytes of one packet.
        models: what the decoder and the captioner are made of.
        measures: names of the quality measures.
    """

    key: str
    codec: CodingSpec
    channel: str
    profile: str
    changes: tuple[tuple[str, str], ...]
    snr_db: float | None
    es_n0_db: float
    rate_kind: str
    rate: float
    packet_bytes: int
    measures: tuple[str, ...]
    models: ModelsUsed = field(default_factory=ModelsUsed)

    def load_profile(self) -> Profile:
        """Return the channel profile with the changes of this point."""
        return _load_profile(self.channel, self.profile, dict(self.changes))


@dataclass(frozen=True, slots=True)
class PictureFile:
    """File, size, hash and levels of an original.

    ``keep``: whether its received pictures are kept for picture grids.
    """

    file: Path
    name: str
    digest: str
    width: int
    height: int
    keep: bool
    levels: Levels = FULL


@dataclass(frozen=True, slots=True)
class Task:
    """One row to make: a picture with a seed at a point. ``keep``: whether the received picture is kept."""

    key: str
    point: Point
    picture: PictureFile
    seed: int
    keep: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """Points and pictures of a sweep, with the hashes of the code and the weights.

    ``unreadable`` has the reason by file that is left out, ``notes`` the files by what was done to them.
    """

    sweep: Sweep
    points: tuple[Point, ...]
    pictures: tuple[PictureFile, ...]
    code: str
    weights: str
    unreadable: dict[str, str] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)

    def tasks_of(self, point: Point, seed: int) -> list[Task]:
        """Return the tasks of one point and one seed: one per picture."""
        first = seed == self.sweep.seeds[0]
        return [
            Task(hash_key(point.key, picture.digest, seed), point, picture, seed, picture.keep and first)
            for picture in self.pictures
        ]

    @property
    def task_count(self) -> int:
        """Number of tasks if no point stops early."""
        return len(self.points) * len(self.sweep.seeds) * len(self.pictures)


def make_plan(sweep: Sweep) -> Plan:
    """Return the plan of ``sweep``. It checks all that the sweep names before anything is computed.

    Raises:
        InputError: none of the pictures can be read, or a profile cannot.
        UnknownNameError, ConfigError: an unknown codec, channel or setting, or too large a grid.
        SetupError: the files of a model profile are missing.
    """
    codecs = [parse_coding_spec(name) for name in sweep.codecs]
    for codec in codecs:
        check_sweepable(codec)
    files = find_pictures([Path(one) for one in sweep.pictures])
    count = len(codecs) * len(sweep.channels) * max(1, len(sweep.snr_db)) * len(sweep.rates)
    if count * len(files) * len(sweep.seeds) > MAX_TASKS:
        raise ConfigError(f"this grid has more than {MAX_TASKS} tasks; split it into several sweeps")
    reader = OriginalReader(parse_levels(sweep.levels))
    pictures = tuple(
        PictureFile(one.file, one.name, one.digest, *one.size, place < sweep.keep_pictures, reader.levels)
        for place, one in enumerate(reader.read(files))
    )
    if not pictures:
        raise PictureError(f"no picture can be read; first {next(iter(reader.unreadable.values()))}")
    _require_room(sweep, pictures)
    code, weights = hash_code(), hash_weights()
    texts = {name: read_profile(Path(name)) if name.endswith(FILE_ENDINGS) else "" for name in sweep.channels}
    used = {codec.name: models_used(codec, weights) for codec in codecs}
    points = tuple(
        _make_point(sweep, codec, channel, texts[channel], snr_db, rate, (code, weights), used[codec.name])
        for channel in sweep.channels
        for codec in codecs
        for rate in sweep.rates
        for snr_db in sweep.snr_db or (None,)
    )
    return Plan(sweep, points, pictures, code, weights, reader.unreadable, reader.notes)


def _require_room(sweep: Sweep, pictures: Sequence[PictureFile]) -> None:
    """Check that some rate gives some picture the bytes of the smallest container. Others count as lost.

    Raises:
        ConfigError: none does.
    """
    sizes = [
        rate if kind == "max_bytes" else int(rate * one.width * one.height / 8)
        for kind, rate in sweep.rates
        for one in pictures
        if kind in BYTE_RATES and (kind, rate) != ("max_bytes", 0)
    ]
    if len(sizes) == len(sweep.rates) * len(pictures) and max(sizes) < MIN_FILE_BYTES:
        raise ConfigError(f"--bytes leaves {max(sizes):g} bytes at most: a container takes {MIN_FILE_BYTES} or more")


def check_sweepable(codec: CodingSpec) -> None:
    """Check that a sweep can send the bytes of ``codec`` with its channel code.

    Raises:
        ConfigError: it cannot.
    """
    if codec.codec == VVC:
        raise ConfigError(f"{codec.name}: {codec.codec} makes no file to send over a channel; leave it out")
    if codec.decoder == REAL_ESRGAN:
        raise ConfigError(f"{codec.name}: decoder {REAL_ESRGAN} is for semlink evaluate only; leave it out")
    if codec.channel_code is ChannelCode.IDEAL and not codec.is_classical:
        raise ConfigError(f"{codec.name}: only classical files have an ideal code; write {codec.source}+ldpc:best")


def hash_key(*parts: Any) -> str:
    """Return a SHA-256 hash of ``parts`` as canonical JSON: sorted keys, no spaces."""
    text = json.dumps([VERSION, *parts], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _make_point(
    sweep: Sweep,
    codec: CodingSpec,
    channel: str,
    text: str,
    snr_db: float | None,
    rate: tuple[str, float],
    versions: Sequence[str],
    models: ModelsUsed,
) -> Point:
    changes = {name: yaml_text(value) for name, value in sweep.set.items()}
    if snr_db is not None:
        changes["snr_db"] = yaml_text(snr_db)
    if codec.channel_code is not ChannelCode.PROFILE:  # best and ideal depend on the picture's size: any row will do
        changes["mcs"] = str(MCS_INDICES[0] if codec.mcs_index is None else codec.mcs_index)
    profile = _load_profile(channel, text, changes)
    config = profile.resolve().config
    _check_rate(codec, config, rate[0])
    document = {
        "codec": codec.name,
        "channel": channel,
        "profile": profile.model_dump(mode="json", exclude={"summary"}),
        "rate": rate,
        "packet_bytes": sweep.packet_bytes,
        "measures": sweep.measures,
        "versions": versions,
    }
    if models.sha256 not in ("", versions[1]):  # the weights that ship are among the versions
        document["models"] = models.sha256
    return Point(
        key=hash_key(document),
        codec=codec,
        channel=channel,
        profile=text,
        changes=tuple(sorted(changes.items())),
        snr_db=snr_db,
        es_n0_db=config.es_n0_db,
        rate_kind=rate[0],
        rate=rate[1],
        packet_bytes=sweep.packet_bytes,
        measures=sweep.measures,
        models=models,
    )


def _check_rate(codec: CodingSpec, config: ChannelConfig, rate_kind: str) -> None:
    """Check that ``codec`` can be used with this kind of rate and over this channel."""
    if rate_kind in BYTE_RATES and (codec.is_classical or codec.channel_code is ChannelCode.BEST):
        raise ConfigError(f"{codec.name} fills channel uses: give channel_uses or cbr, not bytes")
    if codec.channel_code is ChannelCode.BEST and config.snr_kind == "ebn0":
        raise ConfigError(f"{codec.name} needs snr_kind esn0: at one Eb/N0 each MCS has another SNR")
    if codec.channel_code is ChannelCode.IDEAL:
        ideal_rate(config, 1)


def _load_profile(channel: str, text: str, changes: dict[str, str]) -> Profile:
    try:
        return parse_profile(text, channel, changes) if text else load_profile(channel, changes)
    except ConfigError as error:  # a sweep has many channels: name the one
        raise ConfigError(str(error) if channel in str(error) else f"{channel}: {error}") from None
