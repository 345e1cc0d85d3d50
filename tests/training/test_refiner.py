"""The refiner's network and the first codes, on tiny networks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from shared.errors import SetupError
from tests.training.tiny_refiner import make_refiner

pytestmark = pytest.mark.filterwarnings("ignore")  # accelerate's and diffusers' own
SIDE, TEXT = 224, 384


def refine(refiner, restored, codes, seed=0, steps=1):
    from training.pocket.refiner import refine_crop

    return refine_crop(refiner, restored, codes, seed, steps)


def test_an_untrained_refiner_leaves_the_restored_picture_as_it_is():
    restored = torch.rand(1, 3, 64, 96)
    codes = torch.randint(0, 32, (1, 2, 3))
    assert torch.equal(refine(make_refiner(), restored, codes, steps=4), restored)


def test_the_refiner_costs_at_most_200_thousand_products_per_pixel():
    from torch.utils.flop_counter import FlopCounterMode

    from receiver.pocket.refiner import Refiner

    with torch.device("meta"):
        refiner, restored = Refiner(), torch.rand(1, 3, 64, 64)
        from training.pocket.refiner import null_prompt, places_of

        places = refiner.places(places_of(torch.zeros(1, 2, 2, dtype=torch.int64), restored))
        with FlopCounterMode(display=False) as counter:
            refiner(restored, restored, torch.ones(1), *null_prompt(restored), places)
    assert counter.get_total_flops() / 2 / 64**2 < 200e3


def test_tiles_agree_because_nothing_depends_on_the_whole_picture():
    refiner = make_refiner(random=True)
    restored = torch.rand(1, 3, 32, 1024)
    codes = torch.randint(0, 32, (1, 1, 32))
    other = restored.clone()
    other[..., 768:] = 0
    same, changed = (refine(refiner, picture, codes) for picture in (restored, other))
    assert (same - changed)[..., :256].abs().max() < 1e-4
    assert (same - changed)[..., 768:].abs().max() > 1e-2


def test_a_code_acts_near_its_place_and_a_lost_one_not_at_all():
    refiner = make_refiner(random=True)
    restored = torch.full((1, 3, 32, 1024), 0.5)
    codes = torch.zeros(1, 1, 32, dtype=torch.int64)
    moved = codes.clone()
    moved[..., 31] = 9
    before, after = (refine(refiner, restored, one) for one in (codes, moved))
    assert (before - after)[..., 992:].abs().max() > 1e-3
    assert (before - after)[..., :256].abs().max() < 1e-5  # rounding
    assert not torch.equal(before, refine(refiner, restored, torch.full_like(codes, -1)))


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_steps_lead_to_the_picture_that_the_network_predicts(steps, monkeypatch):
    refiner, picture = make_refiner(), torch.rand(1, 3, 32, 32)
    times = []

    def predict(_state, _restored, time, *_):
        times.append(float(time))
        return picture

    monkeypatch.setattr(refiner, "forward", predict)
    found = refine(refiner, torch.rand(1, 3, 32, 32), torch.zeros(1, 1, 1, dtype=torch.int64), steps=steps)
    assert torch.allclose(found, picture)
    assert times == [step / steps for step in range(steps, 0, -1)]


def test_codes_are_the_nearest_clusters(tmp_path):
    from receiver.pocket.texture_codes import Codebook
    from training.pocket.codebook import entropy_bits, fit_codebook

    rng = np.random.default_rng(0)
    centres = rng.standard_normal((32, 40)) * 10
    labels = rng.integers(32, size=4000)
    differences = (centres[labels] + rng.standard_normal((4000, 40)) * 0.1).astype(np.float32)
    fit_codebook(differences).save(tmp_path / "codebook.npz")
    codes = Codebook.load(tmp_path / "codebook.npz").assign(differences.reshape(400, 10, 40))
    assert codes.shape == (400, 10)
    mixed = [len(np.unique(labels[codes.ravel() == code])) for code in np.unique(codes)]
    assert np.mean(np.array(mixed) == 1) > 0.8
    assert 4.5 < entropy_bits(codes) <= 5
    with pytest.raises(SetupError, match="holds no codebook"):
        Codebook.load(tmp_path / "missing.npz")


def test_restored_pictures_and_codes_are_made_once(tmp_path):
    from receiver.pocket.rrdbnet import RRDBNet
    from training.pocket.pairs import Pairs
    from training.pocket.restored import prepare_restored

    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 255, (3, SIDE, SIDE, 3), dtype=np.uint8)
    quarters = np.stack([np.asarray(Image.fromarray(one).resize((56, 56))) for one in pictures])
    made = Pairs(pictures, quarters, ("",) * 3)
    restorer = RRDBNet(8, 4, 1)
    restored, codes = prepare_restored(restorer, made, tmp_path, tmp_path / "codebook.npz")
    assert restored.shape == pictures.shape
    assert codes.shape == (3, 7, 7)
    assert len(np.unique(codes)) > 1
    column = np.load(tmp_path / "restored.npy", mmap_mode="r+")
    column[0] = 7
    column.flush()
    again, _ = prepare_restored(restorer, made, tmp_path, tmp_path / "codebook.npz")
    assert again[0].min() == again[0].max() == 7
