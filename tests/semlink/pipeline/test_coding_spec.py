"""The grammar of codec names."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from semlink.pipeline.coding_spec import ChannelCode, parse_coding_spec, split_codec_names
from shared.errors import ConfigError, LinkError, UnknownNameError
from shared.streams import StreamKind
from tests.hub.tiny import profile_values, write_profile


def test_commas_separate_names_and_the_options_within_one():
    names = split_codec_names(
        "hci, hci@pocket:steps=4,fidelity=0,avif+ldpc:mcs=4,hci@hci+ldpc:best,jpeg2000+ldpc:mcs=4"
    )
    assert names == [
        "hci",
        "hci@pocket:steps=4,fidelity=0",
        "avif+ldpc:mcs=4",
        "hci@hci+ldpc:best",
        "jpeg2000+ldpc:mcs=4",
    ]


def test_a_misspelt_option_stays_with_its_codec():
    (name,) = split_codec_names("hci@pocket:steps=4,fidelty=0")
    with pytest.raises(ConfigError, match="unknown option 'fidelty=0'; known are steps, fidelity"):
        parse_coding_spec(name)


@pytest.mark.parametrize(
    ("text", "message"), [("", "no codec is named"), (" , ", "no codec is named"), ("avif,avif", "avif is named twice")]
)
def test_no_codec_or_one_twice_is_refused(text, message):
    with pytest.raises(ConfigError, match=message):
        split_codec_names(text)


def test_a_name_specifies_codec_decoder_and_options():
    spec = parse_coding_spec("hci-av1@pocket:steps=4,fidelity=0.5,seed=7,drop=HCI+CAPTION")
    assert (spec.codec, spec.decoder, spec.steps, spec.fidelity, spec.seed) == ("hci-av1", "pocket", 4, 0.5, 7)
    assert spec.dropped == (StreamKind.HCI, StreamKind.CAPTION)
    plain = parse_coding_spec("hci")
    assert (plain.decoder, plain.steps, plain.fidelity, plain.dropped) == ("", None, None, ())
    assert parse_coding_spec("hci@hci:drop=HCI").dropped == (StreamKind.HCI,)


def test_a_decoder_may_be_that_of_a_model_profile_or_of_its_file(tmp_path):
    spec = parse_coding_spec("misc@sd21:steps=30,seed=1+ldpc:best")
    assert (spec.decoder, spec.steps, spec.seed) == ("sd21", 30, 1)
    path = write_profile(tmp_path, profile_values("mine", "flux", "owner/name"))
    assert parse_coding_spec(f"hci@{path}:steps=3").decoder == str(path)
    with pytest.raises(ConfigError, match=r"steps = 5: give 0 \(the restorer alone\) to 4"):
        parse_coding_spec(f"hci@{path}:steps=5")


def test_a_captioner_is_an_option_of_codecs_that_send_words(tmp_path):
    spec = parse_coding_spec("misc@hci:captioner=sd-turbo+ldpc")
    assert (spec.captioner, spec.source) == ("sd-turbo", "misc@hci:captioner=sd-turbo")
    with pytest.raises(ConfigError, match="codec hci sends no words; leave captioner out, or use misc"):
        parse_coding_spec("hci@pocket:captioner=sd-turbo")
    with pytest.raises(UnknownNameError, match="unknown model profile 'nobody'"):
        parse_coding_spec("misc@pocket:captioner=nobody")
    path = write_profile(tmp_path, profile_values("mine", "flux", "owner/name"))
    with pytest.raises(ConfigError, match=r"model profile .*mine\.yaml has no captioner; leave it out"):
        parse_coding_spec(f"misc@pocket:captioner={path}")


@pytest.mark.parametrize(
    ("name", "source", "channel_code", "mcs_index", "classical"),
    [
        ("hci", "hci", ChannelCode.PROFILE, None, False),
        ("hci@hci+ldpc:best", "hci@hci", ChannelCode.BEST, None, False),
        ("hci@pocket:drop=HCI+CAPTION+ldpc:mcs=7", "hci@pocket:drop=HCI+CAPTION", ChannelCode.FIXED, 7, False),
        ("hci@pocket:steps=2,seed=3+ldpc", "hci@pocket:steps=2,seed=3", ChannelCode.PROFILE, None, False),
        ("jpeg2000+ldpc", "jpeg2000", ChannelCode.PROFILE, None, True),
        ("avif+ldpc:mcs=10", "avif", ChannelCode.FIXED, 10, True),
        ("hevc+ideal", "hevc", ChannelCode.IDEAL, None, True),
    ],
)
def test_the_channel_code_follows_the_last_plus(name, source, channel_code, mcs_index, classical):
    spec = parse_coding_spec(name)
    assert (spec.name, spec.source) == (name, source)
    assert (spec.channel_code, spec.mcs_index, spec.is_classical) == (channel_code, mcs_index, classical)
    assert spec.has_channel_code == ("+ldpc" in name or "+ideal" in name)


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("hcj", UnknownNameError, "unknown codec 'hcj'; known are jpeg2000"),
        ("gif+ideal", UnknownNameError, "unknown codec 'gif'; known are jpeg2000"),
        ("+ideal", UnknownNameError, "unknown codec ''"),
        ("hci@magic", UnknownNameError, r"unknown decoder 'magic' .*; known are pocket, hci, .*sd21, .*esrgan"),
        ("hci@", UnknownNameError, "unknown decoder ''"),
        ("avif@hci", ConfigError, "avif has a decoder of its own; leave '@hci' out"),
        ("hci@pocket:stepz=4", ConfigError, "unknown option 'stepz=4'"),
        ("hci@pocket:steps=9", ConfigError, "hci@pocket:steps=9: steps = 9"),
        ("hci@pocket:steps=many", ConfigError, "whole numbers"),
        ("hci@pocket:fidelity=2", ConfigError, "fidelity = 2"),
        ("hci@pocket:seed=-1", ConfigError, "seed -1"),
        ("hci@hci:steps=4", ConfigError, "decoder hci has no option steps; leave it out, or use @pocket"),
        ("hci@real-esrgan:fidelity=1", ConfigError, "decoder real-esrgan has no option fidelity"),
        ("hci@pocket:drop=PIXELS", ConfigError, "no stream 'PIXELS'"),
        ("avif+turbo", ConfigError, r"unknown channel code '\+turbo'; write \+ldpc, \+ldpc:mcs=3 to \+ldpc:mcs=28"),
        ("avif+ldpc:mcs=", ConfigError, "unknown channel code"),
        ("avif+ldpc:mcs=1", ConfigError, r"unknown channel code '\+ldpc:mcs=1'"),
        ("avif+ldpc:mcs=99", ConfigError, "unknown channel code"),
        ("avif+ldpc:worst", ConfigError, "unknown channel code"),
        ("avif+ldpc:best,", ConfigError, "unknown channel code"),
        ("avif+ideal:best", ConfigError, "unknown channel code"),
    ],
)
def test_what_no_name_specifies_is_refused_with_a_hint(name, error, message):
    with pytest.raises(error, match=message):
        parse_coding_spec(name)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.text(max_size=40) | st.text(alphabet="hciavf+@:,=ldpcmst0123456789", max_size=30))
def test_any_text_is_a_list_of_codecs_or_refused(text):
    with contextlib.suppress(LinkError):
        for name in split_codec_names(text):
            assert parse_coding_spec(name).name == name
