"""Codecs that a sweep cannot send."""

import pytest

from semlink.pipeline.coding_spec import parse_coding_spec
from semlink.sweep.plan import check_sweepable
from shared.errors import ConfigError


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hci+ideal", r"write hci\+ldpc:best"),
        ("autoencoder", "makes no file to send"),
        ("vvc", "makes no file to send"),
        ("hci@real-esrgan", "for semlink evaluate only"),
    ],
)
def test_a_codec_that_cannot_be_sent_over_a_channel_is_refused(name, message):
    with pytest.raises(ConfigError, match=message):
        check_sweepable(parse_coding_spec(name))
