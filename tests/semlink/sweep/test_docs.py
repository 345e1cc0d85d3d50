"""docs/sweep.md: its queries run, and it names every column and setting."""

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
def answers(sweep_folder):
    queries = re.findall(r"```sql\n(.*?)```", DOCS, re.DOTALL)
    assert len(queries) == 3
    found = [query.replace("out/sweep/rows", str(rows_folder(sweep_folder))) for query in queries]
    with duckdb.connect() as connection:
        return [connection.execute(query).fetchall() for query in found]


def test_the_queries_return_what_the_document_promises(answers, sweep_folder):
    rows = read_rows([sweep_folder])
    best, endings, thresholds = answers
    assert [(channel, snr, codec) for channel, snr, codec, _ in best] == [
        ("rayleigh", snr, "hci-learned@hci") for snr in (-3, 0, 3, 9)
    ]
    assert best[0][3] == pytest.approx(sum(row["psnr_db"] for row in rows if row["snr_db"] == -3) / 10)
    ((codec, channel, rebuilt, invented, uses),) = endings
    rebuilt_rows = sum(row["ending"] == "rebuilt" for row in rows)
    assert (codec, channel, invented) == ("hci-learned@hci", "rayleigh", 0)
    assert rebuilt == pytest.approx(rebuilt_rows / 40)
    assert uses == pytest.approx(sum(row["channel_uses"] for row in rows) / rebuilt_rows)
    lossless = {row["snr_db"] for row in rows} - {row["snr_db"] for row in rows if row["packets"] > row["delivered"]}
    assert len(thresholds) == (1 if 9 in lossless else 0)


def test_every_column_and_setting_is_documented():
    named = set(re.findall(r"`([a-z0-9_]+)`", DOCS))
    measures = {"ms_ssim", *PERCEPTUAL}
    assert set(make_schema().names) - named <= measures
    assert set(Sweep.model_fields) <= named


def test_the_example_is_a_valid_sweep():
    sweep = load_sweep(ROOT / "docs" / "examples" / "sweep.yaml", {})
    assert len(sweep.snr_db) == 9
    assert len(sweep.codecs) * len(sweep.channels) * len(sweep.seeds) * 6 * 9 == 2916
