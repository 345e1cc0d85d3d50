"""Loading weights from a file: every fault is a one-line error with a fix."""

import pytest
import safetensors.torch
import torch
from torch import nn

from shared.errors import SetupError
from shared.weights import load_weights


def loaded(path):
    with torch.device("meta"):
        network = nn.Linear(3, 2)
    return load_weights(network, path, "the tests", "write them again")


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "weights.safetensors"
    tensors = {"weight": torch.arange(6.0).view(2, 3).half(), "bias": torch.ones(2).half()}
    safetensors.torch.save_file(tensors, file)
    return file


def test_weights_load_as_frozen_floats(path):
    network = loaded(path)
    assert network(torch.tensor([1.0, 0, 0])).tolist() == [1, 4]
    assert network.weight.dtype == torch.float32
    assert not network.weight.requires_grad
    assert not network.training


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda file: file.unlink(), "no weights of the tests at"),
        (lambda file: file.write_bytes(file.read_bytes()[:-3]), "are damaged: write them again"),
        (lambda file: file.write_bytes(b"not weights"), "are damaged: write them again"),
        (lambda file: safetensors.torch.save_file({"weight": torch.ones(2, 3)}, file), "are damaged"),
        (
            lambda file: safetensors.torch.save_file({"weight": torch.ones(2, 4), "bias": torch.ones(2)}, file),
            "damaged",
        ),
        (
            lambda file: safetensors.torch.save_file(
                {"weight": torch.full((2, 3), torch.nan), "bias": torch.ones(2)}, file
            ),
            "not all are finite",
        ),
    ],
)
def test_wrong_weights_raise_a_one_line_error(harm, words, path):
    harm(path)
    with pytest.raises(SetupError, match=words) as caught:
        loaded(path)
    assert "\n" not in str(caught.value)
