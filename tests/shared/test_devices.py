"""Names of devices: what this machine cannot have is refused without torch."""

from __future__ import annotations

import sys

import pytest

from shared import devices
from shared.devices import check_device
from shared.errors import SetupError


@pytest.mark.parametrize("name", ["tpu", "cpu:3", "cuda:x", "a\nb", "mps:0"])
def test_an_unknown_device_is_refused_in_one_line(name):
    with pytest.raises(SetupError, match="unknown device") as caught:
        check_device(name)
    assert "\n" not in str(caught.value)


def test_the_cpu_and_the_choice_of_torch_are_accepted():
    for name in ("", "cpu"):
        check_device(name)


def test_mps_is_the_gpu_of_a_mac(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.raises(SetupError, match="GPU of a Mac"):
        check_device("mps")
    monkeypatch.setattr(sys, "platform", "darwin")
    check_device("mps")


@pytest.mark.parametrize(
    ("build", "driver", "words"),
    [("cpu", True, "built for the CPU"), ("", False, "no CUDA driver"), ("cu130", True, ""), ("rocm6.4", False, "")],
)
def test_cuda_needs_a_build_of_torch_and_a_driver(monkeypatch, build, driver, words):
    monkeypatch.setattr(devices, "_torch_build", lambda: build)
    monkeypatch.setattr(devices, "_has_cuda_driver", lambda: driver)
    if not words:
        check_device("cuda:1")
        return
    with pytest.raises(SetupError, match=words):
        check_device("cuda:1")
