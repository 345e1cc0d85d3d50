"""Decodes many pictures: those that can be computed together as batches, which one tile's memory bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from receiver.decoders.base import DecodeOptions
    from receiver.guidance import Guidance

    Request = tuple[Guidance, DecodeOptions]

T = TypeVar("T")


def decode_in_batches(
    requests: Sequence[Request],
    key: Callable[[Guidance, DecodeOptions], Hashable],
    most_pixels: int,
    decode: Callable[[Sequence[Request]], Sequence[T]],
) -> list[T]:
    """Return what ``decode`` returns for each of ``requests``, in their order.

    ``decode`` gets requests of one size and one ``key``: as many as have ``most_pixels`` together, at least one.
    """
    groups: dict[Hashable, list[int]] = {}
    for index, (guidance, options) in enumerate(requests):
        header = guidance.header
        groups.setdefault((header.width, header.height, key(guidance, options)), []).append(index)
    done: dict[int, T] = {}
    for members in groups.values():
        count = max(1, most_pixels // requests[members[0]][0].header.pixels)
        for start in range(0, len(members), count):
            chosen = members[start : start + count]
            done.update(zip(chosen, decode([requests[index] for index in chosen]), strict=True))
    return [done[index] for index in range(len(requests))]
