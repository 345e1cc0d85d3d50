"""The page on lost packets takes each way's points from where they belong, and says which targets are missed."""

from __future__ import annotations

import pytest

from benchmarks.common.packet_loss_report import Point, find_row, make_loss_targets, make_rows, make_targets_table
from shared.outcome import LOST, REBUILT

LOST_DB, HCI_DB = 15.0, 25.0


def make_point(way, loss, made_for, psnr_db, *, budget=1000, lost=False):
    return Point(
        picture=1,
        decoder="hci",
        way=way,
        budget=budget,
        made_for=made_for,
        loss=loss,
        container_bytes=budget,
        sha256=f"{way.removesuffix(' + repair')} {made_for}" if made_for else "whole",
        source_packets=4,
        repair_packets=0,
        wire_bytes=budget,
        endings=[LOST if lost else REBUILT],
        received=[0.0 if lost else 1.0],
        measures={"psnr_db": [psnr_db], "lpips_alex": [0.8 if lost else 0.4]},
    )


@pytest.fixture
def points():
    return [
        make_point("hci", 0.0, 0.0, HCI_DB),
        make_point("hci", 0.25, 0.0, LOST_DB, lost=True),
        make_point("resilient", 0.0, 0.0, HCI_DB),
        make_point("resilient", 0.0, 0.25, 24.0),
        make_point("resilient", 0.25, 0.25, 20.0),
        make_point("hci + repair", 0.0, 0.25, 22.0),
        make_point("hci + repair", 0.25, 0.25, 21.0),
    ]


def test_a_row_has_what_is_made_for_the_loss_and_without_loss_no_repair(points):
    found = {row.name: [row.cell("psnr_db", loss) for loss in (0.0, 0.25)] for row in make_rows(points)}
    assert found == {
        "`resilient`, made for the loss that occurs": ["25.00", "20.00"],
        "`resilient`, made for 25%": ["24.00", "20.00"],
        "`hci`, whole": ["25.00", "15.00"],
        "`hci` + repair, made for the loss that occurs": ["25.00", "21.00"],
        "`hci` + repair, made for 25%": ["22.00", "21.00"],
    }


def test_what_is_lost_is_counted(points):
    assert find_row(make_rows(points), "hci").count(0.25, lambda ending, _: ending == LOST) == 1


def test_targets_are_reached_or_missed(points):
    rows = make_rows(points)
    assert [reached for _, _, reached in make_loss_targets(rows, "hci")] == [True, True, True]
    table = make_targets_table(points, rows, []).splitlines()
    assert table[2].endswith("| no overlap | no |")  # one budget makes no curve
    assert table[3].endswith("| 1 of 1 equal | yes |")
