"""What several tests of deep space measure by."""

from __future__ import annotations

import pytest

from channel.deep_space.geometry import lander_elevations_deg, trace_signals
from channel.deep_space.target import body_target, load_time_scale


@pytest.fixture(scope="session")
def lander_elevation_deg():
    """A function of (lander, departure) that returns the elevation of the Earth at a lander on Mars, in degrees."""

    def measure(lander, departure):
        paths = trace_signals(body_target("mars"), load_time_scale().from_datetimes([departure]))
        return float(lander_elevations_deg(paths, lander)[0])

    return measure
