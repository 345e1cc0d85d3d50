"""Progress where standard error is no terminal: a line now and then, and nothing for quick work."""

from __future__ import annotations

import threading

from semlink.cli.progress import progress_bar, progress_lines


def test_lines_say_the_stage_while_a_long_stage_works():
    lines: list[str] = []
    several = threading.Event()

    def write(line: str) -> None:
        lines.append(line)
        if line.startswith("decode: 1 of 2 pictures done, "):
            several.set()

    with progress_lines(2, period_s=0.001, write=write) as on_stage:
        on_stage("done", 1.0)
        on_stage("decode", 0.0)
        assert several.wait(30)
    assert all(line.endswith(" s\n") for line in lines)


def test_quick_work_and_quiet_commands_print_nothing(capsys):
    for quiet in (False, True):
        with progress_bar(1, quiet=quiet) as on_stage:
            on_stage("encode", 0.0)
    assert capsys.readouterr().err == ""
