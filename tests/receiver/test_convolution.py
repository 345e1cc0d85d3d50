"""Convolutions by NNPACK give what torch's own give."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

import receiver.convolution
from receiver.convolution import Convolution, has_nnpack

SHAPE = 2, 3, 61, 77


@pytest.fixture
def conv(monkeypatch):
    """A convolution that NNPACK computes on any CPU that it knows."""
    if not has_nnpack():
        pytest.skip("NNPACK does not know this CPU")
    monkeypatch.setattr(receiver.convolution, "_nnpack_is_faster", lambda: True)
    torch.manual_seed(0)
    return Convolution(3, 32)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_nnpack_gives_the_same_within_rounding_for_any_number_of_threads(conv, layout):
    x = torch.rand(SHAPE).contiguous(memory_format=layout)
    conv.to(memory_format=layout)
    threads = torch.get_num_threads()
    with torch.inference_mode():
        results = []
        for count in (1, 2):
            torch.set_num_threads(count)
            results.append(conv(x))
        torch.set_num_threads(threads)
        expected = functional.conv2d(x, conv.weight, conv.bias, padding=1)
    assert torch.equal(*results)
    assert torch.allclose(results[0], expected, atol=1e-5)


def test_a_convolution_that_trains_has_gradients(conv):
    conv(torch.rand(SHAPE)).sum().backward()
    assert conv.weight.grad.any()


def test_other_number_types_are_computed_by_torch(conv):
    with torch.inference_mode():
        assert conv.double()(torch.rand(SHAPE).double()).dtype is torch.float64
