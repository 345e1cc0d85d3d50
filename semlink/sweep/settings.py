"""What a sweep file says: a YAML document, or flags of the same names, checked by pydantic."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from channel.config import SnrDb  # noqa: TC001 - pydantic reads it
from receiver.metrics.names import PERCEPTUAL, PIXEL
from semlink.pipeline.coding_spec import split_codec_names
from shared.errors import ConfigError
from shared.files import read_file
from shared.packets import MAX_PACKET_BYTES, MIN_PACKET_BYTES
from shared.validation import validate
from shared.yaml_text import yaml_mapping, yaml_text, yaml_value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

MAX_POINTS: Final = 10_000
RATES: Final = ("budget_bytes", "channel_uses", "cbr")
BLER: Final = "bler"
MEASURES: Final = (*PIXEL, *PERCEPTUAL)
Measure = Literal["psnr_db", "ms_ssim", "lpips_alex", "lpips_vgg", "dists"]
_RANGE: Final = {"from", "to", "step"}


def _listed(value: Any) -> Any:
    """Return a single value as a list of it, a text with commas as its parts."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value if isinstance(value, list | tuple) else [value]


def _numbers(value: Any) -> Any:
    """Return the numbers of ``5``, ``[1, 2]``, ``{from: 0, to: 6, step: 2}``, ``"0:6:2"`` or ``"1,2"``."""
    if isinstance(value, str) and ":" in value:
        value = dict(zip(("from", "to", "step"), map(_number, value.split(":")), strict=False))
    if isinstance(value, dict):
        return _range(value)
    return [_number(one) for one in _listed(value)]


def _number(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return int(value) if value.strip().lstrip("+-").isdigit() else float(value)
    except ValueError:
        raise ValueError(f"{value!r} is no number: give numbers as 0,2,4, or a range as 0:6:2") from None


def _range(value: dict[str, Any]) -> list[float]:
    if set(value) != _RANGE or not all(isinstance(one, int | float) for one in value.values()):
        raise ValueError("a range has numbers for from, to and step, as {from: 0, to: 6, step: 2} or 0:6:2")
    first, last, step = value["from"], value["to"], value["step"]
    steps = (last - first) / step if step else math.inf
    if not 0 <= steps < MAX_POINTS:
        raise ValueError(f"the range from {first} to {last} in steps of {step} does not end: step towards the end")
    return [round(first + place * step, 9) for place in range(math.floor(steps + 1e-9) + 1)]


def _seeds(value: Any) -> Any:
    """Return the seeds of a count ``3`` (0, 1, 2) or of a list."""
    numbers = _numbers(value)
    if not isinstance(value, list | tuple | dict) and len(numbers) == 1 and isinstance(numbers[0], int):
        if not 1 <= numbers[0] <= MAX_POINTS:
            raise ValueError(f"{numbers[0]} seeds: give 1 to {MAX_POINTS}, or a list of seeds as [7, 8]")
        return list(range(numbers[0]))
    return numbers


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Stop(_Settings):
    """When a point needs no further seed: the interval of ``measure`` at ``confidence`` is ``half_width`` or narrower.

    The intervals are those of ``semlink.sweep.summary.interval_of``. ``errors`` stops a point too, once so many packets
    have failed. Asked after each whole seed from ``min_seeds`` on, so that neither the number of workers nor an
    interruption changes the answer.
    """

    measure: Literal[Measure, "bler"] = "bler"
    half_width: Annotated[float, Field(gt=0)]
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    min_seeds: Annotated[int, Field(ge=2)] = 3
    errors: Annotated[int, Field(ge=1)] | None = None


class Sweep(_Settings):
    """A grid: every codec over every channel at every SNR and rate, every picture with every seed.

    The rate is one of ``budget_bytes`` (most bytes of the container; 0: the codec's own), ``channel_uses`` (most
    complex symbols per picture, all overhead included) and ``cbr`` (channel uses per picture sample, 3 W H of them).
    Without ``snr_db`` each channel keeps its own. ``set`` changes settings of every channel by dotted name.
    ``keep_pictures`` of the pictures are kept as received with the first seed, for picture grids.
    """

    pictures: Annotated[tuple[str, ...], BeforeValidator(_listed), Field(min_length=1)]
    codecs: Annotated[tuple[str, ...], Field(min_length=1)] = ("hci",)
    channels: Annotated[tuple[str, ...], BeforeValidator(_listed), Field(min_length=1)] = ("awgn",)
    snr_db: Annotated[tuple[SnrDb, ...], BeforeValidator(_numbers)] = ()
    seeds: Annotated[tuple[Annotated[int, Field(ge=0, lt=2**63)], ...], BeforeValidator(_seeds)] = (0,)
    budget_bytes: Annotated[tuple[Annotated[int, Field(ge=0, le=1 << 20)], ...], BeforeValidator(_numbers)] = ()
    channel_uses: Annotated[tuple[Annotated[int, Field(ge=1, le=1 << 30)], ...], BeforeValidator(_numbers)] = ()
    cbr: Annotated[tuple[Annotated[float, Field(gt=0, le=10)], ...], BeforeValidator(_numbers)] = ()
    packet_bytes: Annotated[int, Field(ge=MIN_PACKET_BYTES, le=MAX_PACKET_BYTES)] = 256
    set: dict[str, Any] = {}
    measures: Annotated[tuple[Measure, ...], BeforeValidator(_listed)] = MEASURES[:3]
    stop: Stop | None = None
    keep_pictures: Annotated[int, Field(ge=0)] = 1

    @model_validator(mode="after")
    def _one_kind_of_rate(self) -> Self:
        given = [name for name in RATES if getattr(self, name)]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} are given: keep one, they all set the rate")
        return self

    @model_validator(mode="after")
    def _nothing_twice(self) -> Self:
        for name in ("codecs", "channels", "snr_db", "seeds", "budget_bytes", "channel_uses", "cbr", "measures"):
            values = getattr(self, name)
            twice = next((one for one in values if values.count(one) > 1), None)
            if twice is not None:
                raise ValueError(f"{name} holds {twice} twice; leave one out")
        return self

    @model_validator(mode="after")
    def _stop_can_be_seen(self) -> Self:
        if self.stop and self.stop.measure != BLER and self.stop.measure not in self.measures:
            raise ValueError(f"stop.measure = {self.stop.measure} is not measured: add it to measures")
        if self.stop and self.stop.min_seeds > len(self.seeds):
            raise ValueError(
                f"stop.min_seeds = {self.stop.min_seeds} is more than the {len(self.seeds)} seeds: add seeds"
            )
        return self

    @property
    def rates(self) -> tuple[tuple[str, float], ...]:
        """The rates, each as the setting that names it and its value."""
        for name in ("channel_uses", "cbr"):
            if getattr(self, name):
                return tuple((name, value) for value in getattr(self, name))
        return tuple(("budget_bytes", value) for value in self.budget_bytes or (0,))

    def to_yaml(self) -> str:
        """Return the sweep as YAML text that ``load_sweep`` reads back. It holds the defaults too, which may change."""
        values = self.model_dump(mode="json", exclude_none=True)
        return yaml_text({name: value for name, value in values.items() if value not in ([], {})})


def load_sweep(file: Path | None, flags: Mapping[str, Any]) -> Sweep:
    """Return the sweep in ``file``, if there is one; ``flags`` that are not None come in the place of its settings.

    Raises:
        InputError: the file cannot be read.
        ConfigError: no YAML, an unknown setting, or a value outside its rule; the line names the setting.
    """
    values: dict[str, Any] = {}
    where = ""
    if file is not None:
        where = f"{file}: "
        try:
            values = yaml_mapping(read_file(file).decode("utf-8"), str(file))
        except UnicodeDecodeError:
            raise ConfigError(f"{file} is no text: a sweep file is YAML in UTF-8") from None
    values |= {name: value for name, value in flags.items() if value is not None}
    rates = [name for name in RATES if flags.get(name) is not None]
    if rates:  # a flag takes the place of whatever rate the file has
        values = {name: one for name, one in values.items() if name not in RATES or name in rates}
    if not values.get("pictures") and set(values) <= set(Sweep.model_fields):  # not misspelt
        raise ConfigError(f"{where}pictures is missing: name files or folders of pictures, as semlink sweep photos/")
    try:
        if isinstance(values.get("codecs"), str):
            values["codecs"] = split_codec_names(values["codecs"])
        return validate(Sweep, values)
    except ConfigError as error:
        raise ConfigError(f"{where}{error}") from None


def parse_changes(texts: Sequence[str]) -> dict[str, Any]:
    """Return the settings in ``SETTING=VALUE`` texts.

    Raises:
        ConfigError: one is written otherwise.
    """
    changes = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (equals and name.strip()):
            raise ConfigError(f"--set {text}: write SETTING=VALUE, as propagation.speed_m_s=30")
        changes[name.strip()] = yaml_value(value, name.strip())
    return changes


def parse_stop(text: str) -> dict[str, Any]:
    """Return the setting ``stop`` of a text as ``psnr_db=0.2``.

    Raises:
        ConfigError: it is written otherwise.
    """
    measure, _, width = text.partition("=")
    try:
        return {"measure": measure, "half_width": float(width)}
    except ValueError:
        raise ConfigError(f"--stop {text}: write MEASURE=WIDTH, as psnr_db=0.2 or bler=0.01") from None
