"""Decode a container as a coding specification says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from receiver.decoders.base import options_for
from shared.bitstream import Bitstream

if TYPE_CHECKING:
    from receiver.rebuild import Rebuilt
    from semlink.pipeline.coding_spec import CodingSpec
    from semlink.pipeline.pipeline import Pipeline


def remove_dropped_streams(spec: CodingSpec, bitstream: Bitstream) -> Bitstream:
    """Return ``bitstream`` without the streams that ``spec`` drops."""
    kept = tuple(stream for stream in bitstream.streams if stream.kind not in spec.dropped)
    return Bitstream(bitstream.header, kept)


def decode_as_specified(pipeline: Pipeline, spec: CodingSpec, bitstream: Bitstream) -> Rebuilt:
    """Return the picture that the decoder of ``spec``, with its options, makes of ``bitstream``.

    Raises:
        SetupError: the decoder's weights or the device are missing.
    """
    decoder = pipeline.decoder(spec.decoder)
    options = options_for(decoder, steps=spec.steps, fidelity=spec.fidelity, seed=spec.seed)
    return pipeline.decode(remove_dropped_streams(spec, bitstream), spec.decoder, options)
