"""Tables and JSON."""

from __future__ import annotations

import json
import math

from semlink.cli.output import PIPE_COLUMNS, print_json, print_table, split_columns
from semlink.report.text import format_number, markdown_table


def test_json_has_no_infinities(capsys):
    print_json({"psnr_db": math.inf, "list": [math.nan, 1.5], "text": "x"})
    assert json.loads(capsys.readouterr().out) == {"psnr_db": None, "list": [None, 1.5], "text": "x"}


def test_a_table_in_a_pipe_breaks_no_cell(capsys):
    row = ["hubble_deep_field.jpg", "1000x872", "HCI 3146", "3153 bytes", "0.0289", "[madrid, goldstone]"]
    print_table("a title", ["picture", "size", "streams", "container", "bpp", "stations"], [row])
    out = capsys.readouterr().out
    assert all(cell in out for cell in row)


def test_a_wide_table_becomes_several_with_whole_headings(capsys):
    columns = ["codec", "budget", *(f"measure {number} dB ↑" for number in range(16))]
    rows = [["hci@pocket:steps=0,fidelity=0", "0.02bpp", *(f"{number}.00 ±0.12" for number in range(16))]]
    print_table("16 measures", columns, rows, keys=2)
    out = capsys.readouterr().out
    assert all(text in out for text in (*columns, *rows[0]))
    assert out.count("hci@pocket:steps=0,fidelity=0") == out.count("0.02bpp") == 3
    assert out.count("16 measures") == 1
    assert all(len(line) <= PIPE_COLUMNS for line in out.splitlines())


def test_columns_are_split_only_where_they_do_not_fit():
    columns, rows = ["a", "bb", "ccc"], [["x" * 10, "1", "2"]]
    assert split_columns(columns, rows, 1, 80) == [[0, 1, 2]]
    assert split_columns(columns, rows, 1, 20) == [[0, 1], [0, 2]]
    assert split_columns(["a", "b"], [["x", "y" * 99]], 1, 20) == [[0, 1]]
    assert split_columns(["a"], [["x"]], 1, 20) == [[0]]


def test_markdown_and_numbers():
    assert markdown_table(["a", "b"], [["x", "1"]]) == "| a | b |\n| --- | ---: |\n| x | 1 |\n"
    assert [
        format_number(1.2345, 2),
        format_number(None, 2),
        format_number(math.nan, 1),
        format_number(math.inf, 1),
    ] == ["1.23", "-", "-", "inf"]
