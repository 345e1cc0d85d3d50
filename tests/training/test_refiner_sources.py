"""What is cached for the refiner's pairs, with a tiny restorer and the synthesis that ships."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from tests.training.tiny_refiner import make_refiner

pytestmark = pytest.mark.filterwarnings("ignore")  # diffusers' own


def make_stream_source():
    """Return a source of random streams in the place of the sender's extractors, which take long to load."""
    from training.pocket.precomputed import Source

    def make(pairs, first):
        count, rng = len(pairs), np.random.default_rng(first)
        return {
            "caption": rng.standard_normal((count, 24, 384)).astype(np.float16),
            "captioned": np.ones((count, 24), np.uint8),
            "latent": rng.integers(-4, 5, (count, 32, 14, 14)).astype(np.float16) / 4,
            "region": rng.standard_normal((count, 3, 384)).astype(np.float16),
            "region_mask": np.ones((count, 3, 8, 8), np.uint8),
            "pseudo_words": rng.standard_normal((count, 64, 3)).astype(np.float16),
        }

    return Source("streams", "1", make)


@pytest.fixture(scope="module")
def networks():
    from receiver.pocket.fallback import FallbackSynthesis
    from receiver.pocket.networks import PocketNetworks
    from receiver.pocket.prompt import PromptEmbedding
    from receiver.pocket.rrdbnet import RRDBNet
    from receiver.pocket.synthesis import load_synthesis

    torch.manual_seed(0)
    return PocketNetworks(RRDBNet(8, 4, 1), make_refiner(), PromptEmbedding(), FallbackSynthesis(), load_synthesis())


def make_coded_pairs(count):
    from training.pocket.pairs import Pairs

    pictures = np.random.default_rng(0).integers(0, 255, (5, 224, 224, 3), dtype=np.uint8)[:count]
    quarters = np.stack([np.asarray(Image.fromarray(one).resize((56, 56))) for one in pictures])
    return Pairs(pictures, quarters, ("",) * count)


def test_rows_stay_when_the_count_grows_and_belong_to_their_pairs(networks, tmp_path):
    from training.pocket.refiner_sources import prepare_refiner_pairs

    def prepare(count):
        source = make_stream_source()
        return prepare_refiner_pairs(
            networks, [source], make_coded_pairs(count), tmp_path, tmp_path / "codebook.npz", 2
        )

    few = prepare(3)
    assert [list(few.rows_of(start)) for start in ("fallback", "sliced")] == [[0, 2], [1]]
    assert (len(few.fallback), len(few.sliced)) == (2, 1)
    before = {name: np.array(getattr(few, name)) for name in ("restored", "sliced", "fallback", "layout", "rank")}
    many = prepare(5)
    assert (len(many), len(many.fallback), len(many.sliced)) == (5, 3, 2)
    for name, rows in before.items():
        assert np.array_equal(getattr(many, name)[: len(rows)], rows), name
    assert sorted(many.rank[0]) == list(range(32))
    assert many.fallback_channels.any(1).all()
    lost = many.sliced_received == 0
    assert lost.any()
    assert not lost.all()


def test_lost_slices_are_filled_without_a_look_at_them(networks):
    from training.pocket.pairs import Pairs
    from training.pocket.refiner_sources import _make_slices_source

    pairs = make_coded_pairs(2)
    source = _make_slices_source(networks)
    made = source.make(pairs, 0)
    lost = made["sliced_received"] == 0
    other = Pairs(pairs.pictures, np.where(lost[..., None], 255 - pairs.quarters, pairs.quarters), pairs.captions)
    again = source.make(other, 0)
    assert np.array_equal(again["sliced"], made["sliced"])
    assert np.array_equal(again["sliced_received"], made["sliced_received"])
