"""The evaluation itself: every picture, budget and codec, to real files and back, measured."""

from __future__ import annotations

import importlib.metadata
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from semlink.evaluate.baselines.registry import BASELINES, load_baseline
from semlink.evaluate.baselines.vvc import VVC
from semlink.evaluate.codec import read_image
from semlink.evaluate.link import describe_recipe, make_link_codec
from semlink.evaluate.pictures import Budget, Source, VvcRates, source_in
from semlink.evaluate.results import Results, Row, finite, key_of
from semlink.pipeline.coding_spec import AUTOENCODER, parse_coding_spec
from semlink.pipeline.fingerprint import hash_weights
from shared.bitstream import bpp
from shared.errors import BudgetError, ConfigError, DataError, InputError, PictureError, ServiceError, SetupError
from shared.files import write_file
from shared.picture import encode_png
from shared.pixels import grey_to_rgb

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from receiver.metrics.reporter import Measures, Reference
    from semlink.evaluate.baselines.vvc import VvcPicture
    from semlink.evaluate.codec import PictureCodec
    from semlink.pipeline.pipeline import Pipeline

DECIMALS = 3
UNBOUNDED = Budget("none", bytes=1 << 30)


@dataclass(slots=True)
class Outcome:
    """All rows, and what could not be had.

    ``unavailable`` says why by codec, ``unreadable`` by picture file, ``failed`` by codec, budget and picture.
    """

    rows: list[Row] = field(default_factory=list)
    unavailable: dict[str, str] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    failed: list[tuple[str, str, str, str]] = field(default_factory=list)


class Evaluation:
    """Runs codecs over pictures, one picture in memory at a time; rows that ``results`` holds are not made again."""

    def __init__(self, names: Sequence[str], results: Results, measures: Measures, pipeline: Pipeline) -> None:
        """Make the codecs called ``names``; what one of them lacks is told by the outcome.

        Raises:
            UnknownNameError, ConfigError: no such codec, decoder or option.
            SetupError: none of the codecs can be had.
        """
        self.outcome = Outcome()
        self.wants_vvc = VVC in names
        self._results = results
        self._measures = measures
        self._codecs = [
            codec for name in names if name != VVC and (codec := self._make_codec(name, pipeline)) is not None
        ]
        if not self._codecs and not self.wants_vvc:
            raise SetupError(" ".join(f"{name}: {why}." for name, why in self.outcome.unavailable.items()).rstrip("."))
        ours = any(codec.name not in BASELINES for codec in self._codecs)
        self._weights = hash_weights() if ours else ""

    def run(
        self, files: Sequence[Path], budgets: Sequence[Budget] | VvcRates, on_picture: Callable[[str], None]
    ) -> None:
        """Evaluate ``files`` at ``budgets``; ``on_picture`` is told each name. The outcome names what cannot be read.

        Raises:
            InputError: not one picture can be read, there are no VVC pictures, or nothing at all fits its budget.
        """
        for file in files:
            on_picture(file.name)
            try:
                source = source_in(file)
            except InputError as error:
                self.outcome.unreadable[str(file)] = str(error)
                continue
            self._picture(source, budgets)
        if not self.outcome.rows:
            raise _nothing(self.outcome, budgets)

    def _picture(self, source: Source, budgets: Sequence[Budget] | VvcRates) -> None:
        reference: list[Reference] = []  # made when the first row needs it

        def measured(decoded: Path) -> dict[str, float | None]:
            if not reference:
                reference.append(self._measures.reference(source.pixels))
            pixels = grey_to_rgb(read_image(decoded.read_bytes(), "PNG"))
            return finite(self._measures.compare(pixels, reference[0]))

        at_vvc = isinstance(budgets, VvcRates)
        rates = budgets if isinstance(budgets, VvcRates) else VvcRates()
        vvc = rates.of(source) if self.wants_vvc or at_vvc else ()
        for one in vvc if self.wants_vvc else ():
            try:
                self.outcome.rows.append(self._vvc_row(source, one, measured))
            except InputError as error:
                self.outcome.failed.append((VVC, one.label, source.name, str(error)))
        if not vvc and (self.wants_vvc or at_vvc):
            self.outcome.failed.append((VVC, "", source.name, "there is no VVC picture in the folder vvc beside it"))
        for codec in [codec for codec in self._codecs if codec.name == AUTOENCODER]:
            self._try(codec, source, UNBOUNDED, {}, measured)
        of_vvc = [Budget(one.label, bytes=one.bytes) for one in vvc]
        for budget in of_vvc if isinstance(budgets, VvcRates) else budgets:
            encoded: dict[str, tuple[Path, float]] = {}
            for codec in [codec for codec in self._codecs if codec.name != AUTOENCODER]:
                self._try(codec, source, budget, encoded, measured)

    def _try(
        self,
        codec: PictureCodec,
        source: Source,
        budget: Budget,
        encoded: dict[str, tuple[Path, float]],
        measured: Callable[[Path], dict[str, float | None]],
    ) -> None:
        """Add the row of one codec, or why there is none."""
        try:
            self.outcome.rows.append(self._row(codec, source, budget, encoded, measured))
        except SetupError as error:
            self.outcome.unavailable[codec.name] = str(error)
            self._codecs.remove(codec)
        except (BudgetError, PictureError, DataError, ServiceError) as error:
            self.outcome.failed.append((codec.name, budget.label, source.name, str(error)))

    def _row(
        self,
        codec: PictureCodec,
        source: Source,
        budget: Budget,
        encoded: dict[str, tuple[Path, float]],
        measured: Callable[[Path], dict[str, float | None]],
    ) -> Row:
        budget_bytes = budget.bytes_for(source)
        made_by = _library_versions() if codec.name in BASELINES else self._weights + describe_recipe(codec.coder)
        key = key_of(codec.name, made_by, budget.label, budget_bytes, source.digest, self._measures.names)
        row = self._results.found(key, source.file)
        if row is not None:
            return row
        width, height = source.size
        if codec.coder not in encoded:
            started = time.perf_counter()
            data = codec.encode(source.pixels, budget_bytes)
            encode_s = time.perf_counter() - started
            file = self._place("files", codec.coder, source, budget, codec.suffix)
            if len(data) > budget_bytes:
                raise BudgetError(f"{codec.coder} made {len(data)} bytes of the {budget_bytes} that it may")
            write_file(file, data)
            encoded[codec.coder] = file, encode_s
        file, encode_s = encoded[codec.coder]
        data = file.read_bytes()
        started = time.perf_counter()
        pixels = codec.decode(data, width, height)
        decode_s = time.perf_counter() - started
        decoded = self._place("decoded", codec.name, source, budget, ".png")
        write_file(decoded, encode_png(pixels))
        row = Row(
            key,
            source.name,
            str(source.file),
            codec.name,
            budget.label,
            budget_bytes,
            width,
            height,
            len(data),
            bpp(len(data), width, height),
            self._within(file),
            self._within(decoded),
            round(encode_s, DECIMALS),
            round(decode_s, DECIMALS),
            measured(decoded),
        )
        self._results.add(row)
        return row

    def _vvc_row(self, source: Source, vvc: VvcPicture, measured: Callable[[Path], dict[str, float | None]]) -> Row:
        """Return the row of a VVC picture that was made beforehand."""
        key = key_of(VVC, vvc.label, vvc.bytes, source.digest, self._measures.names)
        row = self._results.found(key, source.file)
        if row is not None:
            return row
        width, height = source.size
        decoded = self._place("decoded", VVC, source, Budget(vvc.label), ".png")
        write_file(decoded, encode_png(vvc.load_pixels(width, height)))
        name, bits = self._within(decoded), bpp(vvc.bytes, width, height)
        row = Row(
            key,
            source.name,
            str(source.file),
            VVC,
            vvc.label,
            vvc.bytes,
            width,
            height,
            vvc.bytes,
            bits,
            name,
            name,
            0.0,
            0.0,
            measured(decoded),
        )
        self._results.add(row)
        return row

    def _make_codec(self, name: str, pipeline: Pipeline) -> PictureCodec | None:
        spec = parse_coding_spec(name)
        if spec.has_channel_code:
            raise ConfigError(f"{name}: semlink evaluate has no channel; write {spec.source}, or use semlink sweep")
        try:
            if spec.codec == AUTOENCODER:
                from semlink.evaluate.autoencoder import AutoencoderCeiling  # noqa: PLC0415 - imports torch

                return AutoencoderCeiling()
            return load_baseline(spec.codec) if spec.is_classical else make_link_codec(spec, pipeline)
        except SetupError as error:
            self.outcome.unavailable[name] = str(error)
            return None

    def _place(self, kind: str, codec: str, source: Source, budget: Budget, suffix: str) -> Path:
        """Return where a file of ``kind`` belongs; its folder is made."""
        folder = self._results.folder / kind / re.sub(r"[^A-Za-z0-9.=+-]+", "_", codec)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot make the folder {folder}: {error.strerror}; choose another --save") from error
        return folder / f"{source.name}_{budget.label}{suffix}"

    def _within(self, path: Path) -> str:
        return str(path.relative_to(self._results.folder))


def _library_versions() -> list[str]:
    return [importlib.metadata.version(name) for name in ("pillow", "av")]


def _nothing(outcome: Outcome, budgets: Sequence[Budget] | VvcRates) -> InputError | SetupError:
    """Return why there is not a single row."""
    if outcome.failed:
        codec, budget, picture, reason = outcome.failed[0]
        if codec == VVC and isinstance(budgets, VvcRates):
            return InputError(f"--bytes vvc: {picture}: {reason}; give Kodak pictures, or --bytes with numbers")
        return BudgetError(" ".join(f"nothing was decoded; first {codec} at {budget} for {picture}: {reason}".split()))
    if outcome.unreadable:
        return PictureError(f"no picture can be read; first {next(iter(outcome.unreadable.values()))}")
    return SetupError("; ".join(f"{name}: {why}" for name, why in outcome.unavailable.items()))
