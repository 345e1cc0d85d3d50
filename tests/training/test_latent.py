"""The latent stream's recipe on synthetic channels and pictures."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch

from shared.latent.coder import decode_latent, encode_latent
from shared.latent.layout import LATENT_CHANNELS
from shared.latent.tables import build_tables

pytestmark = pytest.mark.filterwarnings("ignore")  # compressai's and torchvision's own


@pytest.fixture(scope="module")
def latents():
    """Smooth channels, later ones copies of earlier ones with noise."""
    from training.latent.tables import Latents

    rng = np.random.default_rng(0)
    row, column = np.mgrid[0:10, 0:12]
    slopes = rng.uniform(-0.4, 0.4, (24, 1, 1, 1, 2))
    base = 2.5 * np.sin(slopes[..., 0] * row + slopes[..., 1] * column)
    channels = np.rint(base + 0.3 * rng.normal(size=(24, LATENT_CHANNELS, 10, 12))).astype(np.int64)
    kept = (rng.random((24, LATENT_CHANNELS)) < 0.2).astype(np.int64)
    kept[:, 4] = 1
    return Latents(channels, kept)


@pytest.fixture(scope="module")
def trained(latents):
    from training.latent.tables import make_integer_tables, train_contexts

    model, history = train_contexts([latents], 40, seed=1, batch=3)
    return history, make_integer_tables(model, [latents])


def test_contexts_learn_and_beat_order_0(latents, trained):
    from training.latent.tables import measure_order0_bits, measure_table_bits

    history, tables = trained
    assert np.mean(history[-5:]) < 0.9 * np.mean(history[:5])
    assert measure_table_bits(tables, latents) < 0.9 * measure_order0_bits(latents)


def test_the_coder_takes_what_the_tables_promise(latents, trained):
    from training.latent.tables import Latents, measure_table_bits

    tables = build_tables(trained[1])
    values, ids = latents.values[0], np.flatnonzero(latents.kept[0])
    payload = encode_latent(values, ids, tables)
    assert np.array_equal(decode_latent(payload, 12 * 16, 10 * 16, tables).values, values[ids])
    promised_bits = measure_table_bits(trained[1], Latents(latents.values[:1], latents.kept[:1])) * values[ids].size
    # Which channels there are costs a few bytes more, which the tables' bits leave out.
    assert promised_bits / 8 <= len(payload) <= promised_bits / 8 + 6


def test_training_lowers_the_loss():
    from training.latent.codec import Codec

    torch.manual_seed(0)
    codec = Codec()
    rows = torch.linalg.qr(torch.randn(768, 768)).Q
    codec.start(rows[:LATENT_CHANNELS], torch.full((LATENT_CHANNELS,), 2.0))
    optimiser = torch.optim.AdamW(codec.parameters(), 1e-3)
    ramp = torch.arange(64) * 3
    picture = torch.stack([ramp[:, None].expand(64, 64), ramp.expand(64, 64), 200 - ramp.expand(64, 64)], -1)
    batch = {
        "picture": picture.byte()[None].expand(4, -1, -1, -1),
        "noise": torch.rand(4, LATENT_CHANNELS, 4, 4) - 0.5,
        "dice": torch.rand(4, LATENT_CHANNELS),
        "count": torch.tensor([1, 4, 8, 16]),
        "by_rule": torch.tensor([True, True, False, False]),
    }
    losses = []
    for _ in range(12):
        loss = codec(batch)["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.9 * losses[0]


def test_saved_weights_come_back(tmp_path):
    from sender.extractors.latent import WEIGHTS_NAME, load_analysis
    from shared.errors import SetupError
    from training.latent.codec import Codec, load_shipped_codec
    from training.latent.export import save_halves

    with pytest.raises(SetupError, match="--start"):
        load_shipped_codec(tmp_path)
    codec = Codec()
    save_halves(dict(codec.named_parameters()), tmp_path)
    again = load_shipped_codec(tmp_path)
    for (name, value), other in zip(codec.named_parameters(), again.parameters(), strict=True):
        if name != "prior.quantiles":
            torch.testing.assert_close(other, value, rtol=1e-3, atol=1e-4)
    analysis = load_analysis(tmp_path / WEIGHTS_NAME)
    torch.testing.assert_close(analysis.blocks.weight, again.analysis.blocks.weight)


def test_kept_channels_are_as_many_as_asked_and_the_best_by_rule():
    from training.channel_dropout import draw_channel_mask

    ramp = torch.linspace(0, 1, 64)
    picture = (ramp[:, None] * ramp).expand(2, 3, 64, 64)
    channels = torch.randn(2, LATENT_CHANNELS, 4, 4, generator=torch.Generator().manual_seed(1))
    channels[0, 11] = -torch.nn.functional.avg_pool2d(picture[:1].mean(1, keepdim=True), 16)[0, 0]
    dice = torch.linspace(0, 1, LATENT_CHANNELS).expand(2, -1)
    batch = {"count": torch.tensor([1, 3]), "by_rule": torch.tensor([True, False]), "dice": dice}
    kept = draw_channel_mask(channels, picture, batch)
    assert kept[0].nonzero().flatten().tolist() == [11]
    assert kept[1].nonzero().flatten().tolist() == [29, 30, 31]
    assert float(dice[0, 0]) == 0


def test_crops_leave_out_what_is_held_out(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq
    from PIL import Image

    from shared.errors import SetupError
    from training.data import BSDS500_FILE, BSDS500_SOURCE
    from training.latent.pictures import Crops, load_held_out_pictures

    with pytest.raises(SetupError, match="--data"):
        Crops(tmp_path)
    cells = []
    for level in (20, 200):
        sink = io.BytesIO()
        Image.new("RGB", (100, 80), (level, level, level)).save(sink, "WEBP", lossless=True)
        cells.append(sink.getvalue())
    pq.write_table(pa.table({"image": cells, "source": [BSDS500_SOURCE, "coco2014"]}), tmp_path / BSDS500_FILE)
    crops = Crops(tmp_path).batch(np.random.default_rng(0), 8, 96)
    assert crops.shape == (8, 96, 96, 3)
    assert crops.min() == crops.max() == 200
    assert [int(pixels.max()) for pixels in load_held_out_pictures(tmp_path)] == [20]
