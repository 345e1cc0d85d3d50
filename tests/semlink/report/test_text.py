"""Numbers and tables as text."""

import math

from semlink.report.text import format_interval, format_number, format_rate, remove_common_columns
from semlink.sweep.summary import Interval


def test_a_missing_value_is_a_dash():
    assert [format_number(value, 2) for value in (None, math.nan, 1.5)] == ["-", "-", "1.50"]
    assert format_interval(None, 2) == "-"


def test_an_interval_has_half_its_width():
    assert format_interval(Interval(26.1, 25.9, 26.3), 2) == "26.10 ±0.20"
    assert format_interval(Interval(26.1, None, None), 2) == "26.10"


def test_a_rate_has_its_unit():
    rates = [("max_bytes", 0), ("max_bytes", 800), ("channel_uses", 6000), ("cbr", 0.02), ("bpp", 0.02)]
    assert [format_rate(*rate) for rate in rates] == ["codec's own", "800 bytes", "6000 uses", "CBR 0.02", "0.02 bpp"]


def test_columns_with_one_value_in_all_rows_are_removed_and_listed():
    columns = ["channel", "codec", "rate", "SNR dB", "MCS"]
    rows = [["awgn", "hci", "600 uses", "0", "4"], ["awgn", "hci", "600 uses", "3", "8"]]
    always = ("channel", "codec", "SNR dB")
    assert remove_common_columns(columns, rows, always) == (
        "rate 600 uses",
        ["channel", "codec", "SNR dB", "MCS"],
        [[*row[:2], *row[3:]] for row in rows],
    )
    assert remove_common_columns(columns, rows[:1], always) == ("", columns, rows[:1])
