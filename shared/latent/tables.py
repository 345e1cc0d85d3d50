"""The static integer tables of the latent stream: weights of the contexts, and counts of symbols.

Both ends predict a mean and a scale for each sample, as integer sums over the context (``context.py``). Scale and
fraction of the mean select the table of counts. ``training/latent`` makes the tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Final

import constriction
import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from shared.errors import SetupError
from shared.latent.context import NEIGHBOURS, STEPS
from shared.latent.layout import LATENT_CHANNELS, VALUE_MAX

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from shared.latent.context import Integers

WEIGHT_BITS: Final = 10
"""Weights and thresholds are in units of 2⁻¹⁰."""
FRACTIONS: Final = 8
"""The fraction of the mean is rounded to this many parts of a quantiser step."""
SCALE_LEVELS: Final = 24
"""Number of scales."""
RADIUS: Final = 8
"""Symbols are differences from the rounded mean, -8 to 8 steps. The last symbol means that the value itself follows."""
SYMBOLS: Final = 2 * RADIUS + 2
SHAPES: Final = {
    "mean_near": (len(STEPS), LATENT_CHANNELS, NEIGHBOURS),
    "mean_cross": (len(STEPS), LATENT_CHANNELS, LATENT_CHANNELS, 2),
    "scale_bias": (len(STEPS), LATENT_CHANNELS),
    "scale_near": (len(STEPS), LATENT_CHANNELS, NEIGHBOURS),
    "scale_cross": (len(STEPS), LATENT_CHANNELS, LATENT_CHANNELS, 2),
    "thresholds": (SCALE_LEVELS - 1,),
    "counts": (SCALE_LEVELS, FRACTIONS, SYMBOLS),
    "chosen": (LATENT_CHANNELS, LATENT_CHANNELS + 1, 2),
    "number": (LATENT_CHANNELS,),
}
"""Shapes of the arrays in the file. A weight's indices are step, channel, and (coded channel, sample or neighbours)."""
TABLES_NAME: Final = "tables.safetensors"
HINT: Final = "install the package again or train them (training/README.md)"


@dataclass(frozen=True)
class LatentTables:
    """The arrays of ``SHAPES`` as int64, and the range coder's models of the counts."""

    arrays: dict[str, Integers]
    symbol_models: list[constriction.stream.model.Categorical]
    number_model: constriction.stream.model.Categorical
    value_model: constriction.stream.model.Uniform

    def table_indices(
        self, near: Integers, signed: Integers, absolute: Integers, step: int, channel: int, others: tuple[int, ...]
    ) -> tuple[Integers, Integers]:
        """Return the rounded means ``[n]`` and the indices ``[n]`` into ``symbol_models`` of one step's samples.

        ``near`` ``[n, 12]`` are the neighbours in ``channel``. ``signed`` and ``absolute`` ``[n, k, 2]`` are the sums
        (``cross_channel_sums``) of ``others``, k channels that are coded already.
        """
        arrays, known = self.arrays, list(others)
        mean = near @ arrays["mean_near"][step, channel]
        mean = mean + np.einsum("nkf,kf->n", signed, arrays["mean_cross"][step, channel, known])
        scale = arrays["scale_bias"][step, channel] + np.abs(near) @ arrays["scale_near"][step, channel]
        scale = scale + np.einsum("nkf,kf->n", absolute, arrays["scale_cross"][step, channel, known])
        return table_places(mean, scale, arrays["thresholds"])


def table_places(mean: Integers, scale: Integers, thresholds: Integers) -> tuple[Integers, Integers]:
    """Return ``mean`` ``[n]`` rounded to integers, and the index of the table: scale level times 8 plus fraction."""
    eighths = (mean + (1 << (WEIGHT_BITS - 4))) >> (WEIGHT_BITS - 3)
    whole = np.clip((eighths + FRACTIONS // 2) >> 3, -VALUE_MAX, VALUE_MAX)
    fraction = np.clip(eighths - FRACTIONS * whole, -FRACTIONS // 2, FRACTIONS // 2 - 1) + FRACTIONS // 2
    return whole, np.searchsorted(thresholds, scale, side="right") * FRACTIONS + fraction


def load_tables(path: Path | None = None) -> LatentTables:
    """Return the tables in the file ``path``; None reads the shipped file.

    Raises:
        SetupError: the file is missing or damaged.
    """
    source = path or resources.files("models") / "latent" / TABLES_NAME
    try:
        loaded = safetensors.numpy.load(source.read_bytes())
    except OSError as error:
        raise SetupError(f"no tables of the latent stream at {source}: {HINT}") from error
    except (SafetensorError, ValueError, KeyError) as error:
        raise SetupError(f"the latent stream's tables at {source} are damaged: {HINT}") from error
    return build_tables(loaded)


def build_tables(loaded: dict[str, NDArray[np.int16] | NDArray[np.int32]]) -> LatentTables:
    """Return the tables from the file's arrays.

    Raises:
        SetupError: an array is missing or has another shape or type, or a count is not positive.
    """
    wrong = [
        name
        for name, shape in SHAPES.items()
        if name not in loaded or loaded[name].shape != shape or loaded[name].dtype.kind != "i"
    ]
    counted = [name for name in ("counts", "chosen", "number") if name not in wrong and loaded[name].min() < 1]
    if wrong or counted:
        raise SetupError(f"the latent stream's tables are damaged ({(wrong + counted)[0]}): {HINT}")
    arrays = {name: loaded[name].astype(np.int64) for name in SHAPES}
    rows = arrays["counts"].reshape(-1, SYMBOLS)
    return LatentTables(
        arrays,
        symbol_models=[categorical(row) for row in rows],
        number_model=categorical(arrays["number"]),
        value_model=constriction.stream.model.Uniform(2 * VALUE_MAX + 1),
    )


def categorical(counts: Integers) -> constriction.stream.model.Categorical:
    """Return the range coder's model of integer ``counts``, each at least 1, with a sum below 2⁵³."""
    # perfect=False computes with exact integers; perfect=True uses logarithms, which differ between machines.
    return constriction.stream.model.Categorical(counts.astype(np.float64), perfect=False, lazy=False)
