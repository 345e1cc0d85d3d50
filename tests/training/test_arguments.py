"""Options of ``train`` are checked when they are read, and change only what they name."""

from __future__ import annotations

import argparse

import pytest

from shared.errors import ConfigError
from training.arguments import add_plan_options, check_checkpoint, plan_changes, positive


def parse(*given, **kinds):
    parser = argparse.ArgumentParser()
    add_plan_options(parser, **kinds)
    return parser.parse_args(given)


def test_a_plan_changes_by_what_is_given_alone():
    assert plan_changes(parse()) == {}
    given = parse("--minutes", "1.5", "--steps", "3", "--rate", "1e-4", "--sample-every", "2", "--precision", "no")
    assert plan_changes(given) == {"minutes": 1.5, "steps": 3, "rate": 1e-4, "sample_every": 2, "precision": "no"}
    assert plan_changes(parse("--muon-rate", "0.02", muon_rate=positive)) == {"muon_rate": 0.02}


@pytest.mark.parametrize(
    ("option", "value", "rule"),
    [
        *[("--minutes", value, "give a number above 0") for value in ("nan", "inf", "0", "-1", "soon")],
        ("--rate", "-1e-4", "give a number above 0"),
        *[("--steps", value, "give a whole number, 1 or more") for value in ("0", "-1", "1.5", "many")],
        ("--precision", "fp8", "invalid choice"),
    ],
)
def test_a_number_that_breaks_its_rule_is_refused(option, value, rule, capsys):
    with pytest.raises(SystemExit) as raised:
        parse(f"{option}={value}")
    assert raised.value.code == 2
    assert rule in capsys.readouterr().err


def test_a_checkpoint_is_overwritten_or_resumed_by_choice_alone(tmp_path):
    check_checkpoint(tmp_path, parse())
    (tmp_path / "checkpoint.pt").write_bytes(b"hours of work")
    with pytest.raises(ConfigError, match="--resume goes on from it, --restart starts anew and overwrites it"):
        check_checkpoint(tmp_path, parse())
    for choice in ("--resume", "--restart"):
        check_checkpoint(tmp_path, parse(choice))
