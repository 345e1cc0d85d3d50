"""The files of a model profile: found in a folder or in the hub's cache, fetched, checked, hashed."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys

import pytest

from shared.errors import InputError, LimitError, ServiceError, SetupError
from shared.hub import memory, pull
from shared.hub.files import find_profile, hash_profile, is_cached
from shared.hub.layout import BASES, Part
from shared.hub.profile import ModelProfile, Source
from shared.hub.pull import choose_files, pull_profile
from shared.hub.safetensors_file import count_values
from shared.validation import validate
from tests.hub.server import serve_hub
from tests.hub.tiny import REVISION, profile_values

HUB_ID = "tiny/base"
PULL = "run 'semlink models pull tiny'"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache of the hub."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    # The hub's client reads the variable once, perhaps in a test before that had set it.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    return tmp_path / "cache"


@pytest.fixture
def base(tmp_path):
    """A repository in the layout of a base, its weights one number each."""
    folder = tmp_path / "base"
    for component in BASES["stable-diffusion"]:
        write(folder / component.folder / component.config, config_of(component.class_name))
        if component.stem:
            write(folder / component.folder / f"{component.stem}.safetensors", weights_file())
    write(folder / "tokenizer" / "vocab.json", "{}")
    write(folder / "tokenizer" / "merges.txt", "")
    return folder


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def config_of(class_name):
    of_text = class_name.startswith("CLIP")
    return json.dumps({"architectures": [class_name]} if of_text else {"_class_name": class_name})


def weights_file(values=1):
    header = json.dumps({"w": {"dtype": "F32", "shape": [values], "data_offsets": [0, 4 * values]}}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(4 * values)


def profile(source, **changes):
    return validate(ModelProfile, profile_values("tiny", "stable-diffusion", source, **changes))


def test_a_local_folder_is_found_with_all_its_weights(base):
    (found,) = find_profile(profile(base))
    assert (found.folder, found.values) == (base, 3)
    assert {path.parent.name for paths in found.weights.values() for path in paths} == {"unet", "vae", "text_encoder"}


def test_shards_are_found_by_their_index(base):
    (base / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    shards = [f"diffusion_pytorch_model-0000{number}-of-00002.safetensors" for number in (1, 2)]
    index = base / "unet" / "diffusion_pytorch_model.safetensors.index.json"
    write(index, json.dumps({"weight_map": {"a": shards[0], "b": shards[1]}}))
    write(base / "unet" / shards[0], weights_file(5))
    with pytest.raises(SetupError, match=f"{shards[1]} is missing"):
        find_profile(profile(base))
    write(base / "unet" / shards[1], weights_file(6))
    assert find_profile(profile(base))[0].values == 13
    write(index, json.dumps({"weight_map": {"a": "../../etc/passwd"}}))
    with pytest.raises(SetupError, match="names no safetensors files of its folder"):
        find_profile(profile(base))


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("unet/diffusion_pytorch_model.safetensors", None, "is missing"),
        (
            "unet/diffusion_pytorch_model.safetensors",
            weights_file()[:-1],
            "is damaged, it has 72 bytes and its header says 73",
        ),
        ("unet/diffusion_pytorch_model.safetensors", b"PK\3\4 a pickle", "is damaged, it is no safetensors file"),
        (
            "unet/diffusion_pytorch_model.safetensors",
            b"\x09" + bytes(7) + b"{nothing}",
            "is damaged, its safetensors header is not valid",
        ),
        ("vae/diffusion_pytorch_model.safetensors", b"version https://git-lfs.github.com", "is a git-lfs pointer"),
        ("text_encoder/config.json", config_of("BertModel"), "is of class BertModel; this profile needs CLIPTextModel"),
        ("unet/config.json", "{", "is damaged, it is not JSON"),
        ("scheduler/scheduler_config.json", "[]", "is damaged, it holds no settings"),
        ("text_encoder/config.json", '{"architectures": 3}', "is of class None; this profile needs CLIPTextModel"),
        ("tokenizer/tokenizer_config.json", None, "is missing"),
        ("tokenizer/merges.txt", None, "holds no vocabulary: tokenizer.json is missing"),
    ],
)
def test_a_bad_file_is_named_with_the_way_out(file, content, message, base):
    path = base / file
    path.unlink()
    if content is not None:
        write(path, content)
    with pytest.raises(SetupError) as raised:
        find_profile(profile(base))
    assert f"{path.parent if 'vocabulary' in message else path} {message}" in str(raised.value)
    what = "another model" if "is of class" in message else "the model"
    assert f"put {what} into {base}, or change the profile tiny" in str(raised.value)


def test_what_is_not_cached_names_the_command_and_other_revisions(cache, monkeypatch):
    with pytest.raises(SetupError, match=rf"base tiny/base@0123456789ab is not cached; {PULL}"):
        find_profile(profile(HUB_ID))
    (cache / "models--tiny--base" / "snapshots" / ("f" * 40)).mkdir(parents=True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(SetupError, match=f"the cache has revision f{{12}} of it; unset HF_HUB_OFFLINE and {PULL}"):
        find_profile(profile(HUB_ID))


def test_a_profile_is_pulled_once_and_found_offline(base, cache, monkeypatch):
    write(base / "unet" / "diffusion_pytorch_model.fp16.safetensors", weights_file())
    write(base / "unet" / "modeling.py", "raise SystemExit")
    write(base / "model.ckpt", "pickle")
    shown = []
    with serve_hub({HUB_ID: base}) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        pull_profile(profile(HUB_ID), shown.append)
        assert [one.number for one in shown] == list(range(1, shown[0].count + 1))
        assert sum(one.size for one in shown) == sum(path.stat().st_size for path in (cache).rglob("snapshots/*/*/*"))
        pull_profile(profile(HUB_ID), shown.append)
    names = {one.name for one in shown}
    assert len(names) == len(shown) == 10
    assert not any("fp16" in name or name.endswith((".py", ".ckpt")) for name in names)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert is_cached(profile(HUB_ID))
    pull_profile(profile(HUB_ID), shown.append)
    assert len(shown) == 10


def test_a_pull_fetches_again_what_is_damaged(base, cache, monkeypatch):
    shown = []
    write(base / "unet" / "diffusion_pytorch_model.safetensors", weights_file(5))
    with serve_hub({HUB_ID: base}) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        pull_profile(profile(HUB_ID), lambda _: None)
        snapshot = next(cache.glob("*/snapshots/*"))
        for name, content in (("unet/diffusion_pytorch_model.safetensors", b"x" * 73), ("vae/config.json", b"{")):
            (snapshot / name).resolve().write_bytes(content)
        assert not is_cached(profile(HUB_ID))
        pull_profile(profile(HUB_ID), shown.append)
    assert [one.name.split("/", 2)[2] for one in shown] == [
        "unet/diffusion_pytorch_model.safetensors",
        "vae/config.json",
    ]
    assert is_cached(profile(HUB_ID))


@pytest.mark.parametrize("place", ["~nobody-of-this-name/cache", "/" + "a" * 300, "/dev/null"])
def test_a_cache_that_cannot_be_a_folder_is_one_line(place, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", place)
    with pytest.raises(SetupError, match=rf"is not cached; {PULL}|no such home folder; give the whole path"):
        find_profile(profile(HUB_ID))


def test_a_pull_that_fails_says_why_and_leaves_nothing_half_written(base, cache, monkeypatch):
    cases = {
        "RevisionNotFound": (SetupError, "has no such revision: correct revision in the profile"),
        "GatedRepo": (SetupError, "asks for its licence: accept it on the model's page, then run 'hf auth login'"),
        "RepoNotFound": (SetupError, "is not on the hub, or needs a login"),
    }
    for fault, (kind, message) in cases.items():
        with serve_hub({HUB_ID: base}, fault) as address:
            monkeypatch.setenv("HF_ENDPOINT", address)
            with pytest.raises(kind, match=message):
                pull_profile(profile(HUB_ID), lambda _: None)
    with serve_hub({HUB_ID: base}, damaged="model.safetensors") as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        with pytest.raises(SetupError, match=rf"arrived damaged, its SHA-256 is not that of the hub; {PULL} again"):
            pull_profile(profile(HUB_ID), lambda _: None)
    assert not is_cached(profile(HUB_ID))
    for path in cache.rglob("blobs/*"):
        assert path.suffix != ".incomplete"
        assert len(path.name) != 64 or hashlib.sha256(path.read_bytes()).hexdigest() == path.name
    with serve_hub({HUB_ID: base}) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        monkeypatch.setattr(pull, "ROOM_BYTES", 1 << 60)
        with pytest.raises(InputError, match="GB free: free some, or set HF_HOME to another disk"):
            pull_profile(profile(HUB_ID), lambda _: None)


@pytest.mark.parametrize(
    ("file", "lacks"),
    [
        ("unet/diffusion_pytorch_model.safetensors", "unet/diffusion_pytorch_model.safetensors"),
        ("vae/config.json", "vae/config.json"),
        ("tokenizer/merges.txt", "tokenizer/tokenizer.json"),
    ],
)
def test_a_repository_that_lacks_a_file_is_refused_before_anything_is_fetched(file, lacks, base, cache, monkeypatch):
    (base / file).unlink()
    with serve_hub({HUB_ID: base}) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        with pytest.raises(SetupError) as raised:
            pull_profile(profile(HUB_ID), lambda _: None)
    assert f"tiny/base@0123456789ab has no {lacks}: give base of the profile tiny another model" in str(raised.value)
    assert not cache.exists()


def test_a_repository_of_another_class_or_variant_is_not_to_be_pulled_again(base, cache, monkeypatch):
    values = profile_values("tiny", "stable-diffusion", HUB_ID)
    fp16 = values["base"] | {"variant": "fp16"}
    write(base / "unet" / "config.json", config_of("FluxTransformer2DModel"))
    with serve_hub({HUB_ID: base}) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        with pytest.raises(
            SetupError, match=r"has no unet/diffusion_pytorch_model\.safetensors \(variant fp16\): give"
        ):
            pull_profile(validate(ModelProfile, values | {"base": fp16}), lambda _: None)
        with pytest.raises(SetupError) as raised:
            pull_profile(profile(HUB_ID), lambda _: None)
    assert "is of class FluxTransformer2DModel; this profile needs UNet2DConditionModel; give base of" in str(
        raised.value
    )


def test_the_lines_of_the_hubs_client_about_retries_are_left_out():
    script = (
        "import logging\nfrom shared.hub.pull import _quiet_client\n"
        "with _quiet_client():\n"
        "    from huggingface_hub.utils import _http\n"
        "    print(_http.logger.getEffectiveLevel() >= logging.ERROR, end=' ')\n"
        "print(_http.logger.getEffectiveLevel() >= logging.ERROR)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "True False\n"


def test_the_cache_is_where_the_hubs_client_has_it():
    script = "from huggingface_hub import constants\nfrom shared.hub.files import cache_folder, offline_variable\n"
    script += (
        "print(constants.HF_HUB_CACHE == str(cache_folder()), constants.HF_HUB_OFFLINE == bool(offline_variable()))"
    )
    names = ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME", "HF_HUB_OFFLINE")
    for changes in (
        {},
        {"XDG_CACHE_HOME": "/xdg"},
        {"HF_HOME": "$HOME/hf", "XDG_CACHE_HOME": "/xdg", "TRANSFORMERS_OFFLINE": "yes"},
        {"HUGGINGFACE_HUB_CACHE": "~/old", "HF_HOME": "/hf", "HF_HUB_OFFLINE": "0", "TRANSFORMERS_OFFLINE": "1"},
    ):
        rest = {name: value for name, value in os.environ.items() if name not in names}
        command = [sys.executable, "-c", script]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=rest | changes)
        assert done.stdout == "True True\n", changes


def test_a_hub_that_does_not_answer_is_a_service_error(monkeypatch):
    import huggingface_hub

    def fail(*_, **__):
        raise ConnectionError("refused")

    monkeypatch.setattr(huggingface_hub.HfApi, "list_repo_tree", fail)
    monkeypatch.setenv("HF_ENDPOINT", "no-address")
    with pytest.raises(ServiceError, match=r"check HF_ENDPOINT=no-address and the network, then run"):
        pull_profile(profile(HUB_ID), lambda _: None)
    monkeypatch.delenv("HF_ENDPOINT")
    with pytest.raises(ServiceError, match=rf"does not answer for {HUB_ID}@.*check the network, then {PULL} again"):
        pull_profile(profile(HUB_ID), lambda _: None)


def test_a_variant_takes_its_own_weights_only():
    stem = "unet/diffusion_pytorch_model"
    names = [
        f"{stem}{one}" for one in (".safetensors", ".fp16.safetensors", ".fp16.bin", ".bin", ".non_ema.safetensors")
    ]
    names += [f"{stem}.fp16-00001-of-00002.safetensors", f"{stem}.safetensors.index.fp16.json"]
    source = Source(at=HUB_ID, revision=REVISION, variant="fp16")
    chosen = choose_files(Part("base", source, BASES["stable-diffusion"][:1]), names)
    assert chosen == sorted([names[1], *names[5:]])
    plain = Part("base", Source(at=HUB_ID, revision=REVISION), BASES["stable-diffusion"][:1])
    assert choose_files(plain, names) == [names[0]]


def test_the_hash_follows_weights_settings_and_configurations(base):
    hashes = [hash_profile(profile(base))]
    hashes.append(hash_profile(profile(base, steps=1)))
    write(base / "scheduler" / "scheduler_config.json", '{"beta_start": 1}')
    hashes.append(hash_profile(profile(base)))
    write(base / "vae" / "diffusion_pytorch_model.safetensors", weights_file(2))
    hashes.append(hash_profile(profile(base)))
    assert len(set(hashes)) == 4
    assert hash_profile(profile(base, task="other words")) == hashes[-1]


def test_weights_that_do_not_fit_into_memory_are_refused(base, tmp_path, monkeypatch):
    import torch

    found = find_profile(profile(base))
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    assert memory.needed_bytes(profile(base), found, cpu) == int(3 * 4 * memory.HEADROOM)
    assert memory.needed_bytes(profile(base, dtype="float16"), found, cuda) == int(3 * 2 * memory.HEADROOM)
    assert memory.choose_dtype(profile(base, dtype="float16"), cpu) is torch.float32
    assert memory.choose_dtype(profile(base, dtype="bfloat16"), cpu) is torch.bfloat16
    memory.check_memory(profile(base), found, cpu)
    monkeypatch.setattr(memory, "free_bytes", lambda device: 1)
    with pytest.raises(LimitError, match=r"tiny needs 0\.0 GB of memory and cpu has 0\.0 GB free: free some, or use"):
        memory.check_memory(profile(base), found, cpu)
    assert memory.needed_bytes(profile(base, memory={"offload": "sequential"}), found, cuda) == 0
    one_network = profile(base, memory={"offload": "model"})
    assert memory.needed_bytes(one_network, found, cuda) == int(1 * 4 * memory.HEADROOM)
    assert memory.main_memory_bytes(one_network, found, cuda) == int(3 * 4 * memory.HEADROOM)
    assert memory.main_memory_bytes(profile(base), found, cuda) == 0
    beside = write(tmp_path / "guide" / "diffusion_pytorch_model.safetensors", weights_file(5)).parent
    write(beside / "config.json", config_of("ControlNetModel"))
    guided = profile(base, memory={"offload": "model"}, controlnet={"source": {"at": str(beside)}})
    assert memory.needed_bytes(guided, find_profile(guided), cuda) == int((1 + 5) * 4 * memory.HEADROOM)
    layers = profile(base, memory={"offload": "sequential"})
    assert memory.needed_bytes(memory.without_layers(layers), found, cuda) == int(1 * 4 * memory.HEADROOM)
    four = profile(base, memory={"quantisation": "4bit"})
    assert memory.needed_bytes(four, found, cuda) == int(3 * 0.5 * memory.HEADROOM)
    with pytest.raises(SetupError, match=r"memory\.quantisation = 4bit needs a CUDA GPU, and the device is cpu"):
        memory.quantisation_config(four, cpu)


def test_free_memory_is_that_of_the_machine_or_of_its_container(tmp_path, monkeypatch):
    import torch

    cpu = torch.device("cpu")
    monkeypatch.setattr(memory, "MEMINFO", write(tmp_path / "meminfo", "MemTotal: 9 kB\nMemAvailable: 8 kB\n"))
    monkeypatch.setattr(memory, "CONTROL_GROUP", tmp_path)
    assert memory.free_bytes(cpu) == 8192
    write(tmp_path / "memory.current", "5000")
    write(tmp_path / "memory.stat", "anon 3000\nactive_file 1500\ninactive_file 500\n")
    for most, free in (("max", 8192), ("7000", 4000), ("99999", 8192)):
        write(tmp_path / "memory.max", most)
        assert memory.free_bytes(cpu) == free


def test_weights_are_counted_by_their_header(tmp_path):
    assert count_values(write(tmp_path / "w.safetensors", weights_file(7)), "") == 7
    with pytest.raises(SetupError, match=r"cannot be read \(No such file or directory\); the way out"):
        count_values(tmp_path / "none", "the way out")
