"""Codec names of a sweep."""

import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from semlink.sweep.codecs import swept_codec
from shared.errors import ConfigError, LinkError, UnknownNameError


@pytest.mark.parametrize(
    ("name", "source", "scheme", "classical"),
    [
        ("hci", "hci", "profile", False),
        ("hci@hci+ldpc:best", "hci@hci", "best", False),
        ("hci@pocket:drop=HCI+CAPTION+ldpc:mcs=7", "hci@pocket:drop=HCI+CAPTION", "7", False),
        ("jpeg2000+ldpc", "jpeg2000", "profile", True),
        ("avif+ldpc:mcs=10", "avif", "10", True),
        ("hevc+ideal", "hevc", "ideal", True),
    ],
)
def test_a_name_says_what_makes_the_bytes_and_what_carries_them(name, source, scheme, classical):
    codec = swept_codec(name)
    assert (codec.source, codec.scheme, codec.classical) == (source, scheme, classical)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("hci+ideal", r"write hci\+ldpc:best"),
        ("avif+ldpc:mcs=1", r"'\+ldpc:mcs=1' is no channel code"),
        ("avif+ldpc:worst", "is no channel code"),
        ("autoencoder", "makes no file"),
        ("hci@real-esrgan", "for semlink evaluate only"),
    ],
)
def test_what_cannot_be_swept_is_told(name, told):
    with pytest.raises(ConfigError, match=told):
        swept_codec(name)


def test_an_unknown_codec_is_told_with_the_known_ones():
    with pytest.raises(UnknownNameError, match=r"unknown codec 'jpg'; known are jpeg2000"):
        swept_codec("jpg")


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(alphabet="hciavf+@:,=ldpcmst0123456789", max_size=30))
def test_any_text_is_a_codec_or_one_line(text):
    with contextlib.suppress(LinkError):
        assert swept_codec(text).name == text
