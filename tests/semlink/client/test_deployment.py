"""The settings of the services, from a file and from the environment."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semlink.client.deployment import OTHER_VARIABLES, VARIABLES, read_deployment, read_env_file, require_known
from shared.errors import ConfigError, InputError, LinkError


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("SEMLINK_SENDER_PORT=fifty", "SEMLINK_SENDER_PORT = 'fifty': .*integer"),
        ("SEMLINK_SENDER_PORT=70000", "SEMLINK_SENDER_PORT = '70000': .*65535"),
        ("SEMLINK_SENDER_PORT=5000\nSEMLINK_CHANNEL_PORT=5000", "SEMLINK_SENDER_PORT and .* are both 5000"),
        ("# fine\nSEMLINK_SENDER_PORT: 5000", "line 2: .* is not NAME=value"),
        ("SEMLINK_PERCEPTUAL=perhaps", "SEMLINK_PERCEPTUAL = 'perhaps': .*boolean"),
        ("SEMLINK_DEVICE=gpu", "SEMLINK_DEVICE = 'gpu': give cpu, cuda, cuda:N or mps"),
    ],
)
def test_a_typo_in_the_settings_file_is_reported_in_one_line(tmp_path, text, words):
    file = tmp_path / "settings.env"
    file.write_text(text)
    with pytest.raises(ConfigError, match=words) as caught:
        read_deployment(read_env_file(file))
    assert "\n" not in str(caught.value)


def test_the_settings_file_in_the_repository_has_no_unknown_variable():
    file = Path(__file__).parents[3] / ".env"
    require_known(read_env_file(file), file)
    assert {name for name in read_env_file(file) if name.startswith("SEMLINK_")} <= {*VARIABLES, *OTHER_VARIABLES}


@given(st.text(max_size=200))
def test_any_settings_file_gives_variables_or_a_link_error(tmp_path_factory, text):
    file = tmp_path_factory.getbasetemp() / "any.env"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        message, found = "", read_env_file(file)
        read_deployment(found)
    except LinkError as error:
        message, found = str(error), {}
    assert "\n" not in message
    assert all(name.isidentifier() for name in found)


def test_quotes_and_comments_are_not_part_of_a_value(tmp_path):
    file = tmp_path / ".env"
    file.write_text("A=one # note\nB = 'two # three' # note\nC=\"four\"\nD=\nE=a=b\n#F=x\n")
    assert read_env_file(file) == {"A": "one", "B": "two # three", "C": "four", "D": "", "E": "a=b"}
    with pytest.raises(InputError, match="cannot read"):
        read_env_file(tmp_path)
