"""A benchmark whose result is a list of points: measured into a JSON file, from which a report and a plot are made."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, TypeVar

from benchmarks.common.arguments import make_parser

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from _typeshed import DataclassInstance

    AnyPoint = TypeVar("AnyPoint", bound=DataclassInstance)


def measure_or_draw(
    doc: str | None,
    out: str,
    numbers: Mapping[str, int],
    *,
    point: type[AnyPoint],
    measure: Callable[..., Sequence[AnyPoint]],
    report: Callable[..., str],
    draw: Callable[[Sequence[AnyPoint], Path], None],
) -> None:
    """Measure into ``--out``, a JSON file, or with ``--draw`` read it; write report (.md) and plot (.png) beside it.

    ``numbers`` are options with their defaults; ``measure`` and ``report`` take them by name.
    """
    parser = make_parser(doc, out)
    for name, default in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--draw", action="store_true", help="draw what was measured before")
    options = vars(parser.parse_args())
    result: Path = options.pop("out")
    if not options.pop("draw"):
        found = options | {"points": [asdict(one) for one in measure(**options)]}
        result.write_text(json.dumps(found, indent=0), encoding="utf-8")
    found = json.loads(result.read_text(encoding="utf-8"))
    points = [point(**one) for one in found.pop("points")]
    result.with_suffix(".md").write_text(report(points, **found), encoding="utf-8")
    draw(points, result.with_suffix(".png"))
