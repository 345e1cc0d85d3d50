"""Weights on disk: there and back, and one line for everything that may be wrong with them."""

from __future__ import annotations

import json
import re
import shutil

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from receiver.decoders.base import DecodeOptions
from receiver.pocket.config import read_config, weights_folder
from receiver.pocket.decoder import PocketDecoder
from receiver.pocket.synthesis import load_synthesis
from receiver.pocket.weights import NETWORKS, WEIGHTS_NAME, load_networks, save_networks
from shared.errors import SetupError
from shared.torch_devices import select_device

CPU = torch.device("cpu")


@pytest.fixture
def copy(weights, tmp_path):
    return shutil.copytree(weights, tmp_path / "copy")


def message_of(folder) -> str:
    """The message to the caller: one line with a hint, the same on the next call."""
    with pytest.raises(SetupError) as caught:
        load_networks(folder, CPU)
    message = str(caught.value)
    assert "\n" not in message
    assert "install the package again" in message or "git lfs pull" in message
    return message


def test_saved_networks_load_again(weights, tmp_path):
    networks = load_networks(weights, CPU, torch.float32)
    assert read_config(weights).steps == 2
    assert read_config(weights).fidelity == 0.5
    save_networks(networks, tmp_path / "again", steps=2, fidelity=0.5)
    files = [path.relative_to(weights) for path in weights.rglob("*") if path.is_file()]
    assert len(files) == 9
    for path in files:
        assert (tmp_path / "again" / path).read_bytes() == (weights / path).read_bytes()


def test_no_local_path_is_written(weights):
    for path in weights.rglob("*.json"):
        assert "/" not in path.read_text()


def test_weights_are_half_precision_on_disk(weights):
    tensors = safetensors.torch.load_file(weights / "refiner" / WEIGHTS_NAME)
    assert {value.dtype for value in tensors.values()} == {torch.float16}


def test_an_environment_variable_selects_other_weights(weights, monkeypatch, guidance_for):
    monkeypatch.setenv("SEMLINK_POCKET", str(weights))
    decoder = PocketDecoder("cpu")
    assert decoder.default_steps == 2
    assert decoder.reconstruct(guidance_for(64, 64), DecodeOptions()).pixels.shape == (64, 64, 3)
    monkeypatch.delenv("SEMLINK_POCKET")
    assert weights_folder().parts[-2:] == ("models", "pocket")


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(SetupError, match=r"config\.json cannot be read"):
        PocketDecoder("cpu", tmp_path / "nowhere")
    assert "nowhere/config.json cannot be read" in message_of(tmp_path / "nowhere")


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("file", ["config.json", WEIGHTS_NAME])
def test_a_missing_file_is_named(copy, name, file):
    (copy / name / file).unlink()
    assert f"{name}/{file} cannot be read" in message_of(copy)


def test_a_git_lfs_pointer_is_refused(copy):
    (copy / "refiner" / WEIGHTS_NAME).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    assert "git lfs pull" in message_of(copy)


def flipped(data: bytes, bit: int) -> bytes:
    return data[: bit // 8] + bytes([data[bit // 8] ^ 1 << bit % 8]) + data[bit // 8 + 1 :]


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_damaged_weights_are_refused_or_unchanged(weights, tmp_path_factory, data):
    """A truncated file, other bytes or a single wrong bit: one line."""
    copy = shutil.copytree(weights, tmp_path_factory.mktemp("damaged") / "copy")
    path = copy / "restorer" / WEIGHTS_NAME
    whole = path.read_bytes()
    path.write_bytes(
        data.draw(
            st.one_of(
                st.binary(max_size=200),
                st.integers(0, len(whole) - 1).map(lambda length: whole[:length]),
                st.integers(0, 8 * len(whole) - 1).map(lambda bit: flipped(whole, bit)),
                st.binary(min_size=1, max_size=9).map(lambda added: whole + added),
                st.binary(min_size=1, max_size=40).map(lambda head: head + whole[len(head) :]),
            ).filter(lambda changed: changed != whole)
        )
    )
    assert f"restorer/{WEIGHTS_NAME}" in message_of(copy)


def test_the_hash_finds_a_changed_number(copy):
    path = copy / "refiner" / WEIGHTS_NAME
    path.write_bytes(flipped(path.read_bytes(), 8 * path.stat().st_size - 12))
    assert f"refiner/{WEIGHTS_NAME} is damaged, its SHA-256 is not the one in config.json" in message_of(copy)


def test_weights_without_hashes_load(copy):
    path = copy / "config.json"
    config = json.loads(path.read_text())
    assert set(config.pop("sha256")) == set(NETWORKS)
    path.write_text(json.dumps(config))
    assert load_networks(copy, CPU).refiner.config == {"widths": [32, 32, 32]}


def test_the_hint_names_the_environment_variable(copy, monkeypatch):
    monkeypatch.setenv("SEMLINK_POCKET", str(copy))
    (copy / "refiner" / WEIGHTS_NAME).unlink()
    with pytest.raises(SetupError, match="set SEMLINK_POCKET to another folder, or unset it, use --decoder hci"):
        PocketDecoder("cpu").load()


def test_weights_with_outputs_that_are_not_finite_are_reported(copy, guidance_for):
    """The weights are finite and have the right hash: only the outputs show that they are wrong."""
    networks = load_networks(copy, CPU, torch.float32)
    for parameter in networks.restorer.parameters():
        parameter.fill_(6e4)
    save_networks(networks, copy)
    decoder = PocketDecoder("cpu", copy)
    for _ in range(2):
        with pytest.raises(SetupError, match="copy give outputs that are not finite; install") as caught:
            decoder.reconstruct(guidance_for(64, 64), DecodeOptions(steps=0))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda tensors: tensors.pop("first.bias"), "lacks first.bias"),
        (lambda tensors: tensors.update(more=torch.zeros(2)), "holds more, which is not in its network"),
        (lambda tensors: tensors.update({"first.bias": torch.zeros(3)}), r"first.bias of [3] instead of [16]"),
        (lambda tensors: tensors.update({"first.bias": torch.full((16,), torch.nan)}), "not finite"),
        (lambda tensors: tensors.update({"first.bias": torch.zeros(16, dtype=torch.int64)}), "not finite"),
    ],
)
def test_weights_of_another_network_are_refused(copy, change, said):
    path = copy / "restorer" / WEIGHTS_NAME
    tensors = safetensors.torch.load_file(path)
    change(tensors)
    safetensors.torch.save_file(tensors, path)
    assert said in message_of(copy)


def test_a_network_of_other_widths_than_its_weights_is_refused(copy):
    path = copy / "refiner" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "widths": [32, 32, 64]}))
    assert re.search(r"refiner/.* holds .* of \[\d+.*\] instead of \[\d+", message_of(copy))


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(
    "text",
    ["", "7", "null", '"x"', '{"width": "wide", "widths": 5}', "\ud800"],
)
def test_a_damaged_network_configuration_is_refused(copy, name, text):
    (copy / name / "config.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    assert f"{name}/config.json" in message_of(copy)


@pytest.mark.parametrize(
    "change",
    [{"version": 1}, {"steps": 9}, {"fidelity": 2}, {"text_width": 7}, {"steps": "a"}, {"sigma": 0.2}],
)
def test_a_configuration_outside_its_rules_is_refused(copy, change):
    path = copy / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    assert next(iter(change)) in message_of(copy)


@settings(max_examples=40, deadline=None)
@given(text=st.one_of(st.binary(max_size=60), st.recursive(st.none() | st.integers(), st.lists).map(json.dumps)))
def test_any_configuration_file_gives_a_configuration_or_one_line(tmp_path_factory, text):
    folder = tmp_path_factory.mktemp("any")
    (folder / "config.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    assert "config.json" in message_of(folder)


def test_devices_are_selected_by_name(weights, guidance_for):
    assert select_device("cpu").type == "cpu"
    assert select_device("").type == ("cuda" if torch.cuda.is_available() else "cpu")
    decoder = PocketDecoder("cuda:99", weights)
    for _ in range(2):
        with pytest.raises(SetupError, match="device 'cuda:99' is not there"):
            decoder.reconstruct(guidance_for(64, 64), DecodeOptions())


def test_weights_that_appear_later_load_without_a_new_decoder(copy, guidance_for):
    decoder = PocketDecoder("cpu", copy)
    (copy / "refiner").rename(copy / "away")
    with pytest.raises(SetupError, match="refiner"):
        decoder.reconstruct(guidance_for(64, 64), DecodeOptions())
    (copy / "away").rename(copy / "refiner")
    assert decoder.reconstruct(guidance_for(64, 64), DecodeOptions()).pixels.shape == (64, 64, 3)


def test_a_missing_latent_synthesis_is_one_line(tmp_path):
    with pytest.raises(SetupError, match=r"no weights of the latent stream's synthesis at .*install the package again"):
        load_synthesis(tmp_path)
