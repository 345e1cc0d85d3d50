"""The far end of a link: a body of JPL's ephemeris DE421, an Earth satellite by its TLE, or a target in a kernel.

TLE: two-line elements. A kernel is a file of JPL's SPK format (.bsp) with Chebyshev polynomials (data types 2 and 3).
Nothing is downloaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from channel.deep_space.bodies import Body, find_body
from shared.errors import ConfigError
from shared.validation import short_repr

if TYPE_CHECKING:
    from collections.abc import Sequence

# DE421 runs from 1899-07-28 to 2053-10-08; the bounds leave room for the light time to Saturn.
FIRST_DATE = datetime(1900, 1, 1, tzinfo=UTC)
LAST_DATE = datetime(2053, 10, 1, tzinfo=UTC)
TLE_DAYS: Final = 30.0
"""A TLE is used this many days around its epoch: its error grows by kilometres a day."""
_BODY_STEP_S: Final = 600.0
_SATELLITE_STEP_S: Final = 30.0  # a low satellite passes in minutes
_LONGEST_CHAIN: Final = 10  # segments between a kernel's target and the barycentre of the Solar System
_TLE_COLUMNS: Final = 69


@dataclass(frozen=True, slots=True)
class Target:
    """A moving end of a link, with the Earth and the Sun of its ephemeris (skyfield's vectors from the barycentre).

    ``disc`` is the body in the background of a receiving antenna that points here, None for a spacecraft in the open.
    It is valid from ``first`` to ``last``, as ``source`` says. Windows are sampled every ``step_s`` seconds.
    """

    name: str
    path: Any
    earth: Any
    sun: Any
    disc: Body | None
    first: datetime
    last: datetime
    source: str
    step_s: float


@lru_cache(maxsize=8)
def body_target(name: str) -> Target:
    """Return the body called ``name``.

    Raises:
        UnknownNameError: there is none.
    """
    body, planets = find_body(name), load_ephemeris()
    return Target(
        name=name,
        path=planets[body.target],
        earth=planets["earth"],
        sun=planets["sun"],
        disc=body,
        first=FIRST_DATE,
        last=LAST_DATE,
        source="the DE421 ephemeris",
        step_s=_BODY_STEP_S,
    )


def check_tle(lines: Sequence[str]) -> tuple[str, str]:
    """Return the two lines of a TLE.

    Raises:
        ValueError: they are not two lines of 69 columns with right checksums for one satellite.
    """
    if len(lines) != 2:
        raise ValueError(f"{len(lines)} lines: give the two lines of 69 columns, without the name")
    for number, line in enumerate(lines, start=1):
        if len(line) != _TLE_COLUMNS or not line.isascii() or line[:2] != f"{number} ":
            raise ValueError(f"line {number} must begin with '{number} ' and have {_TLE_COLUMNS} columns")
        total = sum(int(one) if one.isdigit() else one == "-" for one in line[:-1])
        if line[-1] != str(total % 10):
            raise ValueError(f"line {number} ends in {line[-1]!r}, but its checksum is {total % 10}: copy it again")
    if lines[0][2:7] != lines[1][2:7]:
        raise ValueError("the two lines are of different satellites")
    return lines[0], lines[1]


def satellite_target(name: str, tle: Sequence[str]) -> Target:
    """Return an Earth satellite by its TLE, propagated by SGP4.

    Raises:
        ConfigError: the lines are not a TLE.
    """
    from skyfield.api import EarthSatellite  # noqa: PLC0415 - only deep-space channels need it

    try:
        first, second = check_tle(tle)
        satellite = EarthSatellite(first, second, name, load_time_scale())
        epoch = satellite.epoch.utc_datetime()
    except (ValueError, IndexError, OverflowError) as error:
        raise ConfigError(f"deep_space.spacecraft.tle: {error}") from None
    planets = load_ephemeris()
    return Target(
        name=name,
        path=planets["earth"] + satellite,
        earth=planets["earth"],
        sun=planets["sun"],
        disc=None,
        first=max(FIRST_DATE, epoch - timedelta(days=TLE_DAYS)),
        last=min(LAST_DATE, epoch + timedelta(days=TLE_DAYS)),
        source=f"the TLE of {epoch:%Y-%m-%d} ± {TLE_DAYS:g} days",
        step_s=_SATELLITE_STEP_S,
    )


def kernel_target(name: str, path: str, target: int | str) -> Target:
    """Return a target of a user's kernel by its NAIF number or name; DE421 continues where the kernel's segments end.

    Earth and Sun are the kernel's if it has both, else those of DE421.

    Raises:
        ConfigError: the file cannot be read, is no SPK kernel of types 2 and 3, or has no such target.
    """
    kernel = _open_kernel(path)
    names = _chain_names(kernel)
    code = target if isinstance(target, int) else names.get(target.strip().upper())
    if code is None or not any(one.target == code for one in kernel.segments):
        known = ", ".join(str(one) for one in sorted({one.target for one in kernel.segments}))
        raise ConfigError(
            f"deep_space.spacecraft.target = {short_repr(target)}: the kernel has the NAIF numbers {known}"
        )
    parts = _chain(kernel, code)
    is_complete = all(any(one.target == needed for one in kernel.segments) for needed in (399, 10))
    around = kernel if is_complete else load_ephemeris()
    first, last = _common_dates(parts)
    return Target(
        name=name,
        path=_sum(parts, code),
        earth=_sum(_chain(around, 399), 399),
        sun=_sum(_chain(around, 10), 10),
        disc=None,
        first=first,
        last=last,
        source=f"the kernel {Path(path).name}",
        step_s=_BODY_STEP_S,
    )


@lru_cache(maxsize=8)
def _open_kernel(path: str) -> Any:
    from skyfield.jpllib import SpiceKernel  # noqa: PLC0415 - only deep-space channels need it

    what = f"deep_space.spacecraft.kernel = {short_repr(path)}"
    if not Path(path).is_file():
        raise ConfigError(f"{what}: there is no such file where the channel runs")
    with Path(path).open("rb") as file:
        if not file.read(8).startswith((b"DAF/SPK", b"NAIF/DAF")):
            raise ConfigError(f"{what}: is not an SPK kernel: give a .bsp file")
    try:
        kernel = SpiceKernel(path)
    except Exception as error:  # noqa: BLE001 - a damaged file fails anywhere in jplephem
        raise ConfigError(
            f"{what}: is not an SPK kernel with segments of type 2 or 3 ({type(error).__name__}): give a .bsp file"
        ) from None
    return kernel


def _chain_names(kernel: Any) -> dict[str, int]:
    return {name.upper(): code for code, names in kernel.names().items() for name in names}


def _chain(kernel: Any, code: int) -> list[Any]:
    """Return the segments from the barycentre of the Solar System (0) to ``code``, each from the kernel or DE421."""
    from skyfield.jpllib import Stack  # noqa: PLC0415 - only deep-space channels need it

    parts: list[Any] = []
    center = code
    while center != 0:
        held = [one for one in kernel.segments if one.target == center]
        found = held or [one for one in load_ephemeris().segments if one.target == center]
        if not found or len(parts) == _LONGEST_CHAIN:
            raise ConfigError(
                f"deep_space.spacecraft.kernel: no segments lead from NAIF number {center} to the Solar System's "
                "barycentre: give a kernel with its centre, or one that DE421 has"
            )
        parts.append(found[0] if len(found) == 1 else Stack(found))
        center = parts[-1].center
    return parts[::-1]


def _sum(parts: list[Any], code: int) -> Any:
    from skyfield.vectorlib import VectorSum  # noqa: PLC0415 - only deep-space channels need it

    return parts[0] if len(parts) == 1 else VectorSum(0, code, tuple(parts))


def _common_dates(parts: list[Any]) -> tuple[datetime, datetime]:
    """Return the first and last date that all of ``parts`` cover."""
    first, last = FIRST_DATE, LAST_DATE
    scale = load_time_scale()
    for part in parts:
        segments = [one.spk_segment for one in getattr(part, "segments", [part])]
        low, high = min(one.start_jd for one in segments), max(one.end_jd for one in segments)
        if low > scale.from_datetime(first).tdb:
            first = scale.tdb_jd(low).utc_datetime() + timedelta(seconds=1)
        if high < scale.from_datetime(last).tdb:
            last = scale.tdb_jd(high).utc_datetime() - timedelta(seconds=1)
    return first, last


@cache
def load_time_scale() -> Any:
    """Return skyfield's time scale, from the tables in its package."""
    from skyfield.api import load  # noqa: PLC0415 - only deep-space channels need it

    return load.timescale(builtin=True)


@cache
def load_ephemeris() -> Any:
    """Return JPL's ephemeris DE421."""
    from skyfield.api import load_file  # noqa: PLC0415 - only deep-space channels need it

    # Not get_skyfield_data_path(): it warns when the Earth rotation tables are old, which are not used here.
    return load_file(str(files("skyfield_data") / "data" / "de421.bsp"))
