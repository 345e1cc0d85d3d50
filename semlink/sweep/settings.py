"""Settings of a sweep: a YAML file, or flags of the same names, checked by pydantic."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from channel.config import SnrDb  # noqa: TC001 - pydantic reads it
from receiver.metrics.names import PERCEPTUAL, PIXEL
from semlink.pipeline.channel_uses import MAX_CHANNEL_USES
from semlink.pipeline.coding_spec import split_codec_names
from shared.errors import ConfigError
from shared.files import read_file
from shared.imaging.levels import parse_levels
from shared.packets import MAX_PACKET_BYTES, MIN_PACKET_BYTES
from shared.validation import validate
from shared.yaml_text import split_change, yaml_mapping, yaml_text, yaml_value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

MAX_POINTS: Final = 10_000
BYTE_RATES: Final = ("max_bytes", "bpp")
"""Settings that limit the container's bytes; both may be given."""
RATES: Final = (*BYTE_RATES, "channel_uses", "cbr")
BLER: Final = "bler"
MEASURES: Final = (*PIXEL, *PERCEPTUAL)
Measure = Literal["psnr_db", "ms_ssim", "lpips_alex", "lpips_vgg", "dists"]
_RANGE: Final = {"from", "to", "step"}


def _split_list(value: Any) -> Any:
    """Return a list of values: the parts of a text with commas, or a single value in a list."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value if isinstance(value, list | tuple) else [value]


def _parse_numbers(value: Any) -> Any:
    """Return the numbers of ``5``, ``[1, 2]``, ``{from: 0, to: 6, step: 2}``, ``"0:6:2"`` or ``"1,2"``."""
    if isinstance(value, str) and ":" in value:
        value = dict(zip(("from", "to", "step"), map(_parse_number, value.split(":")), strict=False))
    if isinstance(value, dict):
        return _expand_range(value)
    return [_parse_number(one) for one in _split_list(value)]


def _parse_number(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return int(value) if value.strip().lstrip("+-").isdigit() else float(value)
    except ValueError:
        raise ValueError(f"{value!r} is not a number: give numbers as 0,2,4, or a range as 0:6:2") from None


def _expand_range(value: dict[str, Any]) -> list[float]:
    if set(value) != _RANGE or not all(isinstance(one, int | float) for one in value.values()):
        raise ValueError("a range has numbers for from, to and step, as {from: 0, to: 6, step: 2} or 0:6:2")
    first, last, step = value["from"], value["to"], value["step"]
    steps = (last - first) / step if step else math.inf
    if not 0 <= steps < MAX_POINTS:
        raise ValueError(
            f"the range from {first} to {last} in steps of {step} does not end: give a step towards its end"
        )
    return [round(first + place * step, 9) for place in range(math.floor(steps + 1e-9) + 1)]


def _parse_seeds(value: Any) -> Any:
    """Return the seeds of a number, as 0, 1, 2 for ``3``, or those of a list."""
    numbers = _parse_numbers(value)
    if not isinstance(value, list | tuple | dict) and len(numbers) == 1 and isinstance(numbers[0], int):
        if not 1 <= numbers[0] <= MAX_POINTS:
            raise ValueError(f"{numbers[0]} seeds: give 1 to {MAX_POINTS}, or a list of seeds as [7, 8]")
        return list(range(numbers[0]))
    return numbers


def _check_levels(text: str) -> str:
    return parse_levels(text).text


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Stop(_Settings):
    """Stops a point early.

    A point stops once the interval of ``measure`` at ``confidence`` (``semlink.sweep.summary.estimate``) is at most
    ``half_width`` wide on either side, or once ``errors`` packets have failed. This is checked after each complete seed
    from ``min_seeds`` on. So the result depends neither on the number of workers nor on interruptions.
    """

    measure: Literal[Measure, "bler"] = "bler"
    half_width: Annotated[float, Field(gt=0)]
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    min_seeds: Annotated[int, Field(ge=2)] = 3
    errors: Annotated[int, Field(ge=1)] | None = None


class Sweep(_Settings):
    """A grid: every codec over every channel at every SNR and rate, every picture with every seed.

    The rate is one of three. ``max_bytes`` and ``bpp`` limit the container, in bytes (0: the codec's own rate) and in
    bits per pixel. ``channel_uses`` is the most complex symbols per picture with all overhead. ``cbr`` is the channel
    bandwidth ratio: channel uses per sample of the picture, of which it has 3 W H. Without ``snr_db`` each channel
    keeps its own SNR. ``levels`` says which values of the originals become black and white: ``full``, ``auto`` or
    ``LOW:HIGH``. ``set`` changes settings of every channel by dotted name. The received pictures of the first
    ``keep_pictures`` originals are kept with the first seed, for picture grids.
    """

    pictures: Annotated[tuple[str, ...], BeforeValidator(_split_list), Field(min_length=1)]
    levels: Annotated[str, AfterValidator(_check_levels)] = "full"
    codecs: Annotated[tuple[str, ...], Field(min_length=1)] = ("hci",)
    channels: Annotated[tuple[str, ...], BeforeValidator(_split_list), Field(min_length=1)] = ("awgn",)
    snr_db: Annotated[tuple[SnrDb, ...], BeforeValidator(_parse_numbers)] = ()
    seeds: Annotated[tuple[Annotated[int, Field(ge=0, lt=2**63)], ...], BeforeValidator(_parse_seeds)] = (0,)
    max_bytes: Annotated[tuple[Annotated[int, Field(ge=0, le=1 << 20)], ...], BeforeValidator(_parse_numbers)] = ()
    bpp: Annotated[tuple[Annotated[float, Field(gt=0, le=24)], ...], BeforeValidator(_parse_numbers)] = ()
    channel_uses: Annotated[
        tuple[Annotated[int, Field(ge=1, le=MAX_CHANNEL_USES)], ...], BeforeValidator(_parse_numbers)
    ] = ()
    cbr: Annotated[tuple[Annotated[float, Field(gt=0, le=10)], ...], BeforeValidator(_parse_numbers)] = ()
    packet_bytes: Annotated[int, Field(ge=MIN_PACKET_BYTES, le=MAX_PACKET_BYTES)] = 256
    set: dict[str, Any] = {}
    measures: Annotated[tuple[Measure, ...], BeforeValidator(_split_list)] = MEASURES[:3]
    stop: Stop | None = None
    keep_pictures: Annotated[int, Field(ge=0)] = 1

    @model_validator(mode="after")
    def _check_one_rate(self) -> Self:
        given = [name for name in RATES if getattr(self, name)]
        if len(given) > 1 and not set(given) <= set(BYTE_RATES):
            raise ValueError(f"{' and '.join(given)} are given, but all set the rate: keep one")
        return self

    @model_validator(mode="after")
    def _check_unique(self) -> Self:
        for name in ("codecs", "channels", "snr_db", "seeds", *RATES, "measures"):
            values = getattr(self, name)
            repeated = next((one for one in values if values.count(one) > 1), None)
            if repeated is not None:
                raise ValueError(f"{name} holds {repeated} twice; leave one out")
        return self

    @model_validator(mode="after")
    def _check_stop(self) -> Self:
        if self.stop and self.stop.measure != BLER and self.stop.measure not in self.measures:
            raise ValueError(f"stop.measure = {self.stop.measure} is not measured: add it to measures")
        if self.stop and self.stop.min_seeds > len(self.seeds):
            raise ValueError(
                f"stop.min_seeds = {self.stop.min_seeds} is more than the {len(self.seeds)} seeds: add seeds"
            )
        return self

    @property
    def rates(self) -> tuple[tuple[str, float], ...]:
        """The rates, each as the name of its setting and its value."""
        return tuple((name, value) for name in RATES for value in getattr(self, name)) or (("max_bytes", 0),)

    def to_yaml(self) -> str:
        """Return the sweep as YAML text that ``load_sweep`` reads back. It holds the defaults too, which may change."""
        values = self.model_dump(mode="json", exclude_none=True)
        return yaml_text({name: value for name, value in values.items() if value not in ([], {})})


def load_sweep(file: Path | None, flags: Mapping[str, Any]) -> Sweep:
    """Return the sweep in ``file``, if given. ``flags`` that are not None override its settings.

    Raises:
        InputError: the file cannot be read.
        ConfigError: the file is not YAML, a setting is unknown, or a value is out of range. The message names it.
    """
    values: dict[str, Any] = {}
    where = ""
    if file is not None:
        where = f"{file}: "
        try:
            values = yaml_mapping(read_file(file).decode("utf-8"), str(file))
        except UnicodeDecodeError:
            raise ConfigError(f"{file} is not text: a sweep file is YAML in UTF-8") from None
    values |= {name: value for name, value in flags.items() if value is not None}
    rates = [name for name in RATES if flags.get(name) is not None]
    if rates:  # a flag overrides the rate of the file, whichever it is
        values = {name: one for name, one in values.items() if name not in RATES or name in rates}
    if not values.get("pictures") and set(values) <= set(Sweep.model_fields):  # no misspelt name among them
        raise ConfigError(f"{where}pictures is missing: name files or folders of pictures, as semlink sweep photos/")
    try:
        if isinstance(values.get("codecs"), str):
            values["codecs"] = split_codec_names(values["codecs"])
        return validate(Sweep, values)
    except ConfigError as error:
        raise ConfigError(f"{where}{error}") from None


def parse_bytes(text: str) -> dict[str, str]:
    """Return the settings ``max_bytes`` and ``bpp`` of a text such as ``800,0.02bpp``, as texts.

    Raises:
        ConfigError: a part is not a number of bytes, or of bits per pixel.
    """
    parts = _split_list(text)
    for part in parts:
        if not re.fullmatch(r"[0-9.:e+-]+(bpp)?", str(part).strip()):
            raise ConfigError(f"--bytes {part}: give bytes or bits per pixel, as 800,0.02bpp")
    bpp = [part.removesuffix("bpp") for part in parts if part.endswith("bpp")]
    max_bytes = [part for part in parts if not part.endswith("bpp")]
    return {name: ",".join(values) for name, values in (("max_bytes", max_bytes), ("bpp", bpp)) if values}


def parse_changes(texts: Sequence[str]) -> dict[str, Any]:
    """Return the settings in texts such as ``SETTING=VALUE``.

    Raises:
        ConfigError: a text has another form.
    """
    changes = {}
    for text in texts:
        name, value = split_change(text)
        changes[name] = yaml_value(value, name)
    return changes


def parse_stop(text: str) -> dict[str, Any]:
    """Return the setting ``stop`` of a text such as ``psnr_db=0.2``.

    Raises:
        ConfigError: the text has another form.
    """
    measure, _, width = text.partition("=")
    try:
        return {"measure": measure, "half_width": float(width)}
    except ValueError:
        raise ConfigError(f"--stop {text}: write MEASURE=WIDTH, as psnr_db=0.2 or bler=0.01") from None
