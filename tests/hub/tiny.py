"""Models of a few thousand random weights, with the classes and configuration keys of the real ones, in hub layout."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REVISION = "0123456789abcdef0123456789abcdef01234567"
WIDTH = 16
"""Width of the text encoders."""
TEXT = {"hidden_size": WIDTH, "intermediate_size": 2 * WIDTH, "num_hidden_layers": 2, "num_attention_heads": 2}


def build_stable_diffusion(folder: Path) -> Path:
    """Write a base of the family stable-diffusion, in the layout of stabilityai/sd-turbo, and return its folder."""
    diffusers, transformers = _libraries()
    with seeded():
        new_unet(diffusers).save_pretrained(folder / "unet")
        new_autoencoder(diffusers).save_pretrained(folder / "vae")
        transformers.CLIPTextModel(_text_config(transformers)).save_pretrained(folder / "text_encoder")
    write_clip_tokenizer(folder / "tokenizer")
    _write_scheduler(folder / "scheduler", "EulerDiscreteScheduler", timestep_spacing="trailing")
    return folder


def build_stable_diffusion_xl(folder: Path) -> Path:
    """Write a base of the family stable-diffusion-xl, in the layout of stabilityai/sdxl-turbo."""
    diffusers, transformers = _libraries()
    with seeded():
        unet = new_unet(
            diffusers,
            cross_attention_dim=2 * WIDTH,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=6 * 8 + WIDTH,
            transformer_layers_per_block=[1, 1],
        )
        unet.save_pretrained(folder / "unet")
        new_autoencoder(diffusers, force_upcast=True, scaling_factor=0.13025).save_pretrained(folder / "vae")
        transformers.CLIPTextModel(_text_config(transformers)).save_pretrained(folder / "text_encoder")
        second = transformers.CLIPTextModelWithProjection(_text_config(transformers, projection_dim=WIDTH))
        second.save_pretrained(folder / "text_encoder_2")
    for name in ("tokenizer", "tokenizer_2"):
        write_clip_tokenizer(folder / name)
    _write_scheduler(folder / "scheduler", "EulerDiscreteScheduler", timestep_spacing="trailing")
    return folder


def build_flux(folder: Path) -> Path:
    """Write a base of the family flux, in the layout of black-forest-labs/FLUX.1-schnell."""
    diffusers, transformers = _libraries()
    with seeded():
        new_flux(diffusers).save_pretrained(folder / "transformer")
        autoencoder = new_autoencoder(
            diffusers,
            latent_channels=16,
            scaling_factor=0.3611,
            shift_factor=0.1159,
            use_quant_conv=False,
            use_post_quant_conv=False,
        )
        autoencoder.save_pretrained(folder / "vae")
        transformers.CLIPTextModel(_text_config(transformers)).save_pretrained(folder / "text_encoder")
        t5 = transformers.T5Config(
            vocab_size=512, d_model=WIDTH, d_kv=8, d_ff=32, num_layers=1, num_heads=2, feed_forward_proj="gated-gelu"
        )
        transformers.T5EncoderModel(t5).save_pretrained(folder / "text_encoder_2")
    write_clip_tokenizer(folder / "tokenizer")
    write_t5_tokenizer(folder / "tokenizer_2")
    _write_scheduler(folder / "scheduler", "FlowMatchEulerDiscreteScheduler", shift=1.0)
    return folder


BUILDERS = {
    "stable-diffusion": build_stable_diffusion,
    "stable-diffusion-xl": build_stable_diffusion_xl,
    "flux": build_flux,
}
"""What builds the base of each family."""


def build_controlnet(folder: Path, base: Path) -> Path:
    """Write a ControlNet for the UNet of ``base``. Its outputs, zero in a new one, are random."""
    import torch

    diffusers, _ = _libraries()
    unet = diffusers.UNet2DConditionModel.from_pretrained(base / "unet")
    with seeded():
        network = diffusers.ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(4, 4, 4, 8))
        for module in (*network.controlnet_down_blocks, network.controlnet_mid_block):
            torch.nn.init.normal_(module.weight, std=0.5)
        torch.nn.init.normal_(network.controlnet_cond_embedding.conv_out.weight, std=0.5)
        network.save_pretrained(folder)
    return folder


def build_flux_control(folder: Path, base: Path) -> Path:
    """Write a control branch of 4 multi-stream and 2 single-stream blocks for ``base``, with random outputs."""
    import torch

    from receiver.hub.flux import new_control_branch

    diffusers, _ = _libraries()
    transformer = diffusers.FluxTransformer2DModel.from_pretrained(base / "transformer")
    with seeded():
        network = new_control_branch(transformer)
        for module in (*network.controlnet_blocks, *network.controlnet_single_blocks, network.controlnet_x_embedder):
            torch.nn.init.normal_(module.weight, std=0.3)
        network.save_pretrained(folder)
    return folder


def build_adapters(folder: Path) -> Path:
    """Write a token adapter for a base with text encoders of ``WIDTH``."""
    from receiver.hub.adapters import TokenAdapter

    with seeded():
        TokenAdapter(WIDTH, 8).save_pretrained(folder)
    return folder


class TinyModels(Mapping[str, Path]):
    """Folders of tiny models by name; a model is made when its folder is first read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._makers: dict[str, Callable[[Path], Path]] = {
            **BUILDERS,
            "controlnet": lambda at: build_controlnet(at, self["stable-diffusion"]),
            "flux-control": lambda at: build_flux_control(at, self["flux"]),
            "adapters": build_adapters,
        }
        self._made: dict[str, Path] = {}

    def __getitem__(self, name: str) -> Path:
        if name not in self._made:
            self._made[name] = self._makers[name](self._folder / name)
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


def new_unet(diffusers: Any, **changes: Any) -> Any:
    """Return a UNet with the keys of Stable Diffusion 2.1."""
    settings = {
        "sample_size": 8,
        "block_out_channels": (8, 16),
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
        "layers_per_block": 1,
        "attention_head_dim": [2, 4],
        "cross_attention_dim": WIDTH,
        "norm_num_groups": 4,
        "use_linear_projection": True,
    }
    return diffusers.UNet2DConditionModel(**settings | changes)


def new_autoencoder(diffusers: Any, **changes: Any) -> Any:
    """Return an autoencoder with a latent of an eighth of the picture's size."""
    settings = {
        "block_out_channels": (4, 4, 4, 4),
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "layers_per_block": 1,
        "norm_num_groups": 4,
        "latent_channels": 4,
        "sample_size": 64,
    }
    return diffusers.AutoencoderKL(**settings | changes)


def new_flux(diffusers: Any) -> Any:
    """Return a transformer with the keys of FLUX.1-schnell, 4 multi-stream and 2 single-stream blocks."""
    return diffusers.FluxTransformer2DModel(
        patch_size=1,
        in_channels=64,
        num_layers=4,
        num_single_layers=2,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=WIDTH,
        pooled_projection_dim=WIDTH,
        guidance_embeds=False,
        axes_dims_rope=(2, 2, 4),
    )


def put_into_cache(folder: Path, cache: Path, hub_id: str, revision: str = REVISION) -> Path:
    """Copy ``folder`` into a cache of the hub, weights under their hash as it does, and return the snapshot."""
    repository = cache / f"models--{hub_id.replace('/', '--')}"
    snapshot = repository / "snapshots" / revision
    (repository / "blobs").mkdir(parents=True, exist_ok=True)
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        target = snapshot / path.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".safetensors":
            blob = repository / "blobs" / hashlib.sha256(path.read_bytes()).hexdigest()
            shutil.copy(path, blob)
            target.symlink_to(blob)
        else:
            shutil.copy(path, target)
    return snapshot


def profile_values(name: str, family: str, base: Path | str, **changes: Any) -> dict[str, Any]:
    """Return the settings of a profile with a tiny base: a folder, or a hub id at ``REVISION``."""
    source = {"at": base, "revision": REVISION} if isinstance(base, str) else {"at": str(base)}
    flux = {"scheduler": "FlowMatchEulerDiscreteScheduler"} if family == "flux" else {}
    said = {"name": name, "task": "test", "licence": "none", "family": family, "base": source, "dtype": "float32"}
    run = {"start": "lanczos", "steps": 2, "max_steps": 4}
    return said | run | flux | changes


def write_profile(folder: Path, values: Mapping[str, Any]) -> Path:
    """Write a profile's YAML file into ``folder``, named after it."""
    path = folder / f"{values['name']}.yaml"
    path.write_text(json.dumps(values))  # JSON is YAML
    return path


def write_clip_tokenizer(folder: Path) -> None:
    """Write the files of a CLIP tokenizer whose words are single bytes."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    letters = list(bytes_to_unicode().values())
    words = [*letters, *(f"{one}</w>" for one in letters), "<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    settings = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "pad_token": "!", "unk_token": words[-1]}
    ends = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | ends))


def write_t5_tokenizer(folder: Path) -> None:
    """Write the files of a T5 tokenizer whose words are single letters."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    letters = [chr(code) for code in range(33, 127)]
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -9.0), ("▁", -1.0), *((letter, -2.0) for letter in letters)]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=2))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 512}
    ends = {"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | ends))


def _text_config(transformers: Any, **changes: Any) -> Any:
    numbers = {"vocab_size": 514, "bos_token_id": 512, "eos_token_id": 513, "pad_token_id": 0}
    return transformers.CLIPTextConfig(**TEXT | numbers | changes)


def _write_scheduler(folder: Path, name: str, **settings: Any) -> None:
    training = (
        {} if "shift" in settings else {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    )
    folder.mkdir(parents=True, exist_ok=True)
    values = {"_class_name": name, "num_train_timesteps": 1000, **training, **settings}
    (folder / "scheduler_config.json").write_text(json.dumps(values))


def _libraries() -> tuple[Any, Any]:
    from shared.hub import libraries

    return libraries.diffusers, libraries.transformers


def seeded() -> Any:
    """Return a context in which weights are drawn from a fixed seed."""
    import contextlib

    import torch

    from shared.hub.libraries import quiet

    @contextlib.contextmanager
    def drawing():
        with torch.random.fork_rng(), quiet():
            torch.manual_seed(7)
            yield

    return drawing()
