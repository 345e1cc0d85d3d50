"""The number of threads: hardware threads of one core count once."""

from __future__ import annotations

import os

from semlink.cli.cores import choose_threads, count_cores


def test_hardware_threads_of_one_core_count_once(tmp_path):
    for cpu, siblings in enumerate(("0,2", "1,3", "0,2", "1,3")):
        topology = tmp_path / f"cpu{cpu}" / "topology"
        topology.mkdir(parents=True)
        (topology / "thread_siblings_list").write_text(siblings)
    assert count_cores(tmp_path) == 2


def test_without_a_list_half_of_the_hardware_threads_count(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert count_cores(tmp_path) == 4


def test_services_leave_half_of_the_machine_to_each_other(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    assert choose_threads("up") == 2
    assert choose_threads("send") == count_cores()
