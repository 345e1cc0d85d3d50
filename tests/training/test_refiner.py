"""The refiner's network, the first codes and the recipe, on tiny networks."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image

from shared.errors import SetupError

pytestmark = pytest.mark.filterwarnings("ignore")  # accelerate's and diffusers' own
SIDE, TEXT = 224, 384


def make_refiner(*, random=False):
    from receiver.pocket.refiner import Refiner

    torch.manual_seed(0)
    refiner = Refiner((32, 32, 32))
    if random:
        with torch.no_grad():
            for parameter in refiner.parameters():
                if not parameter.any():
                    parameter.normal_(0, 0.05)
    return refiner


def refine(refiner, restored, codes, seed=0, steps=1):
    from training.pocket.refiner import refine_crop

    return refine_crop(refiner, restored, codes, seed, steps)


@pytest.fixture(scope="module")
def pairs():
    """Pictures that are as bright as their codes say, restored as an even grey with a little texture."""
    from training.pocket.restored import RestoredPairs

    rng = np.random.default_rng(0)
    codes = rng.choice(np.array([4, 20], np.uint8), size=(4, 7, 7))
    light = np.kron(codes, np.ones((32, 32), np.uint8))[..., None].repeat(3, 3) * 10
    restored = rng.integers(110, 130, light.shape, dtype=np.uint8)
    return RestoredPairs(light, restored, codes)


def test_an_untrained_refiner_leaves_the_restored_picture_as_it_is():
    restored = torch.rand(1, 3, 64, 96)
    codes = torch.randint(0, 32, (1, 2, 3))
    assert torch.equal(refine(make_refiner(), restored, codes, steps=4), restored)


def test_the_refiner_costs_100_to_200_thousand_products_per_pixel_at_most():
    from torch.utils.flop_counter import FlopCounterMode

    from receiver.pocket.refiner import Refiner

    with torch.device("meta"):
        refiner, restored = Refiner(), torch.rand(1, 3, 64, 64)
        from training.pocket.refiner import null_prompt, places_of

        control = refiner.control_image(places_of(torch.zeros(1, 2, 2, dtype=torch.int64), restored))
        with FlopCounterMode(display=False) as counter:
            refiner(restored, restored, torch.ones(1), *null_prompt(restored), control)
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
    from training.pocket.residual_codes import Codebook, entropy_bits, fit_codebook

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


def test_restored_pairs_and_codes_are_made_once_and_agree_with_their_crops(tmp_path):
    from receiver.pocket.rrdbnet import RRDBNet
    from training.pocket.pairs import Pairs
    from training.pocket.restored import prepare_restored

    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 255, (3, SIDE, SIDE, 3), dtype=np.uint8)
    quarters = np.stack([np.asarray(Image.fromarray(one).resize((56, 56))) for one in pictures])
    made = Pairs(pictures, quarters, ("",) * 3)
    first = prepare_restored(RRDBNet(8, 4, 1), made, tmp_path, 3, tmp_path / "codebook.npz")
    assert first.restored.shape == pictures.shape
    assert first.codes.shape == (3, 7, 7)
    assert len(np.unique(first.codes)) > 1
    crops = first.draw(np.random.default_rng(3), 8, 64)
    whole = [first.whole(index) for index in range(3)]
    for picture, codes in zip(crops["picture"], crops["codes"], strict=True):
        places = [
            (turned, index, top, left)
            for index in range(3)
            for turned in (False, True)
            for top in range(6)
            for left in range(6)
            if torch.equal(
                picture.flip(2) if turned else picture,
                whole[index]["picture"][0, :, 32 * top : 32 * top + 64, 32 * left : 32 * left + 64],
            )
        ]
        turned, index, top, left = places[0]
        expected = whole[index]["codes"][0, top : top + 2, left : left + 2]
        assert torch.equal(codes.flip(1) if turned else codes, expected)


def test_training_learns_to_read_the_codes(pairs, tmp_path):
    from training.loop import Plan, train
    from training.pocket.refiner import RefinerRecipe
    from training.pocket.restored import RestoredPairs

    held_out = RestoredPairs(pairs.picture[:1], pairs.restored[:1], pairs.codes[:1])
    recipe = RefinerRecipe(pairs, held_out, make_refiner())
    plan = Plan(steps=40, batch=4, side=32, rate=3e-3, ema_decay=0.7, log_every=10, sample_every=40, precision="no")
    train(recipe, plan, tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    measures = rows[-1]["validation"]
    assert measures["psnr_db"] > measures["bare_psnr_db"] + 3
    assert measures["psnr_db"] > measures["restored_psnr_db"] + 3
    with Image.open(tmp_path / "samples-000040.png") as grid:
        assert grid.size == (4 * SIDE, SIDE)
