"""Made-up pairs for the tests of the refiner's recipe."""

from __future__ import annotations

import numpy as np

SIDE, TEXT = 224, 384


def make_pairs(count=8, stride=4):
    """Return pairs whose pictures are as bright as their codes say, restored as an even grey with a little texture."""
    from training.pocket.refiner_pairs import RefinerPairs

    rng = np.random.default_rng(0)
    codes = rng.choice(np.array([4, 20], np.uint8), size=(count, 7, 7))
    picture = np.kron(codes, np.ones((32, 32), np.uint8))[..., None].repeat(3, 3) * 10
    some = -(-count // stride)

    def grey(*shape):
        return rng.integers(110, 130, shape, dtype=np.uint8)

    def vectors(*shape):
        return rng.standard_normal(shape).astype(np.float16)

    return RefinerPairs(
        picture=picture,
        restored=grey(count, SIDE, SIDE, 3),
        codes=codes,
        caption=vectors(count, 24, TEXT),
        captioned=np.ones((count, 24), np.uint8),
        pseudo_words=vectors(count, 64, 3),
        latent=vectors(count, 32, 14, 14),
        rank=rng.permuted(np.arange(32, dtype=np.uint8)[None].repeat(count, 0), axis=1),
        region=vectors(count, 3, TEXT),
        region_mask=rng.integers(0, 2, (count, 3, 8, 8), dtype=np.uint8),
        sliced=grey(some, SIDE, SIDE, 3),
        sliced_received=np.repeat(np.arange(56, dtype=np.uint8)[None, None] < 28, 56, 1).repeat(some, 0).astype("u1"),
        fallback=grey(some, SIDE, SIDE, 3),
        layout=grey(some, 56, 56, 3),
        fallback_channels=np.ones((some, 32), np.uint8),
        fallback_words=np.array([[1, 8, 1]] * some, np.uint8),
        stride=stride,
    )
