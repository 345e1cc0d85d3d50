"""The queries in docs/sweep.md answer what they say."""

import re
from pathlib import Path

import duckdb
import pytest

from receiver.metrics.names import PERCEPTUAL
from semlink.sweep.settings import Sweep, load_sweep
from semlink.sweep.store import make_schema, read_rows, rows_folder

ROOT = Path(__file__).parents[3]
DOCS = (ROOT / "docs" / "sweep.md").read_text()


@pytest.fixture
def answers(swept):
    queries = re.findall(r"```sql\n(.*?)```", DOCS, re.DOTALL)
    assert len(queries) == 3
    found = [query.replace("out/sweep/rows", str(rows_folder(swept))) for query in queries]
    with duckdb.connect() as connection:
        return [connection.execute(query).fetchall() for query in found]


def test_the_three_queries_answer(answers, swept):
    rows = read_rows([swept])
    best, endings, thresholds = answers
    assert [(channel, snr, codec) for channel, snr, codec, _ in best] == [
        ("rayleigh", snr, "hci@hci") for snr in (-3, 0, 3, 9)
    ]
    assert best[0][3] == pytest.approx(sum(row["psnr_db"] for row in rows if row["snr_db"] == -3) / 10)
    ((codec, channel, rebuilt, invented, uses),) = endings
    whole = sum(row["ending"] == "rebuilt" for row in rows)
    assert (codec, channel, invented) == ("hci@hci", "rayleigh", 0)
    assert rebuilt == pytest.approx(whole / 40)
    assert uses == pytest.approx(sum(row["channel_uses"] for row in rows) / whole)
    lossless = {row["snr_db"] for row in rows} - {row["snr_db"] for row in rows if row["packets"] > row["delivered"]}
    assert len(thresholds) == (1 if 9 in lossless else 0)


def test_every_column_and_setting_is_told():
    named = set(re.findall(r"`([a-z0-9_]+)`", DOCS))
    measures = {"ms_ssim", *PERCEPTUAL}
    assert set(make_schema().names) - named <= measures
    assert set(Sweep.model_fields) <= named


def test_the_example_is_a_sweep():
    sweep = load_sweep(ROOT / "docs" / "examples" / "sweep.yaml", {})
    assert len(sweep.snr_db) == 9
    assert len(sweep.codecs) * len(sweep.channels) * len(sweep.seeds) * 6 * 9 == 2916
