"""Tables and JSON."""

from __future__ import annotations

import json
import math

from semlink.cli.output import print_json, print_table
from semlink.report.text import format_number, markdown_table


def test_json_has_no_infinities(capsys):
    print_json({"psnr_db": math.inf, "list": [math.nan, 1.5], "text": "x"})
    assert json.loads(capsys.readouterr().out) == {"psnr_db": None, "list": [None, 1.5], "text": "x"}


def test_a_table_in_a_pipe_breaks_no_cell(capsys):
    row = ["hubble_deep_field.jpg", "1000x872", "HCI 3146", "3153 bytes", "0.0289", "[madrid, goldstone]"]
    print_table("a title", ["picture", "size", "streams", "container", "bpp", "stations"], [row])
    out = capsys.readouterr().out
    assert all(cell in out for cell in row)


def test_markdown_and_numbers():
    assert markdown_table(["a", "b"], [["x", "1"]]) == "| a | b |\n| --- | ---: |\n| x | 1 |\n"
    assert [
        format_number(1.2345, 2),
        format_number(None, 2),
        format_number(math.nan, 1),
        format_number(math.inf, 1),
    ] == ["1.23", "-", "-", "inf"]
