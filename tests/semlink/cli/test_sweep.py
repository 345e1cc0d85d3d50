"""``semlink sweep``, ``plot`` and ``report``: what they print."""

from __future__ import annotations

import yaml


def test_sweep_prints_every_point_with_the_reason_why_it_stopped(sweep_settings, tmp_path, semlink_json):
    file = tmp_path / "sweep.yaml"
    file.write_text(yaml.safe_dump(sweep_settings))
    document = semlink_json("sweep", "--file", file, "--snr", "9", "--seeds", "1", "--out", tmp_path / "out")
    (point,) = document["points"]
    assert (point["codec"], point["snr_db"], point["rows"]) == ("hci-learned@hci", 9, 2)
    assert point["stopped_by"] == "all seeds"
    assert document["rows"] == str(tmp_path / "out")


def test_plot_and_report_print_what_they_wrote(sweep_folder, tmp_path, semlink_json):
    files = semlink_json("plot", sweep_folder, "--out", tmp_path / "plots")["files"]
    assert set(files) == {str(path) for path in (tmp_path / "plots").iterdir()}
    document = semlink_json("report", sweep_folder, "--out", tmp_path / "report.html")
    assert document == {"report": str(tmp_path / "report.html"), "rows": 40, "points": 4}
    assert (tmp_path / "report.html").is_file()
