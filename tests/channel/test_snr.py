from __future__ import annotations

import math

import pytest

from channel.phy.mcs import MCS_INDICES, mcs
from channel.snr import eb_n0_from_es_n0_db, es_n0_from_eb_n0_db, noise_variance, snr_ratio


@pytest.mark.parametrize("index", MCS_INDICES)
def test_es_n0_and_eb_n0_convert_both_ways(index):
    scheme = mcs(index)
    bits_per_symbol = scheme.modulation_order * scheme.rate_x1024 / 1024
    es_n0_db = es_n0_from_eb_n0_db(2.0, scheme.spectral_efficiency)
    assert es_n0_db == pytest.approx(2.0 + 10 * math.log10(bits_per_symbol))
    assert eb_n0_from_es_n0_db(es_n0_db, scheme.spectral_efficiency) == pytest.approx(2.0)


def test_noise_variance_agrees_with_sionna():
    from sionna.phy.utils import ebnodb2no

    scheme = mcs(13)
    no = ebnodb2no(2.0, scheme.modulation_order, scheme.rate, device="cpu")
    es_n0_db = es_n0_from_eb_n0_db(2.0, scheme.spectral_efficiency)
    assert noise_variance(es_n0_db) == pytest.approx(float(no), rel=1e-6)
    assert noise_variance(es_n0_db) * snr_ratio(es_n0_db) == pytest.approx(1.0)
