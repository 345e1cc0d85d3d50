from __future__ import annotations

import math

import pytest
from pydantic import ValidationError

from channel.config import ChannelConfig
from channel.phy.mcs import MCS_INDICES, mcs
from channel.snr import es_n0_from_eb_n0_db
from shared.errors import ConfigError
from shared.validation import validate

GOOD = {"snr_db": 3.0, "mcs": 8}


@pytest.mark.parametrize(
    ("setting", "rule"),
    [
        ({"snr_db": math.nan}, "finite"),
        ({"snr_db": math.inf}, "finite"),
        ({"snr_db": -math.inf}, "finite"),
        ({"snr_db": 1e308}, "100"),
        ({"snr_db": "loud"}, "number"),
        ({"snr_kind": "cn0"}, "'esn0' or 'ebn0'"),
        ({"mcs": 2}, "3 .*28"),
        ({"mcs": 29}, "3 .*28"),
        ({"mcs": True}, "integer"),
        ({"symbol_rate_hz": 0.0}, "greater than or equal to 1"),
        ({"symbol_rate_hz": 1e-310}, "greater than or equal to 1"),
        ({"propagation_delay_s": 1e308}, "less than or equal to 10000000"),
        ({"symbol_rate_hz": math.inf}, "finite"),
        ({"propagation_delay_s": -0.001}, "greater than or equal to 0"),
        ({"propagation_delay_s": math.nan}, "finite"),
        ({"erasure_rate": 1.01}, "less than or equal to 1"),
        ({"erasure_rate": -0.1}, "greater than or equal to 0"),
        ({"erasure_rate": math.nan}, "finite"),
        ({"time_scale": -1.0}, "greater than or equal to 0"),
        ({"run_seed": -1}, "greater than or equal to 0"),
        ({"run_seed": 2**64}, "less than"),
        ({"max_bp_iterations": 0}, "greater than or equal to 1"),
        ({"batch_size": 0}, "greater than or equal to 1"),
        ({"device": "tpu\nor so"}, "pattern"),
        ({"fading": "rayleigh"}, "unknown setting; known are"),
    ],
)
def test_a_setting_outside_its_rule_is_refused_with_field_value_and_rule(setting, rule):
    with pytest.raises(ConfigError, match=rule) as caught:
        validate(ChannelConfig, GOOD | setting)
    message = str(caught.value)
    (field,) = setting
    assert message.startswith(f"{field} = ")
    assert "\n" not in message


def test_a_missing_setting_is_named():
    with pytest.raises(ConfigError, match="mcs is missing"):
        validate(ChannelConfig, {"snr_db": 0.0})


def test_settings_cannot_be_changed():
    config = validate(ChannelConfig, GOOD)
    with pytest.raises(ValidationError):
        config.snr_db = 4.0


@pytest.mark.parametrize("index", MCS_INDICES)
def test_snr_kind_says_whether_the_snr_is_es_n0_or_eb_n0(index):
    es_n0_db = es_n0_from_eb_n0_db(2.0, mcs(index).spectral_efficiency)
    as_symbol = validate(ChannelConfig, {"snr_db": es_n0_db, "mcs": index})
    as_bit = validate(ChannelConfig, {"snr_db": 2.0, "snr_kind": "ebn0", "mcs": index})
    assert as_bit.es_n0_db == pytest.approx(as_symbol.es_n0_db)
    assert as_bit.eb_n0_db == pytest.approx(as_symbol.eb_n0_db)
