"""Run codecs over pictures: encode to a file, decode the file, measure the decoded picture."""

from __future__ import annotations

import importlib.metadata
import re
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from semlink.baselines.codec import read_image
from semlink.baselines.registry import BASELINES, load_baseline
from semlink.baselines.vvc import VVC
from semlink.evaluate.link import describe_recipe, make_link_codec
from semlink.evaluate.pictures import Budget, Original, OriginalReader, VvcBudgets
from semlink.evaluate.results import EvaluationRow, ResultFile, drop_undefined, hash_key
from semlink.pipeline.coding_spec import parse_coding_spec
from semlink.pipeline.fingerprint import hash_weights
from semlink.pipeline.models_used import ModelsUsed, models_used
from shared.bitstream import bpp
from shared.errors import BudgetError, ConfigError, DataError, InputError, PictureError, ServiceError, SetupError
from shared.files import write_file
from shared.hub.files import DIGEST_CHARACTERS
from shared.imaging.levels import FULL
from shared.picture import encode_png
from shared.pixels import grey_to_rgb
from shared.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from receiver.metrics.reporter import Measures, Reference
    from semlink.baselines.codec import PictureCodec
    from semlink.baselines.vvc import VvcPicture
    from semlink.pipeline.coding_spec import CodingSpec
    from semlink.pipeline.pipeline import Pipeline
    from shared.imaging.levels import Levels

    Measure = Callable[[Path], dict[str, float | None]]

DECIMALS = 3


@dataclass(frozen=True, slots=True)
class NotDecoded:
    """A picture that a codec could not encode or decode at a budget, and why."""

    codec: str
    budget: str
    picture: str
    reason: str


@dataclass(slots=True)
class EvaluationRows:
    """The rows of an evaluation, and what is missing.

    ``unavailable`` has the reason by codec or measure, ``unreadable`` by picture file. ``notes`` has, for each
    conversion of pictures, the files that it applies to.
    """

    rows: list[EvaluationRow] = field(default_factory=list)
    unavailable: dict[str, str] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    not_decoded: list[NotDecoded] = field(default_factory=list)
    notes: dict[str, list[str]] = field(default_factory=dict)


def parse_evaluated(name: str) -> CodingSpec:
    """Return the codec that ``name`` specifies, which has no channel code.

    Raises:
        UnknownNameError, ConfigError: an unknown codec, decoder or option, or a channel code.
    """
    spec = parse_coding_spec(name)
    if spec.has_channel_code:
        raise ConfigError(f"{name}: semlink evaluate has no channel; write {spec.source}, or use semlink sweep")
    return spec


class EvaluationRun:
    """Runs codecs over pictures, with one picture in memory at a time. Rows that ``results`` holds are reused.

    Args:
        names: codecs as the user wrote them.
        results: where rows, files and decoded pictures go.
        measures: the measures of quality.
        pipeline: the link's models.
        levels: which values of the originals become black and white.

    Raises:
        UnknownNameError, ConfigError: an unknown codec, decoder or option, or a channel code.
        SetupError: none of the codecs is available.
    """

    def __init__(
        self,
        names: Sequence[str],
        results: ResultFile,
        measures: Measures,
        pipeline: Pipeline,
        levels: Levels = FULL,
    ) -> None:
        self._reader = OriginalReader(levels)
        self.found = EvaluationRows(unreadable=self._reader.unreadable, notes=self._reader.notes)
        self._with_vvc = VVC in names
        self._results = results
        self._measures = measures
        specs = [parse_evaluated(name) for name in names if name != VVC]
        self._weights = hash_weights() if any(not spec.is_classical for spec in specs) else ""
        self._models: dict[str, ModelsUsed] = {}
        self._codecs = [codec for spec in specs if (codec := self._load(spec, pipeline)) is not None]
        if not self._codecs and not self._with_vvc:
            raise SetupError(" ".join(f"{name}: {why}." for name, why in self.found.unavailable.items()).rstrip("."))

    def run(
        self, files: Sequence[Path], budgets: Sequence[Budget] | VvcBudgets, on_picture: Callable[[str], None]
    ) -> EvaluationRows:
        """Evaluate ``files`` at ``budgets``. Call ``on_picture`` with the name of each file before its turn.

        Raises:
            InputError: there is not one row: no picture can be read, or nothing fits its budget.
        """
        for original in self._reader.read(_announce(files, on_picture)):
            self._evaluate_picture(original, budgets)
        if not self.found.rows:
            raise _explain_no_rows(self.found, budgets)
        return self.found

    def _evaluate_picture(self, original: Original, budgets: Sequence[Budget] | VvcBudgets) -> None:
        measure = self._make_measure(original)
        wanted = budgets if isinstance(budgets, VvcBudgets) else VvcBudgets()
        vvc = wanted.find(original) if self._with_vvc or wanted is budgets else ()
        if self._with_vvc:
            self._add_vvc_rows(original, vvc, measure)
        if not vvc and (self._with_vvc or wanted is budgets):
            reason = "there is no VVC picture in the folder vvc next to the folder of the originals"
            self.found.not_decoded.append(NotDecoded(VVC, "", original.name, reason))
        of_vvc = [Budget(one.label, bytes=one.bytes) for one in vvc]
        for budget in of_vvc if isinstance(budgets, VvcBudgets) else budgets:
            encoded: dict[str, tuple[Path, float]] = {}
            for codec in list(self._codecs):  # one that is not available is removed
                self._add_row(codec, original, budget, encoded, measure)

    def _make_measure(self, original: Original) -> Measure:
        """Return a function that measures a decoded PNG file against ``original``."""
        reference: list[Reference] = []  # computed when the first row needs it

        def measure(decoded: Path) -> dict[str, float | None]:
            if not reference:
                reference.append(self._measures.reference(original.pixels))
            pixels = grey_to_rgb(read_image(decoded.read_bytes(), "PNG"))
            return drop_undefined(self._measures.compare(pixels, reference[0]))

        return measure

    def _add_row(
        self,
        codec: PictureCodec,
        original: Original,
        budget: Budget,
        encoded: dict[str, tuple[Path, float]],
        measure: Measure,
    ) -> None:
        """Add the row of one codec at one budget, or the reason why there is none."""
        try:
            self.found.rows.append(self._make_row(codec, original, budget, encoded, measure))
        except SetupError as error:
            self.found.unavailable[codec.name] = str(error)
            self._codecs.remove(codec)
        except (BudgetError, PictureError, DataError, ServiceError) as error:
            self.found.not_decoded.append(NotDecoded(codec.name, budget.label, original.name, str(error)))

    def _make_row(
        self,
        codec: PictureCodec,
        original: Original,
        budget: Budget,
        encoded: dict[str, tuple[Path, float]],
        measure: Measure,
    ) -> EvaluationRow:
        """Return the row of one codec at one budget.

        ``encoded`` holds file and seconds by encoder: codecs that differ in decoding only share the file.
        """
        max_bytes = budget.bytes_for(original)
        models = self._models[codec.name]
        own = "" if models.sha256 == self._weights else models.sha256  # of a model profile, beside those that ship
        recipe = self._weights + own + describe_recipe(codec.coder)
        key = hash_key(
            codec.name,
            _library_versions() if codec.name in BASELINES else recipe,
            budget.label,
            max_bytes,
            original.digest,
            self._measures.names,
        )
        sha256 = models.sha256[:DIGEST_CHARACTERS]
        row = self._results.find(key, original.file)
        if row is not None:
            return replace(row, models=models.models, models_sha256=sha256)
        if codec.coder not in encoded:
            encoded[codec.coder] = self._encode(codec, original, budget, max_bytes)
        file, encode_s = encoded[codec.coder]
        data = file.read_bytes()
        started = time.perf_counter()
        pixels = codec.decode(data, *original.size)
        decode_s = time.perf_counter() - started
        decoded = self._make_path("decoded", codec.name, original, budget, ".png")
        write_file(decoded, encode_png(pixels))
        row = EvaluationRow(
            key=key,
            picture=original.name,
            source=str(original.file),
            codec=codec.name,
            budget=budget.label,
            max_bytes=max_bytes,
            width=original.size[0],
            height=original.size[1],
            bytes=len(data),
            bpp=bpp(len(data), *original.size),
            file=self._relative(file),
            decoded=self._relative(decoded),
            encode_s=round(encode_s, DECIMALS),
            decode_s=round(decode_s, DECIMALS),
            measures=measure(decoded),
            models=models.models,
            models_sha256=sha256,
        )
        self._results.add(row)
        return row

    def _encode(self, codec: PictureCodec, original: Original, budget: Budget, max_bytes: int) -> tuple[Path, float]:
        """Return the encoded file and the seconds that encoding took."""
        started = time.perf_counter()
        data = codec.encode(original.pixels, max_bytes)
        encode_s = time.perf_counter() - started
        if len(data) > max_bytes:
            raise BudgetError(f"{codec.coder} made {len(data)} bytes; the budget is {max_bytes}")
        file = self._make_path("files", codec.coder, original, budget, codec.suffix)
        write_file(file, data)
        return file, encode_s

    def _add_vvc_rows(self, original: Original, vvc: Sequence[VvcPicture], measure: Measure) -> None:
        for one in vvc:
            try:
                self.found.rows.append(self._make_vvc_row(original, one, measure))
            except InputError as error:
                self.found.not_decoded.append(NotDecoded(VVC, one.label, original.name, str(error)))

    def _make_vvc_row(self, original: Original, vvc: VvcPicture, measure: Measure) -> EvaluationRow:
        """Return the row of a VVC picture that was decoded beforehand."""
        key = hash_key(VVC, vvc.label, vvc.bytes, original.digest, self._measures.names)
        row = self._results.find(key, original.file)
        if row is not None:
            return row
        width, height = original.size
        decoded = self._make_path("decoded", VVC, original, Budget(vvc.label), ".png")
        write_file(decoded, encode_png(vvc.load_pixels(width, height)))
        row = EvaluationRow(
            key=key,
            picture=original.name,
            source=str(original.file),
            codec=VVC,
            budget=vvc.label,
            max_bytes=vvc.bytes,
            width=width,
            height=height,
            bytes=vvc.bytes,
            bpp=bpp(vvc.bytes, width, height),
            file=self._relative(decoded),
            decoded=self._relative(decoded),
            encode_s=0.0,
            decode_s=0.0,
            measures=measure(decoded),
        )
        self._results.add(row)
        return row

    def _load(self, spec: CodingSpec, pipeline: Pipeline) -> PictureCodec | None:
        """Return the codec that ``spec`` specifies; None, with the reason noted, if something is not installed."""
        try:
            self._models[spec.name] = models_used(spec, self._weights)
            return load_baseline(spec.codec) if spec.is_classical else make_link_codec(spec, pipeline)
        except SetupError as error:
            self.found.unavailable[spec.name] = str(error)
            return None

    def _make_path(self, kind: str, codec: str, original: Original, budget: Budget, suffix: str) -> Path:
        """Return the path of a file of ``kind``, and make its folder."""
        folder = self._results.folder / kind / re.sub(r"[^A-Za-z0-9.=+-]+", "_", codec)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot make the folder {folder}: {error.strerror}; choose another --out") from error
        return folder / f"{original.name}_{budget.label}{suffix}"

    def _relative(self, path: Path) -> str:
        return str(path.relative_to(self._results.folder))


def _announce(files: Sequence[Path], on_picture: Callable[[str], None]) -> Iterator[Path]:
    for file in files:
        on_picture(printable(file.name))
        yield file


def _library_versions() -> list[str]:
    return [importlib.metadata.version(name) for name in ("pillow", "av")]


def _explain_no_rows(found: EvaluationRows, budgets: Sequence[Budget] | VvcBudgets) -> InputError | SetupError:
    """Return an error that explains why there is not a single row."""
    if found.not_decoded:
        first = found.not_decoded[0]
        if first.codec == VVC and isinstance(budgets, VvcBudgets):
            return InputError(
                f"--bytes vvc: {first.picture}: {first.reason}; give pictures that have VVC versions, or numbers"
            )
        where = f"{first.codec} at {first.budget} for {first.picture}"
        return BudgetError(" ".join(f"nothing was decoded; first {where}: {first.reason}".split()))
    if found.unreadable:
        return PictureError(f"no picture can be read; first {next(iter(found.unreadable.values()))}")
    return SetupError("; ".join(f"{name}: {why}" for name, why in found.unavailable.items()))
