"""A codec as one caller wants it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.codecs.changes import changed
from shared.codecs.gsc import GSC
from shared.codecs.hci import HCI
from shared.codecs.mtgc import MTGC
from shared.errors import ConfigError


def test_a_changed_copy_differs_in_what_was_asked_for_alone():
    few = changed(MTGC, {"tokens": 8})
    assert few == MTGC.model_copy(update={"tokens": 8})
    assert MTGC.tokens == 16
    assert changed(GSC, {"planes": 1}).planes == 1
    assert changed(HCI, {}) is HCI


@pytest.mark.parametrize(
    ("codec", "name", "offered"), [(MTGC, "tokens", range(8, 65)), (GSC, "planes", (1, 2, 4, 8, 16))]
)
@given(value=st.integers())
def test_any_number_is_kept_or_refused_by_name_and_value(codec, name, offered, value):
    if value in offered:
        assert getattr(changed(codec, {name: value}), name) == value
    else:
        with pytest.raises(ConfigError, match=f"^{name} = {value}"[:20]):
            changed(codec, {name: value})


def test_a_stream_that_the_codec_does_not_send_is_refused_with_codecs_that_do():
    with pytest.raises(ConfigError, match=r"^planes = 4: codec 'mtgc' sends no planes .*\(gsc, layered, adaptive\)$"):
        changed(MTGC, {"planes": 4})
    with pytest.raises(ConfigError, match=r"^tokens = 8: codec 'gsc' sends no tokens; .*\(mtgc, sdgic\)$"):
        changed(GSC, {"tokens": 8})
