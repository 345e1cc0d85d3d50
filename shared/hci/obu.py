"""Strips the headers of an AV1 still to the few bits that a receiver needs, and rebuilds them.

Section numbers are those of the AV1 Bitstream & Decoding Process Specification, version 1.0.0 with errata 1. The
profile of this project is one shown key frame with ``reduced_still_picture_header``, 8 bits, 64×64 superblocks, no
super-resolution, no loop restoration, no film grain, no quantiser matrices, no segmentation. Fields that are therefore
constant, or follow from the picture's size, are not sent. The reduced header has no ``frame_size_override_flag``, so a
damaged payload cannot request a picture larger than the one the receiver expects. An open bitstream unit (OBU) is the
syntax element of AV1 that holds a header or a frame.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

from shared.errors import BitstreamError
from shared.hci.bits import BitReader, BitWriter

if TYPE_CHECKING:
    from collections.abc import Iterator

OBU_SEQUENCE_HEADER = 1
OBU_FRAME = 6
SUPERBLOCK = 64
MAX_TILE_COLUMNS = 4096 // SUPERBLOCK
MAX_TILE_SUPERBLOCKS = 4096 * 2304 // SUPERBLOCK**2
MAX_LEVEL = 31  # seq_level_idx "maximum parameters": decoding does not depend on it
TRAILING = b"\x80"  # a last byte with nothing but the arithmetic coder's trailing one bit (section 8.2.4)

DEBLOCKING_LEVELS, LEVEL_STEP = 16, 4  # loop_filter_level 0, 4 .. 60 in four bits
CDEF_STRENGTHS = ((0, 0), (1, 0), (2, 0), (3, 1), (5, 1), (7, 1), (10, 2), (15, 3))  # (primary, secondary)


class Chroma(IntEnum):
    """Chroma format of a still. 4:2:0 or 4:4:4 is one bit on the wire; grey is known from the picture's kind."""

    YUV420 = 0
    YUV444 = 1
    GREY = 2


# (TxModeSelect, delta_q_res, whether chroma is quantised more finely) that libaom writes most often, by their two-bit
# code; code 3 spells everything out. The first two are of tune=iq, the third is of the other tunings.
COMMON_MODES = ((True, 3, True), (True, None, True), (True, None, False))
SPELLED_OUT = 3
# delta_q_u_dc and delta_q_u_ac that libaom's tune=iq writes.
FINE_CHROMA_DELTA = {Chroma.YUV420: (-16, -16), Chroma.YUV444: (0, 24), Chroma.GREY: (0, 0)}


@dataclass(frozen=True, slots=True)
class PostFilter:
    """In-loop filters of a still, as wire codes.

    They act after intra prediction, so the tile data do not depend on them and the encoder may choose them freely:
    deblocking levels in steps of 4 (0..15) and CDEF strengths as indices of ``CDEF_STRENGTHS`` (0..7). Chroma is not
    deblocked where luma is not (section 5.9.11).
    """

    luma_level: int = 0
    chroma_level: int = 0
    luma_cdef: int = 0
    chroma_cdef: int = 0


@dataclass(frozen=True, slots=True)
class Still:
    """The header fields of one AV1 still that are not constant.

    ``quantizer`` is libaom's 0..63, ``delta_q_res`` is None where no block changes its quantiser, ``chroma_delta``
    is (DeltaQUDc, DeltaQUAc). ``extra_columns_log2`` is 1 where libaom makes twice the tile columns that it must
    (wider than 63 superblocks); ``context_tile`` and ``tile_size_bytes`` matter only where there are several tiles.
    ``encoder_levels`` are the encoder's own four deblocking levels and their sharpness; they replace those of
    ``post_filter``.
    """

    width: int
    height: int
    chroma: Chroma
    quantizer: int
    screen_content: bool = False
    tx_mode_select: bool = True
    delta_q_res: int | None = 3
    chroma_delta: tuple[int, int] = (0, 0)
    extra_columns_log2: int = 0
    context_tile: int = 0
    tile_size_bytes: int = 4
    post_filter: PostFilter = field(default_factory=PostFilter)
    encoder_levels: tuple[int, ...] | None = None

    @property
    def base_q_idx(self) -> int:
        """base_q_idx of the frame: libaom's quantizer_to_qindex."""
        return {62: 249, 63: 255}.get(self.quantizer, 4 * self.quantizer)

    @property
    def mode_code(self) -> int:
        """The two-bit code of the elements that rarely change."""
        if self.screen_content or self.extra_columns_log2:
            return SPELLED_OUT
        for code, (tx_mode_select, delta_q_res, fine_chroma) in enumerate(COMMON_MODES):
            delta = FINE_CHROMA_DELTA[self.chroma] if fine_chroma else (0, 0)
            if (self.tx_mode_select, self.delta_q_res, self.chroma_delta) == (tx_mode_select, delta_q_res, delta):
                return code
        return SPELLED_OUT

    @property
    def tiles(self) -> _TileGrid:
        """The tiles of a picture of this size, by section 5.9.15."""
        columns, rows = -(-self.width // SUPERBLOCK), -(-self.height // SUPERBLOCK)
        least = _tile_log2(MAX_TILE_COLUMNS, columns)
        tiles_log2 = max(least, _tile_log2(MAX_TILE_SUPERBLOCKS, columns * rows))
        columns_log2 = least + self.extra_columns_log2
        return _TileGrid(
            columns_log2,
            max(tiles_log2 - columns_log2, 0),
            max(_tile_log2(1, columns) - least, 0),
            _tile_log2(1, rows),
        )


@dataclass(frozen=True, slots=True)
class _TileGrid:
    """log2 of tile columns and rows, how many more columns the header could ask for, and the most rows."""

    columns_log2: int
    rows_log2: int
    more_columns: int
    max_rows_log2: int

    @property
    def log2(self) -> int:
        """log2 of the number of tiles."""
        return self.columns_log2 + self.rows_log2

    @property
    def more_rows(self) -> bool:
        """Whether the header could ask for more tile rows."""
        return self.rows_log2 < self.max_rows_log2


def _tile_log2(block: int, target: int) -> int:
    """Return the smallest k with ``block << k`` >= ``target`` (tile_log2 of section 5.9.16)."""
    return max((target + block - 1) // block - 1, 0).bit_length()


def obus(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (obu_type, payload) of every OBU in ``data``; each must carry its size (section 5.3.2)."""
    position = 0
    while position < len(data):
        obu_type, size, shift = data[position] >> 3 & 15, 0, 0
        while True:
            position += 1
            if position >= len(data) or shift > 28:
                raise BitstreamError("AV1 OBU without a readable size")
            size |= (data[position] & 127) << shift
            shift += 7
            if data[position] < 128:
                break
        position += 1
        yield obu_type, data[position : position + size]
        position += size


def _obu(obu_type: int, payload: bytes) -> bytes:
    """Return ``payload`` with its OBU header and leb128 size."""
    out, size = bytearray([obu_type << 3 | 2]), len(payload)
    while size > 127:
        out.append(size & 127 | 128)
        size >>= 7
    return bytes(out) + bytes([size]) + payload


def check_sequence_header(payload: bytes, width: int, height: int) -> Chroma:
    """Check that an encoder's sequence header (section 5.5) is one of this profile and return its chroma format."""
    bits = BitReader(payload)
    profile = bits.bits(3)
    bits.expect(0b11, 2, "still_picture, reduced_still_picture_header")
    bits.bits(5)  # seq_level_idx
    width_bits, height_bits = bits.bits(4) + 1, bits.bits(4) + 1
    bits.expect(width - 1, width_bits, "max_frame_width_minus_1")
    bits.expect(height - 1, height_bits, "max_frame_height_minus_1")
    bits.expect(0, 1, "use_128x128_superblock")
    bits.expect(0b11, 2, "enable_filter_intra, enable_intra_edge_filter")
    bits.expect(0, 3, "enable_superres, enable_cdef, enable_restoration")
    bits.expect(0, 1, "high_bitdepth")
    grey = profile == 0 and bits.bits(1)
    if bits.bits(1):
        bits.bits(24)  # colour description: constant
    bits.expect(1, 1, "color_range")
    if grey:
        return Chroma.GREY
    if profile == 0:
        bits.bits(2)  # chroma_sample_position
    bits.expect(0, 1, "separate_uv_delta_q")
    return Chroma.YUV444 if profile == 1 else Chroma.YUV420


def _sequence_header(still: Still) -> bytes:
    """Return the sequence header OBU's payload (section 5.5), CDEF allowed."""
    out = BitWriter()
    out.bits(1 if still.chroma is Chroma.YUV444 else 0, 3)
    out.bits(0b11, 2)  # still_picture, reduced_still_picture_header
    out.bits(MAX_LEVEL, 5)
    sides = still.width - 1, still.height - 1
    widths = [max(side.bit_length(), 1) for side in sides]
    for count in widths:
        out.bits(count - 1, 4)
    for side, count in zip(sides, widths, strict=True):
        out.bits(side, count)
    out.bits(0b011_010, 6)  # 64x64, filter intra, intra edge filter; no superres, CDEF, no restoration
    out.bits(0, 1)  # high_bitdepth
    if still.chroma is not Chroma.YUV444:
        out.bits(still.chroma is Chroma.GREY, 1)
    out.bits(0b01, 2)  # no color_description, full color_range
    if still.chroma is Chroma.YUV420:
        out.bits(0, 2)  # chroma_sample_position unknown
    if still.chroma is not Chroma.GREY:
        out.bits(0, 1)  # separate_uv_delta_q
    out.bits(0b01, 2)  # no film grain; trailing one bit
    return out.to_bytes()


def read_frame(payload: bytes, width: int, height: int, chroma: Chroma) -> tuple[Still, bytes]:
    """Parse an encoder's frame OBU (section 5.9.2) and return the fields that are not constant, and the tile group.

    Raises:
        BitstreamError: the header uses a tool that this profile leaves out.
    """
    bits = BitReader(payload)
    bits.expect(0, 1, "disable_cdf_update")
    screen_content = bool(bits.bits(1))
    if screen_content:
        bits.bits(1)  # force_integer_mv: without meaning in a key frame
    bits.expect(0, 1, "render_and_frame_size_different")
    if screen_content:
        bits.expect(0, 1, "allow_intrabc")
    grid = Still(width, height, chroma, 0).tiles
    bits.expect(1, 1, "uniform_tile_spacing_flag")
    extra_columns_log2 = bits.bits(1) if grid.more_columns else 0
    if extra_columns_log2 and grid.more_columns > 1:
        bits.expect(0, 1, "increment_tile_cols_log2")
    grid = Still(width, height, chroma, 0, extra_columns_log2=extra_columns_log2).tiles
    bits.expect(0, int(grid.more_rows), "increment_tile_rows_log2")
    context_tile = bits.bits(grid.log2)
    tile_size_bytes = bits.bits(2) + 1 if grid.log2 else 4
    base_q_idx = bits.bits(8)
    bits.expect(0, 1, "DeltaQYDc")
    chroma_delta = (0, 0) if chroma is Chroma.GREY else (_optional_delta(bits), _optional_delta(bits))
    bits.expect(0, 1, "using_qmatrix")
    bits.expect(0, 1, "segmentation_enabled")
    delta_q_res = bits.bits(2) if bits.bits(1) else None
    if delta_q_res is not None:
        bits.expect(0, 1, "delta_lf_present")
    levels = [bits.bits(6), bits.bits(6)]
    levels += [bits.bits(6), bits.bits(6)] if any(levels) and chroma is not Chroma.GREY else [0, 0]
    levels.append(bits.bits(3))
    bits.expect(0b10, 2, "loop_filter_delta_enabled, loop_filter_delta_update")
    tx_mode_select = bool(bits.bits(1))
    bits.expect(0, 1, "reduced_tx_set")
    still = Still(
        width,
        height,
        chroma,
        {249: 62, 255: 63}.get(base_q_idx, base_q_idx // 4),
        screen_content,
        tx_mode_select,
        delta_q_res,
        chroma_delta,
        extra_columns_log2,
        context_tile,
        tile_size_bytes,
        encoder_levels=tuple(levels),
    )
    return still, bits.rest()


def _optional_delta(bits: BitReader) -> int:
    """Read a delta_q (section 5.9.13)."""
    return bits.signed(7) if bits.bits(1) else 0


def _frame_header(still: Still) -> bytes:
    """Return the frame OBU's header (section 5.9.2), byte-aligned."""
    out, grid, colour = BitWriter(), still.tiles, still.chroma is not Chroma.GREY
    out.bits(0b010 if still.screen_content else 0b00, 3 if still.screen_content else 2)
    out.bits(0, 1)  # render_and_frame_size_different
    out.bits(0, int(still.screen_content))  # allow_intrabc
    out.bits(1, 1)  # uniform_tile_spacing_flag
    if grid.more_columns:
        out.bits(still.extra_columns_log2, 1)
    if still.extra_columns_log2 and grid.more_columns > 1:
        out.bits(0, 1)
    out.bits(0, int(grid.more_rows))
    if grid.log2:
        out.bits(still.context_tile, grid.log2)
        out.bits(still.tile_size_bytes - 1, 2)
    out.bits(still.base_q_idx, 8)
    out.bits(0, 1)  # DeltaQYDc
    for delta in still.chroma_delta if colour else ():
        out.bits(128 | (delta & 127) if delta else 0, 8 if delta else 1)
    out.bits(0, 2)  # using_qmatrix, segmentation_enabled
    out.bits(still.delta_q_res is not None, 1)
    if still.delta_q_res is not None:
        out.bits(still.delta_q_res << 1, 3)  # delta_q_res, delta_lf_present 0
    _write_filters(out, still, colour=colour)
    out.bits(still.tx_mode_select, 1)
    out.bits(0, 1)  # reduced_tx_set
    return out.to_bytes()


def _write_filters(out: BitWriter, still: Still, *, colour: bool) -> None:
    """Write loop_filter_params and cdef_params (sections 5.9.11 and 5.9.19)."""
    chosen = still.post_filter
    luma, chroma = LEVEL_STEP * chosen.luma_level, LEVEL_STEP * chosen.chroma_level
    levels = still.encoder_levels or (luma, luma, chroma, chroma, 0)
    for level in levels[: 4 if colour and any(levels[:2]) else 2]:
        out.bits(level, 6)
    out.bits(levels[4], 3)  # loop_filter_sharpness
    out.bits(0b10, 2)  # loop_filter_delta_enabled, no update
    out.bits(still.base_q_idx >> 6, 2)  # cdef_damping_minus_3, as libaom derives it
    out.bits(0, 2)  # cdef_bits: one strength for the whole picture
    for index in (chosen.luma_cdef, chosen.chroma_cdef)[: 2 if colour else 1]:
        primary, secondary = CDEF_STRENGTHS[index]
        out.bits(primary << 2 | secondary, 6)


def temporal_unit(still: Still, tile_group: bytes) -> bytes:
    """Return the AV1 temporal unit (sequence header, frame) that a standard decoder takes."""
    sequence = _obu(OBU_SEQUENCE_HEADER, _sequence_header(still))
    return sequence + _obu(OBU_FRAME, _frame_header(still) + tile_group)


def pack(still: Still, tile_group: bytes) -> bytes:
    """Return the payload: header and tile group.

    The header takes 3 bytes for a colour still and 2 for a grey one, more if ``mode_code`` is ``SPELLED_OUT``.
    """
    out, colour = BitWriter(), still.chroma is not Chroma.GREY
    stripped = tile_group.removesuffix(TRAILING)
    out.bits(still.chroma, int(colour))
    out.bits(still.quantizer, 6)
    out.bits(stripped != tile_group, 1)
    chosen = still.post_filter
    out.bits(chosen.luma_level, 4)
    out.bits(chosen.luma_cdef, 3)
    if colour:
        out.bits(chosen.chroma_level, 4)
        out.bits(chosen.chroma_cdef, 3)
    out.bits(still.mode_code, 2)
    if still.mode_code == SPELLED_OUT:
        out.bits(still.screen_content, 1)
        out.bits(still.tx_mode_select, 1)
        out.bits(0 if still.delta_q_res is None else 4 | still.delta_q_res, 3)
        for delta in still.chroma_delta if colour else ():
            out.bits(delta, 7)
        out.bits(still.extra_columns_log2, 1)
    if still.tiles.log2:
        out.bits(still.context_tile, still.tiles.log2)
        out.bits(still.tile_size_bytes - 1, 2)
    return out.to_bytes() + stripped


def unpack(payload: bytes, width: int, height: int, *, grey: bool) -> tuple[Still, bytes]:
    """Return the still's header values and tile group from a payload; the inverse of ``pack``.

    Raises:
        BitstreamError: the header is cut off or holds a value that no encoder of this link writes.
    """
    bits = BitReader(payload)
    chroma = Chroma.GREY if grey else Chroma(bits.bits(1))
    quantizer, stripped = bits.bits(6), bits.bits(1)
    if quantizer == 0:
        raise BitstreamError("AV1 payload has quantizer 0; stills of this link use 1 to 63")
    luma_level, luma_cdef = bits.bits(4), bits.bits(3)
    chroma_level, chroma_cdef = (0, 0) if grey else (bits.bits(4), bits.bits(3))
    chosen = PostFilter(luma_level, chroma_level, luma_cdef, chroma_cdef)
    values = _mode_values(bits, chroma)
    grid = Still(width, height, chroma, quantizer, *values).tiles
    if grid.columns_log2 and not grid.more_columns:
        raise BitstreamError(f"AV1 payload asks for several tile columns in a picture {width} pixels wide")
    context_tile = bits.bits(grid.log2)
    tile_size_bytes = bits.bits(2) + 1 if grid.log2 else 4
    still = Still(width, height, chroma, quantizer, *values, context_tile, tile_size_bytes, chosen)
    return still, bits.rest() + TRAILING * stripped


def _mode_values(bits: BitReader, chroma: Chroma) -> tuple[bool, bool, int | None, tuple[int, int], int]:
    """Read screen_content, tx_mode_select, delta_q_res, chroma_delta and extra_columns_log2."""
    code = bits.bits(2)
    if code != SPELLED_OUT:
        tx_mode_select, delta_q_res, fine_chroma = COMMON_MODES[code]
        return False, tx_mode_select, delta_q_res, FINE_CHROMA_DELTA[chroma] if fine_chroma else (0, 0), 0
    screen_content, tx_mode_select, delta_q = bool(bits.bits(1)), bool(bits.bits(1)), bits.bits(3)
    chroma_delta = (0, 0) if chroma is Chroma.GREY else (bits.signed(7), bits.signed(7))
    return screen_content, tx_mode_select, delta_q & 3 if delta_q & 4 else None, chroma_delta, bits.bits(1)
