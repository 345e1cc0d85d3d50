"""What a sweep is planned from: codecs that cannot be sent, and folders of pictures."""

import numpy as np
import pytest

from semlink.pipeline.coding_spec import parse_coding_spec
from semlink.sweep.plan import check_sweepable, make_plan
from semlink.sweep.settings import load_sweep
from shared.errors import ConfigError, PictureError
from shared.picture import encode_png


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hci+ideal", r"write hci\+ldpc:best"),
        ("vvc", "makes no file to send"),
        ("hci@real-esrgan", "for semlink evaluate only"),
    ],
)
def test_a_codec_that_cannot_be_sent_over_a_channel_is_refused(name, message):
    with pytest.raises(ConfigError, match=message):
        check_sweepable(parse_coding_spec(name))


def test_a_folder_is_read_as_for_an_evaluation(tmp_path, picture_png):
    for name, data in (("a.png", picture_png), ("b.png", picture_png), ("._a.png", b"mac"), ("c.png", b"no picture")):
        (tmp_path / name).write_bytes(data)
    (tmp_path / "caf\udce9.png").write_bytes(encode_png(np.zeros((64, 64, 3), np.uint8)))
    plan = make_plan(load_sweep(None, {"pictures": [str(tmp_path)], "levels": "0:200"}))
    assert [one.name.rpartition("-")[0] for one in plan.pictures] == ["a", r"caf\xe9"]
    assert list(plan.unreadable) == [str(tmp_path / "c.png")]
    assert plan.notes["same content as a.png, which counts once"] == ["b.png"]
    assert [note for note in plan.notes if note.startswith("8 bit, levels 0:200")]
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "c.png").write_bytes(b"no picture")
    with pytest.raises(PictureError, match=r"no picture can be read; first .*c\.png: this is not a picture"):
        make_plan(load_sweep(None, {"pictures": [str(tmp_path / "bad")]}))
    with pytest.raises(ConfigError, match="give full, auto, or LOW:HIGH"):
        load_sweep(None, {"pictures": ["x"], "levels": "dark"})
