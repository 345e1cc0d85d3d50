"""A model profile: the pretrained models of a decoder, how they are run, and what they cost. See ``docs/models.md``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr, field_validator, model_validator

from shared.validation import short_repr

if TYPE_CHECKING:
    from pathlib import Path

Family = Literal["pocket", "stable-diffusion", "stable-diffusion-xl", "flux"]
Precision = Literal["float16", "bfloat16", "float32"]
HUB_ID: Final = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
COMMIT: Final = re.compile(r"[0-9a-f]{40}")
LOCAL_STARTS: Final = ("/", "./", "../", "~/")
MAX_STEPS: Final = 50
NAME: Final = r"[a-z0-9][a-z0-9-]{0,39}"
TAKEN_NAMES: Final = ("hci", "real-esrgan")
"""Decoders without a profile: the plain enlargement, and one of ``semlink evaluate``."""


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _check_name(name: str) -> str:
    if name in TAKEN_NAMES:
        raise ValueError(f"a decoder that is no model profile is called {name}: take another name")
    return name


class Source(_Settings):
    """Where the files of a model are.

    ``at`` is a hub id, as ``stabilityai/sd-turbo``, or a local folder, which starts with ``/``, ``./``, ``../`` or
    ``~/``. A hub id has a ``revision``, the 40 digits of a commit, so that the same files load everywhere. A local
    folder has none. ``variant`` is part of the names of weight files, as ``fp16`` in ``model.fp16.safetensors``.
    """

    at: Annotated[str, Field(max_length=400)]
    revision: str | None = None
    variant: Literal["", "fp16", "bf16"] = ""

    @property
    def is_local(self) -> bool:
        """Whether the files are in a local folder."""
        return self.at.startswith(LOCAL_STARTS)

    @property
    def label(self) -> str:
        """The source as text: ``stabilityai/sd-turbo@b261bac6fd2c``, or the folder."""
        return f"{self.at}@{self.revision[:12]}" if self.revision else self.at

    @model_validator(mode="after")
    def _check_place(self) -> Self:
        if self.is_local:
            if self.revision is not None:
                raise ValueError(f"revision = {short_repr(self.revision)}: the folder {self.at} has none; leave it out")
            return self
        if not HUB_ID.fullmatch(self.at):
            raise ValueError(
                f"at = {short_repr(self.at)}: write a hub id as OWNER/NAME, or a folder that starts with "
                f"{', '.join(LOCAL_STARTS)}"
            )
        if self.revision is None or not COMMIT.fullmatch(self.revision):
            raise ValueError(
                f"revision = {short_repr(self.revision)}: pin {self.at} to a commit, 40 digits of 0 to 9 and a to f"
            )
        return self

    def relative_to(self, folder: Path) -> Source:
        """Return the same source with a relative folder taken from ``folder``, where the profile's file is."""
        if not self.at.startswith(("./", "../")):
            return self
        return self.model_copy(update={"at": str((folder / self.at).resolve())})


class ControlNet(_Settings):
    """A control branch beside the base.

    ``input`` says what it is fed: ``hci`` is the highly compressed image (HCI), enlarged to the picture's size,
    ``latent`` the latent channels (FLUX only), ``tokens`` the HCI with what a token adapter makes of the residual codes
    (Stable Diffusion only). ``scale`` weights its outputs.
    """

    source: Source
    input: Literal["hci", "latent", "tokens"] = "hci"
    scale: Annotated[float, Field(ge=0, le=2)] = 1.0


class Captioner(_Settings):
    """The network with which the sender describes pictures."""

    kind: Literal["blip", "florence-2", "qwen2.5-vl"]
    source: Source


class OneStep(_Settings):
    """The decoded latent counts as the noisy sample of a pseudo-time; one step removes the noise (OSCAR, StableCodec).

    ``time_at_bpp`` holds pairs of the HCI's rate in bits per pixel and the pseudo-time, 0 (no noise) to 1. Between
    pairs the time is interpolated over the logarithm of the rate.
    """

    time_at_bpp: Annotated[
        tuple[tuple[Annotated[float, Field(gt=0, le=24)], Annotated[float, Field(gt=0, lt=1)]], ...],
        Field(min_length=1, max_length=16),
    ]

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        rates = [rate for rate, _ in self.time_at_bpp]
        if rates != sorted(set(rates)):
            raise ValueError(f"time_at_bpp has the rates {rates}: give each once, the smallest first")
        return self


class Memory(_Settings):
    """How memory is saved. See ``shared/hub/memory.py`` for what each one does and needs.

    ``offload`` keeps networks in main memory: ``model`` moves each to the GPU as a whole while it runs, ``sequential``
    layer by layer. ``tile_px`` bounds the picture that the autoencoder and the base see at once.
    """

    offload: Literal["none", "model", "sequential"] = "none"
    attention_slicing: bool = False
    vae_slicing: bool = False
    vae_tiling: bool = False
    quantisation: Literal["none", "8bit", "4bit"] = "none"
    tile_px: Annotated[int, Field(ge=64, le=4096, multiple_of=64)] = 1024


class ModelProfile(_Settings):
    """One model profile, checked.

    ``strength`` is where the sampling starts: 0 is the decoded picture, 1 pure noise. ``start`` says what the picture
    is that gets the noise: the HCI enlarged by Lanczos, or restored by the pocket decoder. ``guidance_scale`` 0 or 1
    switches classifier-free guidance off. ``captioner`` and ``maps`` are the sender's: maps, a CLIP model, say where
    named objects are, which Florence-2 says itself. ``download_gb`` and ``memory_gb`` are in units of 10^9 bytes; 0:
    not stated.
    """

    name: Annotated[str, Field(pattern=f"^{NAME}$"), AfterValidator(_check_name)]
    task: Annotated[str, Field(max_length=200)]
    licence: Annotated[str, Field(max_length=120)]
    family: Family
    download_gb: Annotated[float, Field(ge=0)] = 0
    memory_gb: Annotated[float, Field(ge=0)] = 0
    base: Source | None = None
    controlnet: ControlNet | None = None
    adapters: Source | None = None
    captioner: Captioner | None = None
    maps: Source | None = None
    scheduler: Literal["EulerDiscreteScheduler", "FlowMatchEulerDiscreteScheduler"] = "EulerDiscreteScheduler"
    steps: Annotated[int, Field(ge=0, le=MAX_STEPS)] = 1
    max_steps: Annotated[int, Field(ge=1, le=MAX_STEPS)] = 4
    guidance_scale: Annotated[float, Field(ge=0, le=20)] = 0.0
    negative_prompt: Annotated[str, Field(max_length=400)] = ""
    strength: Annotated[float, Field(gt=0, le=1)] = 0.5
    start: Literal["lanczos", "pocket"] = "pocket"
    regional_prompts: bool = True
    one_step: OneStep | None = None
    fidelity: Annotated[float, Field(ge=0, le=1)] = 1.0
    dtype: Precision = "float16"
    memory: Memory = Memory()
    _file: str = PrivateAttr(default="")

    @property
    def reference(self) -> str:
        """What stands for the profile at the command: its file if it was loaded by that, else its name."""
        return self._file or self.name

    def read_from(self, file: str) -> ModelProfile:
        """Return the same profile as one that was loaded by the name of its ``file``."""
        copied = self.model_copy()
        copied._file = file  # noqa: SLF001 - of the same class
        return copied

    @field_validator("base", "adapters", "maps", mode="before")
    @classmethod
    def _no_empty_source(cls, value: object) -> object:
        return value or None

    @model_validator(mode="after")
    def _check_family(self) -> Self:
        if (self.family == "pocket") != (self.base is None):
            need = "has its weights in the package: leave base out" if self.family == "pocket" else "needs a base"
            raise ValueError(f"family = {self.family} {need}")
        if self.family == "pocket" and (self.controlnet or self.adapters or self.one_step):
            raise ValueError("family = pocket has networks of its own: leave controlnet, adapters and one_step out")
        flow = self.scheduler == "FlowMatchEulerDiscreteScheduler"
        if self.family != "pocket" and flow != (self.family == "flux"):
            raise ValueError(f"scheduler = {self.scheduler} does not fit family {self.family}")
        if self.controlnet and self.controlnet.input == "latent" and self.family != "flux":
            raise ValueError(f"controlnet.input = latent is for family flux, not {self.family}")
        if self.controlnet and self.controlnet.input == "tokens" and self.family == "flux":
            raise ValueError("controlnet.input = tokens is not for family flux: use latent or hci")
        if self.controlnet and self.controlnet.input == "tokens" and self.adapters is None:
            raise ValueError("controlnet.input = tokens needs adapters, which make the control picture")
        return self

    @model_validator(mode="after")
    def _check_steps(self) -> Self:
        if self.steps > self.max_steps:
            raise ValueError(f"steps = {self.steps} is more than max_steps = {self.max_steps}")
        if self.one_step and self.max_steps > 1:
            raise ValueError(f"max_steps = {self.max_steps}: one_step takes 1")
        return self

    def relative_to(self, folder: Path) -> ModelProfile:
        """Return the same profile with relative folders taken from ``folder``."""
        changed: dict[str, object] = {}
        for field in ("base", "adapters", "maps"):
            if (source := getattr(self, field)) is not None:
                changed[field] = source.relative_to(folder)
        for field in ("controlnet", "captioner"):
            if (part := getattr(self, field)) is not None:
                changed[field] = part.model_copy(update={"source": part.source.relative_to(folder)})
        return self.model_copy(update=changed)
