"""``semlink doctor``: what this installation has, what is missing, and how to get it."""

from __future__ import annotations

import importlib
import importlib.metadata
import io
import os
import platform
import sys
from dataclasses import asdict
from importlib.resources import files
from typing import Annotated

import typer

from semlink.cli.finding import Finding
from semlink.cli.options import Json
from semlink.cli.output import print_json, print_table
from shared.errors import LinkError

PACKAGES = (
    "semlink",
    "torch",
    "sionna-no-rt",
    "numpy",
    "pillow",
    "av",
    "constriction",
    "grpcio",
    "protobuf",
    "pydantic",
    "spacepackets",
    "pytorch-msssim",
    "scikit-image",
    "safetensors",
    "diffusers",
    "transformers",
    "vector-quantize-pytorch",
)
EXTRACTORS = {
    "text encoder": ("shared.text", "TextEncoder"),
    "captioner": ("sender.extractors.captioner", "Captioner"),
    "token encoder": ("sender.extractors.tokens", "TokenEncoder"),
    "latent encoder": ("sender.extractors.latent", "LatentEncoder"),
    "region finder": ("sender.extractors.regions", "RegionFinder"),
}
"""Module and class that load the weights of each extractor."""


WEIGHTS = {
    "LPIPS-Alex": ("receiver.metrics.perceptual", "load_distance", "lpips_alex"),
    "LPIPS-VGG": ("receiver.metrics.perceptual", "load_distance", "lpips_vgg"),
    "DISTS": ("receiver.metrics.perceptual", "load_distance", "dists"),
    "Real-ESRGAN": ("receiver.pocket.esrgan", "load_real_esrgan"),
}
"""Functions that load the weights that come with packages, and their arguments."""


def doctor(
    profile: Annotated[
        str,
        typer.Option(
            "--profile",
            help="Examine this model profile instead: one that 'semlink models' lists, or a YAML file.",
            metavar="NAME|FILE.yaml",
            show_default=False,
        ),
    ] = "",
    as_json: Json = False,
) -> None:
    """Report versions, devices and weights: what is there, what is missing, and how to get it.

    The exit status is 1 if something is missing that the link needs, or that the profile needs.
    """
    if profile:
        from semlink.cli.doctor_profile import examine_profile

        findings = examine_profile(profile)
    else:
        findings = examine()
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        rows = [[one.item, "ok" if one.ok else "MISSING", one.found, one.remedy] for one in findings]
        print_table("semlink doctor", ["item", "", "found", "what to do"], rows)
    if not all(finding.ok for finding in findings):
        sys.exit(1)


def examine() -> list[Finding]:
    """Return everything that the link needs or can use, as found on this machine."""
    return [
        Finding("python", f"{platform.python_version()} on {platform.machine()}, {os.cpu_count()} cores"),
        *(_examine_package(name) for name in PACKAGES),
        _examine_avif_encoder(),
        _examine_av1_decoder(),
        _examine_gpu(),
        _examine_hci_weights(),
        _examine_pocket_weights(),
        *(_examine_weights(item, *where) for item, where in WEIGHTS.items()),
        *(_examine_extractor(item, *where) for item, where in EXTRACTORS.items()),
    ]


def _examine_package(name: str) -> Finding:
    try:
        return Finding(name, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, "not installed", ok=False, remedy=f"pip install {name}")


def _examine_avif_encoder() -> Finding:
    from PIL import Image, features

    try:
        Image.new("RGB", (16, 16)).save(io.BytesIO(), "AVIF", codec="aom")
    except (OSError, KeyError, ValueError) as error:
        return Finding(
            "AV1 encoder", str(error), ok=False, remedy="install a Pillow wheel with AVIF: pip install pillow"
        )
    return Finding("AV1 encoder", f"libaom in libavif {features.version('avif')}")


def _examine_av1_decoder() -> Finding:
    try:
        import av

        av.CodecContext.create("libdav1d", "r")
    except (ImportError, ValueError) as error:
        return Finding("AV1 decoder", str(error), ok=False, remedy="install a PyAV wheel with dav1d: pip install av")
    return Finding("AV1 decoder", "libdav1d in PyAV")


def _examine_gpu() -> Finding:
    try:
        import torch
    except ImportError:
        return Finding("GPU", "torch is not installed", ok=False, remedy="pip install torch")
    if torch.cuda.is_available():
        return Finding("GPU", torch.cuda.get_device_name(0))
    return Finding("GPU", "none; everything runs on the CPU", remedy="optional: a CUDA build of torch and its driver")


def _examine_hci_weights() -> Finding:
    folder = files("models") / "hci-learned"
    found = [item for item in folder.iterdir() if item.name.endswith(".safetensors")] if folder.is_dir() else []
    if not found:
        remedy = "reinstall semlink, or train them: training/README.md"
        return Finding("weights hci-learned", "not there", ok=False, remedy=remedy)
    total = sum(len(item.read_bytes()) for item in found)
    return Finding("weights hci-learned", f"{', '.join(sorted(item.name for item in found))}, {total} bytes")


def _examine_extractor(item: str, module: str, name: str) -> Finding:
    """Load an extractor as the sender does."""
    try:
        getattr(importlib.import_module(module), name)()
    except (ImportError, LinkError) as error:
        return Finding(item, "does not load", ok=False, remedy=str(error))
    return Finding(item, "loads")


def _examine_weights(item: str, module: str, function: str, *arguments: str) -> Finding:
    """Load the weights of ``item``, which come with a package."""
    try:
        getattr(importlib.import_module(module), function)(*arguments)
    except (ImportError, LinkError) as error:
        return Finding(f"weights {item}", "do not load", ok=False, remedy=str(error))
    return Finding(f"weights {item}", "load")


def _examine_pocket_weights() -> Finding:
    """Load the pocket decoder as the receiver does, and decode a small grey picture with all its networks."""
    item = "weights pocket"
    try:
        import numpy as np

        from receiver.decoder_registry import load_decoder
        from receiver.decoders.base import DecodeOptions
        from receiver.guidance import Guidance
        from receiver.pocket.config import weights_folder
        from shared.bitstream import PictureHeader
        from shared.hci.stream import HciImage

        decoder = load_decoder("pocket")
        grey = HciImage(np.full((16, 16, 3), 128, np.uint8), "av1", 4)
        decoder.reconstruct(Guidance(PictureHeader(64, 64), grey), DecodeOptions())
        files_found = sorted(weights_folder().glob("*/*.safetensors"))
    except (ImportError, LinkError) as error:
        return Finding(item, "do not work", ok=False, remedy=str(error))
    total = sum(path.stat().st_size for path in files_found)
    parts = ", ".join(path.parent.name for path in files_found)
    return Finding(item, f"{parts}: {total} bytes; decodes on {decoder.device}")
