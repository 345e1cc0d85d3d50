"""Settings of a sweep: files, flags, and the message for each mistake."""

import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from semlink.sweep.settings import Sweep, load_sweep, parse_bytes, parse_changes, parse_stop
from shared.errors import ConfigError, InputError, LinkError
from shared.validation import validate
from shared.yaml_text import yaml_mapping

FILE = """
pictures: [a.png, b]
codecs: [hci@hci, avif+ldpc:mcs=8]
channels: awgn
snr_db: {from: -4, to: 4, step: 2}
channel_uses: 6000
seeds: 3
stop: {measure: psnr_db, half_width: 0.2}
"""


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "sweep.yaml"
        path.write_text(text)
        return path

    return write


def test_a_file_becomes_a_grid(written):
    sweep = load_sweep(written(FILE), {})
    assert sweep.snr_db == (-4, -2, 0, 2, 4)
    assert sweep.seeds == (0, 1, 2)
    assert sweep.channels == ("awgn",)
    assert sweep.rates == (("channel_uses", 6000),)


def test_flags_override_the_file(written):
    sweep = load_sweep(written(FILE), {"snr_db": "1,2.5", "cbr": "0.01", "seeds": "4,9,11", "codecs": None})
    assert sweep.snr_db == (1, 2.5)
    assert sweep.rates == (("cbr", 0.01),)
    assert sweep.seeds == (4, 9, 11)
    assert sweep.codecs == ("hci@hci", "avif+ldpc:mcs=8")


def test_bytes_are_given_as_in_an_evaluation():
    def rates(text):
        return load_sweep(None, {"pictures": ["a"], **parse_bytes(text)}).rates

    assert rates("800,0.02bpp, 0.03bpp") == (("max_bytes", 800), ("bpp", 0.02), ("bpp", 0.03))
    assert rates("0.02:0.04:0.01bpp") == (("bpp", 0.02), ("bpp", 0.03), ("bpp", 0.04))
    assert rates("0") == (("max_bytes", 0),)
    for text, words in (
        ("0bpp", r"bpp\.0 = 0"),
        ("xbpp", "--bytes xbpp: give bytes or bits per pixel"),
        ("0.02bpp,0.02bpp", "bpp holds 0.02 twice"),
    ):
        with pytest.raises(ConfigError, match=words):
            rates(text)


def test_options_of_a_codec_keep_their_commas():
    sweep = load_sweep(None, {"pictures": ["a"], "codecs": "hci@pocket:steps=1,fidelity=0,jpeg2000+ldpc:mcs=4"})
    assert sweep.codecs == ("hci@pocket:steps=1,fidelity=0", "jpeg2000+ldpc:mcs=4")


def test_the_yaml_of_a_sweep_reads_back_as_the_same_sweep(written):
    sweep = load_sweep(written(FILE), {"set": parse_changes(["propagation.speed_m_s=30"])})
    assert validate(Sweep, yaml_mapping(sweep.to_yaml(), "it")) == sweep


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("pictures:", "picture:", r"sweep.yaml: picture = .*: unknown setting; did you mean pictures\?"),
        ("snr_db:", "snr:", r"sweep.yaml: snr = .*: unknown setting; did you mean snr_db\?"),
        ("half_width:", "width:", r"stop.width = 0.2: unknown setting; did you mean stop.half_width\?"),
        ("step: 2", "step: -2", r"sweep.yaml: snr_db = .*does not end: give a step towards its end"),
        ("seeds: 3", "seeds: 0", r"seeds = 0: 0 seeds: give 1 to 10000"),
        ("channel_uses: 6000", "channel_uses: none", r"channel_uses = .none.: 'none' is not a number"),
        (
            "channel_uses: 6000",
            "channel_uses: [1]\ncbr: [1]",
            r"channel_uses and cbr are given, .* keep one",
        ),
        ("seeds: 3", "seeds: [1, 1, 2]", r"seeds holds 1 twice"),
        ("seeds: 3", "seeds: 2", r"stop.min_seeds = 3 is more than the 2 seeds"),
        ("measure: psnr_db", "measure: dists", r"is not measured: add it to measures"),
        ("measure: psnr_db", "measure: psnr", r"stop.measure = 'psnr': input should be 'psnr_db', .* or 'bler'"),
        ("pictures: [a.png, b]", "pictures: [a.png", r"is not valid"),
        ("pictures: [a.png, b]", "", r"sweep.yaml: pictures is missing: name files or folders of pictures"),
        ("stop: {measure: psnr_db, half_width: 0.2}", "stop: 3", r"stop = 3: must be a mapping of named settings"),
    ],
)
def test_a_mistake_is_reported_in_one_line_with_its_setting(written, old, new, message):
    with pytest.raises(ConfigError, match=message) as caught:
        load_sweep(written(FILE.replace(old, new)), {})
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot read"):
        load_sweep(tmp_path / "none.yaml", {})


def test_malformed_flags_are_refused():
    with pytest.raises(ConfigError, match="--stop psnr_db: write MEASURE=WIDTH"):
        parse_stop("psnr_db")
    with pytest.raises(ConfigError, match="--set mcs: write SETTING=VALUE"):
        parse_changes(["mcs"])


ANYTHING = st.sampled_from(
    [
        "",
        "a,b",
        "1:2:0",
        "5:1:1",
        "0:6:2",
        "1,x",
        0,
        -1,
        3.5,
        float("nan"),
        10**30,
        None,
        True,
        [],
        [1, "x"],
        [[]],
        {"from": 1},
    ]
)


@settings(suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy
@given(st.dictionaries(st.sampled_from([*Sweep.model_fields, "snr"]), ANYTHING, max_size=6))
def test_any_values_are_a_sweep_or_refused(values):
    with contextlib.suppress(LinkError):
        assert load_sweep(None, values).pictures
