from __future__ import annotations

import pytest
from sionna.phy.nr.utils import decode_mcs_index

from channel.phy.mcs import MCS_INDICES, mcs, transport_block
from shared.errors import ConfigError, UnknownNameError


def test_table_equals_the_one_in_sionna():
    for index in MCS_INDICES:
        order, rate = decode_mcs_index(index, table_index=1, is_pusch=False, device="cpu")
        assert (mcs(index).modulation_order, mcs(index).rate) == (int(order), pytest.approx(float(rate)))


def test_the_table_holds_the_rows_of_rate_one_fifth_or_more():
    assert list(MCS_INDICES) == [*range(3, 29)]
    assert all(mcs(index).rate >= 1 / 5 for index in MCS_INDICES)
    assert {mcs(index).modulation for index in MCS_INDICES} == {"QPSK", "16QAM", "64QAM"}


@pytest.mark.parametrize("index", [-1, 0, 2, 29, 31, 10**9])
def test_unknown_rows_are_refused_with_the_valid_range(index):
    with pytest.raises(UnknownNameError, match=rf"MCS {index} .*3 .*28"):
        mcs(index)


@pytest.mark.parametrize("index", MCS_INDICES)
def test_code_rate_never_exceeds_the_nominal_one_and_wastes_less_than_a_symbol(index):
    scheme = mcs(index)
    for length in range(7, scheme.max_packet_bytes + 1):
        block = transport_block(length, scheme)
        assert length <= block.payload_bytes < length + 8
        assert block.information_bits == 8 * block.payload_bytes + 24
        assert block.coded_bits == block.channel_uses * scheme.modulation_order
        least = block.information_bits / scheme.rate
        assert least <= block.coded_bits < least + scheme.modulation_order


@pytest.mark.parametrize(("index", "largest"), [(3, 472), (4, 472), (5, 1024), (10, 472), (11, 1024), (28, 1024)])
def test_packets_beyond_one_code_block_are_refused(index, largest):
    scheme = mcs(index)
    assert scheme.max_packet_bytes == largest
    transport_block(largest, scheme)
    with pytest.raises(ConfigError, match=rf"{largest + 1} bytes .*MCS {index}.* {largest}"):
        transport_block(largest + 1, scheme)


def test_spectral_efficiencies_are_those_of_the_standard():
    assert mcs(3).spectral_efficiency == pytest.approx(0.4902, abs=5e-5)
    assert mcs(16).spectral_efficiency == pytest.approx(2.5703, abs=5e-5)
    assert mcs(28).spectral_efficiency == pytest.approx(5.5547, abs=5e-5)
