"""Earth satellites by TLE, targets of kernels, and the direction of the signal, against independent readers."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from importlib.resources import files

import numpy as np
import pytest

from channel.deep_space.bodies import STATIONS, Station
from channel.deep_space.geometry import SPEED_OF_LIGHT_KM_S, elevation_deg, find_line_of_sight
from channel.deep_space.target import check_tle, kernel_target, load_ephemeris, load_time_scale, satellite_target
from channel.deep_space.windows import find_next_window, station_sees_body
from shared.errors import ConfigError

DE421 = str(files("skyfield_data") / "data" / "de421.bsp")
# The International Space Station, from the documentation of the package sgp4.
ISS = (
    "1 25544U 98067A   19343.69339541  .00001764  00000-0  38792-4 0  9991",
    "2 25544  51.6439 211.2001 0007417  17.6667  85.6398 15.50103472202482",
)
EPOCH = datetime(2019, 12, 9, 16, 38, 29, tzinfo=UTC)
MUNICH = Station("munich", 48.09, 11.28, 600.0)


def write_spacecraft_kernel(path, center=4):
    """Write an SPK of type 3: a spacecraft 10,000 km from Mars, on one Chebyshev interval, still."""
    from jplephem.daf import DAF

    start_s, end_s = 8.0e8, 8.6e8  # seconds after J2000: 2025 to 2027
    degree = [[10_000.0, 0.0], [2_000.0, 0.0], [-500.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]]
    record = [(start_s + end_s) / 2, (end_s - start_s) / 2, *(value for axis in degree for value in axis)]
    header = bytearray(1024)
    header[:88] = (
        b"DAF/SPK "
        + (2).to_bytes(4, "little")
        + (6).to_bytes(4, "little")
        + b"test".ljust(60)
        + b"".join(number.to_bytes(4, "little") for number in (2, 2, 385))
    )
    header[88:96] = b"LTL-IEEE"
    header[699:727] = b"FTPSTR:\r:\n:\r\n:\r\x00:\x81:\x10\xce:ENDFTP"
    path.write_bytes(bytes(header) + bytes(1024) + b" " * 1024)
    with path.open("r+b") as file:
        daf = DAF(file)
        array = np.array([*record, start_s, end_s - start_s, len(record), 1], dtype=float)
        daf.add_array(b"spacecraft".ljust(40), (start_s, end_s, -999, center, 1, 3), array)
    return str(path)


@pytest.mark.parametrize(("target", "code"), [("Mars Barycenter", 4), (5, 5), ("moon", 301)])
def test_a_kernels_range_is_within_a_kilometre_of_its_own_reader(target, code):
    from jplephem.spk import SPK

    date = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
    found = find_line_of_sight(kernel_target("it", DE421, target), date)
    time = load_time_scale().from_datetime(date)
    with SPK.open(DE421) as kernel:
        leave, arrive = time.tdb, time.tdb + found.light_time_s / 86400
        legs = [(0, 3), (3, 301)] if code == 301 else [(0, code)]
        start = sum(kernel[leg].compute(leave)[:3] for leg in legs)
        earth = kernel[0, 3].compute(arrive)[:3] + kernel[3, 399].compute(arrive)[:3]
    assert found.range_km == pytest.approx(float(np.linalg.norm(start - earth)), abs=1)


def test_a_spacecraft_in_a_kernel_of_its_own_starts_from_its_body(tmp_path):
    path = write_spacecraft_kernel(tmp_path / "probe.bsp")
    probe = kernel_target("probe", path, -999)
    date = datetime(2026, 5, 4, tzinfo=UTC)
    time = load_time_scale().from_datetimes([date])
    offset_km = probe.path.at(time).position.km - load_ephemeris()["mars barycenter"].at(time).position.km
    assert offset_km[:, 0] == pytest.approx([10_000, 2_000, -500], abs=1e-3)
    with pytest.raises(ConfigError, match=r"date = 2030-01-01T00:00:00Z: must be from 2025-.* the kernel probe.bsp"):
        find_line_of_sight(probe, "2030-01-01")


def test_a_satellites_range_and_elevation_are_skyfields():
    """Skyfield's own difference of satellite and station has neither light time nor aberration: both are small here."""
    from skyfield.api import EarthSatellite, wgs84

    scale = load_time_scale()
    satellite = EarthSatellite(*ISS, ts=scale)
    iss = satellite_target("iss", ISS)
    window = find_next_window(iss, EPOCH, [station_sees_body([MUNICH], 10)], search_days=3)
    assert 60 < window.duration_s < 900
    middle = window.start + (window.end - window.start) / 2
    topos = satellite - wgs84.latlon(MUNICH.latitude_deg, MUNICH.longitude_deg, MUNICH.height_m)
    altitude, _, distance = topos.at(scale.from_datetime(middle)).altaz()
    found = find_line_of_sight(iss, middle, MUNICH)
    assert found.range_km == pytest.approx(distance.km, abs=0.1)
    assert elevation_deg(iss, MUNICH, middle) == pytest.approx(altitude.degrees, abs=0.02)
    assert found.light_time_s == pytest.approx(found.range_km / SPEED_OF_LIGHT_KM_S)


def test_an_uplink_meets_the_body_where_it_will_be():
    """Mars moves while the light is under way; the downlink that leaves when the uplink arrives is its mirror."""
    down = find_line_of_sight("mars", "2026-05-04T12:00", MUNICH)
    up = find_line_of_sight("mars", "2026-05-04T12:00", MUNICH, uplink=True)
    returned = find_line_of_sight("mars", up.arrival, MUNICH)
    assert up.range_km != pytest.approx(down.range_km, abs=100)
    assert abs(up.range_km - returned.range_km) < 40 * up.light_time_s  # the Earth moves 30 km/s
    assert elevation_deg("mars", MUNICH, "2026-05-04T12:00", uplink=True) == pytest.approx(
        elevation_deg("mars", MUNICH, down.departure - timedelta(seconds=down.light_time_s)), abs=0.02
    )
    assert up.receiver_sun_angle_deg != pytest.approx(up.sun_angle_deg, abs=0.5)
    sides = math.sin(math.radians(up.receiver_sun_angle_deg)) * up.receiver_sun_km  # law of sines: Sun to the path
    assert sides == pytest.approx(math.sin(math.radians(up.sun_angle_deg)) * down.receiver_sun_km, rel=1e-3)


def test_apparent_elevation_is_skyfields_own():
    from skyfield.api import wgs84

    planets, place = load_ephemeris(), STATIONS["madrid"]
    found = find_line_of_sight("mars", "2026-05-04T12:00", place)
    time = load_time_scale().from_datetime(found.departure) + found.light_time_s / 86400
    observer = planets["earth"] + wgs84.latlon(place.latitude_deg, place.longitude_deg, place.height_m)
    altitude, _, _ = observer.at(time).observe(planets["mars barycenter"]).apparent().altaz()
    assert elevation_deg("mars", place, found.departure) == pytest.approx(altitude.degrees, abs=0.001)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (ISS[:1], "^1 lines: give the two lines"),
        ((ISS[0][:-1] + "3", ISS[1]), "^line 1 ends in '3', but its checksum is 1"),
        ((ISS[1], ISS[0]), "^line 1 must begin with '1 '"),
        ((ISS[0], ISS[1][:60]), "^line 2 must begin with '2 ' and have 69 columns"),
        ((ISS[0].replace("25544U", "25545U").replace("9991", "9992"), ISS[1]), "different satellites"),
    ],
)
def test_a_wrong_tle_is_refused(lines, message):
    with pytest.raises(ValueError, match=message):
        check_tle(lines)


def test_a_satellite_is_refused_far_from_its_epoch():
    with pytest.raises(ConfigError, match=r"must be from 2019-11-09 to 2020-01-08, which the TLE of 2019-12-09"):
        find_line_of_sight(satellite_target("iss", ISS), "2026-01-01")


def test_a_file_that_is_no_kernel_is_refused(tmp_path):
    fake = tmp_path / "fake.bsp"
    fake.write_bytes(b"secret" * 1000)
    with pytest.raises(ConfigError, match="is not an SPK kernel") as caught:
        kernel_target("x", str(fake), 4)
    assert "secret" not in str(caught.value)
    with pytest.raises(ConfigError, match="there is no such file"):
        kernel_target("x", str(tmp_path / "none.bsp"), 4)
    with pytest.raises(ConfigError, match=r"target = -74: the kernel has the NAIF numbers 1, 2, 3"):
        kernel_target("x", DE421, -74)
