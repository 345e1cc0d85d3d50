"""The captioner's recipe on a handful of pictures, and the scores against examples worked by hand."""

from __future__ import annotations

import io
import json
import math
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import safetensors.torch
import torch
from PIL import Image

from sender.extractors.caption_network import MAX_WORDS, START, VOCABULARY
from sender.extractors.captioner import caption_network
from sender.extractors.features import FEATURE_CHANNELS, PLACES
from shared.caption.coder import caption_coder
from shared.caption.ngram import END, ESCAPE, FIRST
from shared.errors import SetupError
from training.caption.pictures import Captioned, compute_features, read_captioned
from training.caption.recipe import IGNORED, CaptionerRecipe, export, to_symbols
from training.caption.scores import bleu, cider, split_words
from training.loop import Plan, train


def picture(seed, captions):
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (40, 30, 3), np.uint8)).save(file, "PNG")
    return Captioned(file.getvalue(), tuple(captions))


@pytest.fixture(scope="module")
def pictures():
    sentences = ["A dog runs.", "A dog runs in the grass .", "two dogs", "A quokka sleeps .", "a man , wet"]
    return [picture(seed, sentences[: 1 + seed % 5]) for seed in range(8)]


@pytest.fixture(scope="module")
def features(pictures):
    return np.random.default_rng(0).random((len(pictures), PLACES, FEATURE_CHANNELS)).astype(np.float16)


def recipe(pictures, features):
    torch.manual_seed(0)
    return CaptionerRecipe((pictures, features), (pictures[:2], features[:2]))


def test_killed_and_resumed_run_takes_the_same_steps(pictures, features, tmp_path):
    plan = Plan(steps=3, batch=2, rate=1e-2, precision="no", sample_every=100, log_every=1)
    whole = train(recipe(pictures, features), plan, tmp_path / "whole")
    killed = recipe(pictures, features)
    drawn, steps = killed.batch, iter(range(2))

    def interrupted(*draw):
        if next(steps, None) is None:
            raise KeyboardInterrupt
        return drawn(*draw)

    killed.batch = interrupted
    with pytest.raises(KeyboardInterrupt):
        train(killed, replace(plan, save_every_s=0.0), tmp_path / "captioner")
    resumed = train(recipe(pictures, features), plan, tmp_path / "captioner", resume=True)
    for ours, theirs in zip(resumed.parameters(), whole.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    rows = [json.loads(line) for line in (tmp_path / "captioner" / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2, 3, 3]
    assert {"bleu4", "cider", "bytes"} < set(rows[-1]["validation"])
    assert (tmp_path / "captioner" / "samples-000003.png").stat().st_size > 1000

    export(tmp_path, tmp_path / "models")
    path = tmp_path / "models" / "captioner.safetensors"
    assert all(tensor.dtype == torch.float16 for tensor in safetensors.torch.load_file(path).values())
    assert torch.allclose(caption_network(path).words, resumed.captioner.words, atol=1e-2)
    assert (tmp_path / "models" / "log-captioner.jsonl").exists()


def test_batch_asks_for_the_next_word(pictures, features):
    batch = recipe(pictures, features).batch(np.random.default_rng(3), 4, 0)
    symbols, targets = batch["symbols"], batch["targets"]
    assert batch["features"].shape == (4, 48, FEATURE_CHANNELS)
    assert symbols.shape == targets.shape
    assert symbols.shape[:2] == (4, 5)
    assert (symbols[..., 0] == START).all()
    assert ((targets == END).sum(-1) == 1).all()
    shown = (symbols[..., 1:] != ESCAPE) & (targets[..., :-1] != IGNORED) & (targets[..., :-1] != END)
    assert shown.any()
    assert (symbols[..., 1:][shown] == targets[..., :-1][shown]).all()
    assert not (targets == ESCAPE).any()


def test_batches_repeat_by_their_seed(pictures, features):
    one, two = (recipe(pictures, features).batch(np.random.default_rng(5), 3, 0) for _ in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_long_captions_give_their_beginning(features):
    long = [picture(0, ["a dog " * 20])] * 8
    batch = recipe(long, features).batch(np.random.default_rng(1), 2, 0)
    assert batch["symbols"].shape[2] == MAX_WORDS + 1
    assert not (batch["targets"] == END).any()


def test_loss_falls_on_what_is_repeated(pictures, features):
    task = recipe(pictures[:1], features[:1])
    optimiser = torch.optim.Adam(task.network.parameters(), 1e-3)
    losses = []
    for _ in range(12):
        measures = task.network(task.batch(np.random.default_rng(0), 1, 0))
        optimiser.zero_grad()
        measures["loss"].backward()
        optimiser.step()
        losses.append(float(measures["nats_per_word"].detach()))
    assert losses[-1] < 0.7 * losses[0]


def test_symbols_are_the_coders():
    words = caption_coder().words
    rare = words[VOCABULARY]
    assert to_symbols(picture(0, [f"A {words[5]}, {rare} zyzzyva.", ""])) == [
        [FIRST + words.index("a"), FIRST + 5, FIRST + words.index(","), ESCAPE, ESCAPE]
    ]


def test_captioned_pictures_and_features_of_a_parquet_file(tmp_path, pictures):
    rows = [{"image": p.image, "captions": list(p.captions)} for p in pictures[:2]]
    rows.append({"image": pictures[2].image, "captions": []})
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "train-0.parquet")
    found = read_captioned(tmp_path, "train-*.parquet")
    assert [p.captions for p in found] == [p.captions for p in pictures[:2]]
    maps = compute_features(found, tmp_path / "runs" / "features.npy")
    assert maps.shape == (2, PLACES, FEATURE_CHANNELS)
    assert (np.abs(maps).max(axis=(1, 2)) > 0).all()
    (tmp_path / "runs" / "features.done").write_text("1")
    maps[1] = 0
    maps.flush()
    assert np.abs(compute_features(found, tmp_path / "runs" / "features.npy")[1]).max() > 0  # goes on where it was


def test_no_captions_name_the_fix(tmp_path):
    with pytest.raises(SetupError, match="--data"):
        read_captioned(tmp_path, "train-*.parquet")


def test_words_are_compared_without_case_and_punctuation():
    assert split_words('A dog , "wet" , runs .') == ["a", "dog", "wet", "runs"]


def test_bleu_clips_repeated_words():
    """The example of Papineni et al. 2002, section 2.1: modified precision 2/7."""
    references = [["the cat is on the mat", "there is a cat on the mat"]]
    assert bleu(["the the the the the the the"], references, order=1) == pytest.approx(2 / 7)


def test_bleu4_worked_by_hand():
    references = [["A dog runs through the grass ."]]
    # 6 of 7 words, 4 of 6 pairs, 3 of 5 triples, 2 of 4 fours; longer than the reference, so no penalty.
    expected = (6 / 7 * 4 / 6 * 3 / 5 * 2 / 4) ** 0.25
    assert bleu(["a dog runs through the tall grass"], references) == pytest.approx(expected)
    # All match; 4 words where the reference has 6.
    assert bleu(["a dog runs through"], references) == pytest.approx(math.exp(1 - 6 / 4))
    assert bleu(["cats"], references) == 0


def test_cider_worked_by_hand():
    references = [["red ball"], ["cat"]]
    # Every n-gram is in one of two pictures. Single words and the pair are equal; there are no triples and fours.
    assert cider(["red ball", "dog"], references) == pytest.approx(10 * (2 / 4) / 2)
    # Words (2, 1) against (1, 1), clipped: 2 / (√5 √2). Pairs: one of two: 1 / √2. One word too long: exp(-1/72).
    longer = (2 / math.sqrt(10) + 1 / math.sqrt(2)) / 4 * math.exp(-1 / 72)
    assert cider(["red ball red", "dog"], references) == pytest.approx(10 * longer / 2)
