"""Codecs by name, including those of other packages."""

import pytest
from pydantic import ValidationError

from shared.codecs.recipe import Codec
from shared.codecs.registry import ENTRY_POINTS, codecs, get_codec
from shared.errors import ConfigError, SetupError, UnknownNameError
from shared.streams import StreamKind
from shared.validation import validate

MODULE = """
from shared.codecs.recipe import Codec
from shared.streams import StreamKind
SKETCH = Codec(name="sketch", summary="caption alone", streams=(StreamKind.CAPTION,), default_bpp=0.001)
TAKEN = Codec(name="hci", summary="another one")
NOTHING = 3
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """A function of an entry point's value that installs a package with it."""

    def _install(value):
        (tmp_path / "sketch_codec.py").write_text(MODULE)
        information = tmp_path / "sketch_codec-1.0.dist-info"
        information.mkdir()
        (information / "METADATA").write_text("Metadata-Version: 2.1\nName: sketch-codec\nVersion: 1.0\n")
        (information / "entry_points.txt").write_text(f"[{ENTRY_POINTS}]\nsketch = {value}\n")
        monkeypatch.syspath_prepend(tmp_path)

    return _install


def test_a_package_adds_its_codec(install):
    assert "sketch" not in codecs()
    install("sketch_codec:SKETCH")
    assert get_codec("sketch").streams == (StreamKind.CAPTION,)
    assert get_codec("").name == "hci"


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("sketch_codec:TAKEN", "name that is taken"),
        ("sketch_codec:NOTHING", "is a int, not a Codec"),
        ("sketch_codec:MISSING", "cannot be loaded"),
        ("no_such_module:ANY", "cannot be loaded"),
    ],
)
def test_the_error_names_a_wrong_package(install, value, fault):
    install(value)
    with pytest.raises(SetupError, match=fault):
        get_codec("hci")


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(UnknownNameError, match=r"unknown codec 'mtcg'; known are hci, .*mtgc"):
        get_codec("mtcg")


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "Two words"},
        {"streams": ()},
        {"streams": (StreamKind.HCI, StreamKind.HCI)},
        {"tokens": 7},
        {"latent_channels": 3},
        {"latent_channels": 32},
        {"hci_coder": "foo"},
        {"default_bpp": 0.0},
        {"colour": "blue"},
    ],
)
def test_a_recipe_is_checked(wrong):
    with pytest.raises(ValidationError):
        Codec(**{"name": "some", "summary": "a codec", **wrong})


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ({"latent_channels": 3}, "latent_channels = 3: give 1, 2, 4, 8 or 16"),
        (
            {"hci_coder": "foo"},
            "hci_coder = 'foo': give av1 or learned or compressai, or None for the best by the rate table",
        ),
    ],
)
def test_a_wrong_recipe_is_one_line_with_the_fix(wrong, line):
    with pytest.raises(ConfigError) as caught:
        validate(Codec, {"name": "some", "summary": "a codec", **wrong})
    assert str(caught.value) == line
