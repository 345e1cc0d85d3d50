"""Compare codecs at equal bytes: rows, means and differences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from receiver.metrics.names import PATCH_FID
from receiver.metrics.tasks import Task, parse_tasks
from semlink.baselines.vvc import VVC
from semlink.evaluate.patch_fid import PatchFid
from semlink.evaluate.pictures import MIN_FILE_BYTES, VvcBudgets, find_pictures, load_original, parse_budgets
from semlink.evaluate.results import ResultFile
from semlink.evaluate.run import EvaluationRun, parse_evaluated
from semlink.evaluate.summary import average_rows, average_stream_bytes, compare_with_anchors, group_rows
from semlink.pipeline.coding_spec import split_codec_names
from shared.devices import check_device
from shared.errors import BudgetError, InputError, PictureError
from shared.imaging.levels import parse_levels

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from receiver.metrics.reporter import Measures
    from semlink.evaluate.pictures import Budget
    from semlink.evaluate.run import EvaluationRows
    from semlink.evaluate.summary import Average, Difference
    from shared.imaging.levels import Levels


@dataclass(frozen=True, slots=True)
class Comparison:
    """Result of ``compare_codecs``: its rows, the means by codec and budget, and the differences to the anchors.

    ``results`` is the file of the rows.
    """

    found: EvaluationRows
    averages: list[Average]
    differences: list[Difference]
    results: Path


def compare_codecs(
    paths: Sequence[Path],
    codecs: str,
    budgets: str,
    folder: Path,
    *,
    device: str = "",
    tasks: Sequence[str] = (),
    levels: str = "full",
    on_picture: Callable[[str], None] | None = None,
) -> Comparison:
    """Compare codecs at equal bytes. Files, decoded pictures and ``results.jsonl`` go to ``folder``.

    Args:
        paths: picture files, or folders of them.
        codecs: names of codecs separated by commas, such as ``hci,avif``.
        budgets: bytes or bits per pixel separated by commas, such as ``800,0.02bpp``; or ``vvc`` (``parse_budgets``).
        folder: where results go; rows that it holds are reused.
        device: where decoders and measures compute, ``cpu``, ``cuda`` ...; empty: CUDA if there is one.
        tasks: models as ``KIND=MODEL``, whose answers on original and decoded picture are compared.
        levels: which values of the originals become black and white: ``full``, ``auto`` or ``LOW:HIGH``.
        on_picture: called with the name of each file before its turn.

    Raises:
        InputError: pictures or the folder cannot be used, or there is not one row.
        UnknownNameError, ConfigError: an unknown codec or option, or a budget out of range.
        SetupError: none of the codecs is available, or there is no such device.
    """
    names, wanted, files = split_codec_names(codecs), parse_budgets(budgets), find_pictures(paths)
    wanted_levels = parse_levels(levels)
    results = ResultFile(folder)
    for name in names:
        parse_evaluated(name)
    models = parse_tasks(tasks)
    check_device(device)
    _require_a_picture(files, wanted_levels, [] if VVC in names else wanted)
    from receiver.metrics.reporter import Measures  # noqa: PLC0415 - seconds to import; arguments are checked first
    from semlink.pipeline.pipeline import Pipeline  # noqa: PLC0415
    from shared.torch_devices import select_device  # noqa: PLC0415

    torch_device = str(select_device(device))
    answering = [Task(kind, model, torch_device) for kind, model in models.items()]
    measures = Measures(device=torch_device, tasks=answering)
    run = EvaluationRun(names, results, measures, Pipeline(device), wanted_levels)
    found = run.run(files, wanted, on_picture or (lambda _: None))
    found.rows.sort(key=lambda row: names.index(row.codec))
    found.unavailable |= measures.unavailable
    averages = _average(found, measures, folder, wanted_levels)
    return Comparison(found, averages, compare_with_anchors(found.rows, averages), results.path)


def _require_a_picture(files: Sequence[Path], levels: Levels, budgets: Sequence[Budget] | VvcBudgets) -> None:
    """Check, before the models load, that one of ``files`` is a picture for which one of ``budgets`` holds a file.

    Empty ``budgets`` stand for codecs that need none.

    Raises:
        InputError: none is.
        BudgetError: every budget of every picture is less than ``MIN_FILE_BYTES``.
    """
    failures: list[InputError] = []
    for file in files:
        try:
            original = load_original(file, levels)
            if isinstance(budgets, VvcBudgets) or not budgets:
                return
            most = max(budgets, key=lambda budget: budget.size_for(original))
            if most.bytes_for(original) >= MIN_FILE_BYTES:
                return
            width, height = original.size
            reason = f"{most.bytes_for(original)} bytes are too few for {width}x{height} pixels"
            raise BudgetError(f"--bytes {most.label}: {reason}: any file takes {MIN_FILE_BYTES} or more; give more")
        except InputError as error:
            failures.append(error)
    small = next((error for error in failures if isinstance(error, BudgetError)), None)
    raise small or PictureError(f"no picture can be read; first {failures[0]}")


def _average(found: EvaluationRows, measures: Measures, folder: Path, levels: Levels) -> list[Average]:
    """Return the means of every codec and budget."""
    patch_fid = None if measures.classifier is None else PatchFid(measures.classifier, folder, levels)
    if patch_fid is None:
        found.unavailable[PATCH_FID] = measures.unavailable["top1"]
    return [
        average_rows(rows, patch_fid.compute(rows) if patch_fid else (None, 0), average_stream_bytes(rows, folder))
        for rows in group_rows(found.rows).values()
    ]
