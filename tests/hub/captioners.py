"""Captioners and CLIP of a few thousand random weights, with the classes and keys of the real ones, in hub layout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.hub.tiny import seeded, write_clip_tokenizer

if TYPE_CHECKING:
    from pathlib import Path

WIDTH = 16
VISION = {"hidden_size": WIDTH, "intermediate_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": 2}
WORDS = [
    *("a", "dog", "cat", "man", "house", "grass", "sky", "red", "blue", "green", "small", "large", "on", "in", "the"),
    *("of", "with", "and", "tree", "car", "water", "white"),
]


def build_blip(folder: Path) -> Path:
    """Write a captioner in the layout of Salesforce/blip-image-captioning-large, which writes ``WORDS``."""
    transformers = _library()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    text = {
        **VISION,
        "initializer_range": 1.0,
        "vocab_size": len(words) + 1,  # the start token has a number and no word
        "encoder_hidden_size": WIDTH,
        "projection_dim": 8,
        "max_position_embeddings": 200,
        "bos_token_id": len(words),
        "eos_token_id": 2,
        "sep_token_id": 3,
        "pad_token_id": 0,
    }
    vision = {**VISION, "projection_dim": 8, "image_size": 32, "patch_size": 8, "initializer_range": 0.5}
    with seeded():
        config = transformers.BlipConfig(text_config=text, vision_config=vision, initializer_range=1.0)
        transformers.BlipForConditionalGeneration(config).save_pretrained(folder)
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

    BlipImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    transformers.BertTokenizer(vocab={word: number for number, word in enumerate(words)}).save_pretrained(folder)
    return folder


def build_florence(folder: Path) -> Path:
    """Write a captioner in the layout of florence-community/Florence-2-large-ft, which writes bytes and places."""
    transformers = _library()
    words = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *_letters()]
    tokenizer = transformers.BartTokenizer(
        vocab={word: number for number, word in enumerate(words)},
        merges=[],
        extra_special_tokens={"image_token": "<image>"},
    )
    tokenizer.add_tokens([f"<loc_{place}>" for place in range(1000)], special_tokens=True)
    text = {
        "model_type": "bart",
        "vocab_size": len(tokenizer),
        "d_model": WIDTH,
        "max_position_embeddings": 1024,
        "encoder_layers": 1,
        "encoder_attention_heads": 2,
        "encoder_ffn_dim": WIDTH,
        "decoder_layers": 1,
        "decoder_attention_heads": 2,
        "decoder_ffn_dim": WIDTH,
        "bos_token_id": 0,
        "pad_token_id": 1,
        "eos_token_id": 2,
        "decoder_start_token_id": 2,
        "init_std": 1.0,
    }
    vision = {
        "depths": (1, 1, 1, 1),
        "embed_dim": (8, 8, 8, 8),
        "num_heads": (2, 2, 2, 2),
        "num_groups": (2, 2, 2, 2),
        "window_size": 4,
        "projection_dim": WIDTH,
    }
    with seeded():
        config = transformers.Florence2Config(
            text_config=text, vision_config=vision, image_token_id=tokenizer.image_token_id
        )
        transformers.Florence2ForConditionalGeneration(config).save_pretrained(folder)
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    images = CLIPImageProcessorPil(size={"height": 64, "width": 64}, do_center_crop=False)
    images.image_seq_length = 5  # (64 / 32)² places and their mean
    images.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def build_qwen(folder: Path) -> Path:
    """Write a captioner in the layout of Qwen/Qwen2.5-VL-3B-Instruct, which writes bytes."""
    transformers = _library()
    tokenizer = transformers.Qwen2Tokenizer(vocab={word: number for number, word in enumerate(_letters())}, merges=[])
    names = ("endoftext", "im_start", "im_end", "vision_start", "vision_end", "image_pad", "video_pad")
    tokenizer.add_tokens([f"<|{name}|>" for name in names], special_tokens=True)
    number = {name: tokenizer.convert_tokens_to_ids(f"<|{name}|>") for name in names}
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": WIDTH,
        "intermediate_size": WIDTH,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "max_position_embeddings": 4096,
        "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 1e6},
        "bos_token_id": None,
        "eos_token_id": number["im_end"],
        "pad_token_id": number["endoftext"],
        "initializer_range": 0.5,
    }
    vision = {
        "depth": 1,
        "hidden_size": WIDTH,
        "intermediate_size": WIDTH,
        "num_heads": 2,
        "out_hidden_size": WIDTH,
        "fullatt_block_indexes": [0],
    }
    with seeded():
        config = transformers.Qwen2_5_VLConfig(
            text_config=text,
            vision_config=vision,
            image_token_id=number["image_pad"],
            video_token_id=number["video_pad"],
            vision_start_token_id=number["vision_start"],
            vision_end_token_id=number["vision_end"],
        )
        transformers.Qwen2_5_VLForConditionalGeneration(config).save_pretrained(folder)
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    Qwen2VLImageProcessorPil().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def build_clip(folder: Path) -> Path:
    """Write maps in the layout of openai/clip-vit-large-patch14."""
    transformers = _library()
    write_clip_tokenizer(folder)
    text = {**VISION, "vocab_size": 514, "max_position_embeddings": 77, "bos_token_id": 512, "eos_token_id": 513}
    vision = {**VISION, "image_size": 32, "patch_size": 4}
    with seeded():
        config = transformers.CLIPConfig(
            text_config=text, vision_config=vision, projection_dim=8, initializer_factor=8.0
        )
        transformers.CLIPModel(config).save_pretrained(folder)
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


BUILDERS = {"blip": build_blip, "florence-2": build_florence, "qwen2.5-vl": build_qwen}
"""What builds the captioner of each kind."""


def _letters() -> list[str]:
    from tokenizers.pre_tokenizers import ByteLevel

    return sorted(ByteLevel.alphabet())


def _library() -> Any:
    from shared.hub.libraries import transformers

    return transformers
