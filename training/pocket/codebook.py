"""The codebook of the residual tokens: clusters of what the restorer lost (``receiver/pocket/texture_codes.py``).

A code says which texture is missing, from the first step of training on. Codes that are learned together with the
decoder collapse instead: the decoder does not learn to read what says nothing yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.cluster.vq import kmeans2

from receiver.pocket.texture_codes import Codebook
from shared.residual.stream import CODES

if TYPE_CHECKING:
    from numpy.typing import NDArray

COMPONENTS = 10
ITERATIONS = 30
MAX_SAMPLES = 60_000


def fit_codebook(differences: NDArray[np.float32], seed: int = 1) -> Codebook:
    """Return the codebook of ``differences`` ``[N, F]``: principal components, then k-means (Lloyd 1982)."""
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(differences))[:MAX_SAMPLES]
    sample = differences[np.sort(chosen)].astype(np.float64)
    mean = sample.mean(0)
    _, vectors = np.linalg.eigh(np.cov(sample - mean, rowvar=False))
    components = vectors[:, ::-1][:, :COMPONENTS]
    centres, _ = kmeans2((sample - mean) @ components, CODES, iter=ITERATIONS, minit="++", rng=rng)
    return Codebook(mean.astype(np.float32), components.astype(np.float32), centres.astype(np.float32))


def entropy_bits(codes: NDArray[np.uint8]) -> float:
    """Return the entropy of ``codes`` in bits, without context."""
    share = np.bincount(codes.ravel(), minlength=CODES) / codes.size
    return float(-(share[share > 0] * np.log2(share[share > 0])).sum())
