"""The recipe of the learned HCI coder on a tiny network and synthetic thumbnails."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

pytestmark = pytest.mark.filterwarnings("ignore")  # compressai's and torchvision's own


@pytest.fixture
def thumbnails():
    from training.hci_learned.thumbnails import Thumbnails

    rng = np.random.default_rng(0)
    places, parts, offset = [], [], 0
    for height, width in ((64, 80), (70, 64), (40, 90)):
        rows, columns = np.mgrid[0:height, 0:width]
        small = np.stack([np.sin(rows * a + columns * b) * 90 + 128 for a, b in rng.uniform(0.02, 0.4, (3, 2))], -1)
        parts.append(small.astype(np.uint8).ravel())
        places.append((offset, height, width))
        offset += small.size
    return Thumbnails(np.concatenate(parts), np.array(places, np.int64))


def trainer(workers=2):
    from training.hci_learned.network import Widths
    from training.hci_learned.train import Plan, Trainer

    plan = Plan(steps=6, batch=4, side=64, bfloat16=False, workers=workers)
    return Trainer(plan, Widths(quarter=8, eighth=12, latent=16, features=12, hyper=8, anchors=3))


def test_a_killed_run_that_is_resumed_equals_an_uninterrupted_one(thumbnails, tmp_path):
    whole = trainer()
    whole.start(thumbnails)
    losses = [whole.step(thumbnails, done / 6)["loss"] for done in range(6)]
    first = trainer()
    first.start(thumbnails)
    halves = [first.step(thumbnails, done / 6)["loss"] for done in range(3)]
    first.save(tmp_path / "checkpoint.pt")
    second = trainer()
    second.restore(tmp_path / "checkpoint.pt")
    halves += [second.step(thumbnails, done / 6)["loss"] for done in range(3, 6)]
    assert halves == losses
    assert len(set(losses)) == 6


def test_training_lowers_the_loss(thumbnails):
    run = trainer()
    run.start(thumbnails)
    losses = [run.step(thumbnails, 0.0)["loss"] for _ in range(60)]
    assert np.mean(losses[-10:]) < 0.9 * np.mean(losses[:10])


def test_workers_share_one_set_of_weights(thumbnails):
    run = trainer(workers=2)
    run.start(thumbnails)
    run.step(thumbnails, 0.0)
    for mine, shared in zip(run.replicas[0].parameters(), run.network.parameters(), strict=True):
        assert mine.data_ptr() == shared.data_ptr()


def test_train_writes_checkpoint_and_log(thumbnails, tmp_path):
    from training.hci_learned.train import read_checkpoint, train

    train(trainer(), thumbnails, tmp_path, minutes=5)
    assert read_checkpoint(tmp_path / "checkpoint.pt")["steps_done"] == 6
    record = json.loads((tmp_path / "log.jsonl").read_text().splitlines()[-1])
    assert record["step"] == 6
    assert {"loss", "bpp", "psnr_db", "crops_per_s"} <= record.keys()


def test_exported_coder_decodes_close_to_the_float_network(thumbnails, tmp_path):
    from shared.hci.learned import LearnedHciCoder
    from training.hci_learned.export import export, load_network
    from training.hci_learned.train import read_checkpoint

    run = trainer()
    run.start(thumbnails)
    for _ in range(20):
        run.step(thumbnails, 0.0)
    run.save(tmp_path / "checkpoint.pt")
    export(tmp_path / "checkpoint.pt", tmp_path)
    coder = LearnedHciCoder(tmp_path / "weights.safetensors")
    small = thumbnails.crops(np.random.default_rng(5), 1, 64)[0]
    payload, integer_picture = coder.encode_with_picture(small, 31)
    assert np.array_equal(coder.decode(payload, 64, 64, grey=False), integer_picture)
    network = load_network(read_checkpoint(tmp_path / "checkpoint.pt"))
    whole = torch.from_numpy(small).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        output, _, _ = network(whole, torch.ones(1), torch.Generator())
    float_picture = (output[0].permute(1, 2, 0) * 255).round().clamp(0, 255).numpy()

    def psnr_db(picture):
        return 10 * np.log10(255**2 / np.mean((picture.astype(float) - small) ** 2))

    assert abs(psnr_db(integer_picture) - psnr_db(float_picture)) < 0.05


def test_probability_tables_hold_the_gaussians_that_training_assumes():
    from training.compressai_import import GaussianConditional
    from training.hci_learned.export import make_probability_tables
    from training.hci_learned.network import SCALE_MIN, SCALE_STEP

    tables = make_probability_tables()
    gaussian = GaussianConditional(None, scale_bound=SCALE_MIN)
    for level in (0, 20, 63):
        radius = int(tables["radius"][level])
        counts = tables["counts"][level, : 2 * radius + 1].double()
        steps = torch.arange(-radius, radius + 1).float()[None, None]
        scale = torch.full_like(steps, SCALE_MIN * np.exp(level * SCALE_STEP))
        likelihood = gaussian._likelihood(steps, scale)[0, 0].double()
        assert torch.allclose(counts / counts.sum(), likelihood / likelihood.sum(), atol=1e-5)


def test_thumbnails_come_from_parquet_once(tmp_path):
    import io

    import pyarrow as pa
    import pyarrow.parquet as pq
    from PIL import Image

    from shared.errors import SetupError
    from training.hci_learned.thumbnails import REDUCTIONS, prepare_thumbnails

    with pytest.raises(SetupError, match="--data"):
        prepare_thumbnails(tmp_path, tmp_path / "cache")
    sink = io.BytesIO()
    Image.new("RGB", (100, 80), (10, 200, 30)).save(sink, "WEBP", lossless=True)
    pq.write_table(pa.table({"image": [sink.getvalue()]}), tmp_path / "train-0-of-1.parquet")
    thumbnails = prepare_thumbnails(tmp_path, tmp_path / "cache")
    assert [tuple(place[1:]) for place in thumbnails.places] == [(round(80 / f), round(100 / f)) for f in REDUCTIONS]
    (tmp_path / "train-0-of-1.parquet").unlink()
    again = prepare_thumbnails(tmp_path, tmp_path / "cache")
    assert np.array_equal(again.crops(np.random.default_rng(1), 2, 32)[0, 0, 0], (10, 200, 30))


def test_training_goes_on_from_kept_weights(tmp_path, thumbnails):
    from shared.errors import SetupError
    from training.hci_learned.train import keep

    trained = trainer()
    trained.start(thumbnails)
    trained.step(thumbnails, 0.0)
    trained.save(tmp_path / "checkpoint.pt")
    keep(tmp_path / "checkpoint.pt", tmp_path / "start.safetensors")
    fresh = trainer()
    fresh.start_from(tmp_path / "start.safetensors")
    assert (fresh.steps_done, fresh.crops_seen) == (trained.steps_done, trained.crops_seen)
    for kept, mean in zip(fresh.network.parameters(), trained.mean.parameters(), strict=True):
        torch.testing.assert_close(kept, mean, rtol=1e-3, atol=1e-4)
    (tmp_path / "broken.safetensors").write_bytes(b"not weights")
    with pytest.raises(SetupError, match="start anew"):
        trainer().start_from(tmp_path / "broken.safetensors")
