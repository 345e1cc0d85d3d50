"""One line of a report of ``semlink doctor``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; ``remedy`` is empty where nothing is missing."""

    item: str
    found: str
    ok: bool = True
    remedy: str = ""
