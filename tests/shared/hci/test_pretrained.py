"""The HCI coder ``compressai`` with tiny networks of random weights."""

import contextlib

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.errors import BitstreamError, SetupError
from shared.hci.coder import COMPRESSAI_VARIABLE
from shared.hci.pretrained import CompressAiCoder, import_zoo
from shared.hci.stream import decode_hci, get_coder, hci_candidates, read_params
from training.hub.convert_coder import main


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """Folders of tiny weights of two qualities, by architecture."""
    zoo, root = import_zoo(), tmp_path_factory.mktemp("compressai")
    for name in ("bmshj2018-factorized", "bmshj2018-hyperprior", "mbt2018-mean"):
        for quality in (1, 2):
            with torch.random.fork_rng():
                torch.manual_seed(quality)
                network = zoo.model_architectures[name](8, 12)
            network.g_a[-1].weight.data *= 100  # otherwise all latents round to zero
            network.update()
            (root / name).mkdir(exist_ok=True)
            tensors = {key: value.contiguous() for key, value in network.state_dict().items()}
            safetensors.torch.save_file(tensors, root / name / f"{name}-{quality}.safetensors")
    return root


@pytest.fixture
def coder(weights, monkeypatch):
    monkeypatch.setenv(COMPRESSAI_VARIABLE, str(weights / "bmshj2018-hyperprior"))
    return CompressAiCoder()


@pytest.mark.parametrize("name", ["bmshj2018-factorized", "bmshj2018-hyperprior", "mbt2018-mean"])
@pytest.mark.parametrize("grey", [False, True])
def test_a_receiver_with_the_same_weights_decodes_what_was_coded(name, grey, weights, monkeypatch, synthetic_pixels):
    monkeypatch.setenv(COMPRESSAI_VARIABLE, str(weights / name))
    pixels, sender = synthetic_pixels(70, 50, grey=grey), CompressAiCoder()
    payload = sender.encode(pixels, 2)
    decoded = CompressAiCoder().decode(payload, 70, 50, grey=grey)
    assert decoded.shape == pixels.shape
    assert np.array_equal(decoded, sender.decode(payload, 70, 50, grey=grey))
    assert payload != sender.encode(255 - pixels, 2)


def test_it_is_a_candidate_where_a_recipe_names_it(weights, monkeypatch, synthetic_pixels):
    monkeypatch.setenv(COMPRESSAI_VARIABLE, str(weights / "mbt2018-mean"))
    get_coder.cache_clear()
    pixels = synthetic_pixels(256, 192)
    made = hci_candidates(pixels, 20_000, coder="compressai", steps=range(2))
    assert made
    assert all(read_params(one)[0] == "compressai" and len(one) <= 20_000 for one in made)
    assert decode_hci(made[0], 256, 192).coder == "compressai"
    get_coder.cache_clear()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_payloads_are_errors_or_pictures(coder, data):
    payload = bytearray(coder.encode(np.full((64, 64, 3), 90, np.uint8), 1))
    place = data.draw(st.integers(0, len(payload) - 1))
    payload[place] = data.draw(st.integers(0, 255))
    damaged = bytes(payload[: data.draw(st.integers(0, len(payload)))])
    with contextlib.suppress(BitstreamError, SetupError):
        assert coder.decode(damaged, 64, 64, grey=False).shape == (64, 64, 3)


def test_weights_that_are_not_there_are_one_line(weights, monkeypatch, tmp_path):
    monkeypatch.delenv(COMPRESSAI_VARIABLE, raising=False)
    get_coder.cache_clear()
    with pytest.raises(SetupError, match=f"set {COMPRESSAI_VARIABLE}"):
        decode_hci(b"\x80abc", 128, 128)
    monkeypatch.setenv(COMPRESSAI_VARIABLE, str(tmp_path))
    with pytest.raises(SetupError, match="holds no weights"):
        CompressAiCoder()
    (tmp_path / "mbt2018-mean-1.safetensors").write_bytes(b"\xff" * 40)
    with pytest.raises(SetupError, match="are damaged"):
        CompressAiCoder().encode(np.zeros((64, 64, 3), np.uint8), 1)
    (tmp_path / "mbt2018-mean-3.safetensors").touch()
    with pytest.raises(SetupError, match="gap"):
        CompressAiCoder()


def test_published_weights_are_converted(tmp_path, capsys, monkeypatch):
    with torch.random.fork_rng():
        network = import_zoo().model_architectures["mbt2018-mean"](8, 12)
    torch.save(network.state_dict(), tmp_path / "mbt2018-mean-1-e522738d.pth.tar")
    file, folder = str(tmp_path / "mbt2018-mean-1-e522738d.pth.tar"), str(tmp_path / "made")
    assert main([file, folder, "mbt2018-mean", "1"]) == 0
    monkeypatch.setenv(COMPRESSAI_VARIABLE, folder)
    assert CompressAiCoder().encode(np.zeros((64, 64, 3), np.uint8), 1)
    assert main([file, folder, "bmshj2018-factorized", "1"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
