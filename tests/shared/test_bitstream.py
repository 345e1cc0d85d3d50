"""The .sem container: exact inverse, every damage refused, bytes pinned by golden files."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.bitstream import MAX_BITSTREAM_BYTES, Bitstream, PictureHeader, bpp
from shared.errors import BitstreamError, PictureError
from shared.streams import Stream, StreamKind

GOLDEN = Path(__file__).parent / "golden"
DOCS = Path(__file__).parents[2] / "docs" / "bitstream.md"

headers = st.builds(PictureHeader, st.integers(64, 8192), st.integers(64, 8192), st.booleans())
kinds = st.sets(st.sampled_from(list(StreamKind))).map(sorted)


@st.composite
def bitstreams(draw: st.DrawFn) -> Bitstream:
    one_unit, units = st.tuples(st.binary(max_size=300)), st.lists(st.binary(max_size=40), min_size=2, max_size=20)
    several = units.filter(any)
    streams = tuple(Stream.of_units(kind, draw(one_unit | several)) for kind in draw(kinds))
    return Bitstream(draw(headers), streams)


@given(bitstreams())
@settings(deadline=None)
def test_unpack_inverts_pack(bitstream: Bitstream) -> None:
    packed = bitstream.pack()
    assert Bitstream.unpack(packed) == bitstream
    assert Bitstream.unpack(packed).pack() == packed


@given(bitstreams(), st.data())
@settings(deadline=None)
def test_any_changed_byte_is_refused(bitstream: Bitstream, data: st.DataObject) -> None:
    packed = bytearray(bitstream.pack())
    position = data.draw(st.integers(0, len(packed) - 1))
    packed[position] ^= data.draw(st.integers(1, 255))
    with pytest.raises(BitstreamError):
        Bitstream.unpack(bytes(packed))


@given(st.binary(max_size=2000))
@settings(deadline=None, max_examples=500)
def test_any_bytes_give_a_bitstream_or_a_typed_error(data: bytes) -> None:
    _unpack_or_typed_error(data)


@given(st.binary(max_size=60))
@settings(deadline=None, max_examples=1000)
def test_any_bytes_with_a_right_crc_give_a_bitstream_or_a_typed_error(body: bytes) -> None:
    # Behind the CRC the parser is on its own.
    _unpack_or_typed_error(_with_crc(b"\x20\x5f\xe1\xff" + body))
    _unpack_or_typed_error(_with_crc(b"\x40\x5f\xe1\xff" + body))


def _unpack_or_typed_error(data: bytes) -> None:
    try:
        bitstream = Bitstream.unpack(data)
    except BitstreamError:
        return
    assert bitstream.pack() == data


def _with_crc(body: bytes) -> bytes:
    """CRC-16/GENIBUS bit by bit, as the docs describe it."""
    register = 0xFFFF
    for byte in body:
        register ^= byte << 8
        for _ in range(8):
            register = (register << 1 ^ (0x1021 if register & 0x8000 else 0)) & 0xFFFF
    return body + (register ^ 0xFFFF).to_bytes(2, "big")


def test_every_change_of_every_byte_of_a_file_is_refused() -> None:
    packed = (GOLDEN / "two-streams.sem").read_bytes()
    for position in range(len(packed)):
        for change in range(1, 256):
            damaged = bytearray(packed)
            damaged[position] ^= change
            with pytest.raises(BitstreamError):
                Bitstream.unpack(bytes(damaged))


def test_every_truncation_and_appended_zeros_are_refused() -> None:
    packed = (GOLDEN / "two-streams.sem").read_bytes()
    for length in range(len(packed)):
        with pytest.raises(BitstreamError):
            Bitstream.unpack(packed[:length])
    for zeros in range(1, 100):
        with pytest.raises(BitstreamError):
            Bitstream.unpack(packed + bytes(zeros))


@pytest.mark.parametrize("name", ["one-stream", "two-streams", "all-kinds-grey", "no-stream", "units", "many-units"])
def test_golden_files_keep_their_bytes(name: str) -> None:
    packed = (GOLDEN / f"{name}.sem").read_bytes()
    expected = json.loads((GOLDEN / f"{name}.json").read_text())
    bitstream = Bitstream.unpack(packed)
    assert bitstream.header == PictureHeader(**expected["header"])
    assert {s.kind.name: s.payload.hex() for s in bitstream.streams} == expected["streams"]
    assert bitstream.pack() == packed == _with_crc(packed[:-2])


def test_example_in_the_docs_is_the_golden_file() -> None:
    rows = re.findall(r"^\| (\d+) \| `([0-9a-f ]+)` \|", DOCS.read_text(), flags=re.MULTILINE)
    assert bytes.fromhex("".join(row for _, row in rows)) == (GOLDEN / "two-streams.sem").read_bytes()
    offsets = [sum(len(bytes.fromhex(row)) for _, row in rows[:index]) for index in range(len(rows))]
    assert [int(offset) for offset, _ in rows] == offsets


def test_one_stream_costs_seven_bytes_of_overhead() -> None:
    bitstream = Bitstream(PictureHeader(768, 512), (Stream(StreamKind.HCI, bytes(900)),))
    assert len(bitstream.pack()) == 907


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("60000000", "version 3"),
        ("245fe1ff", "reserved"),
        ("20000000", "1x1 pixels"),
        ("205fe1ff 00", "tag 0x00"),
        ("205fe1ff 91", "tag 0x91"),
        ("205fe1ff 8f", "tag 0x8f"),
        ("205fe1ff 01", "does not end"),
        ("205fe1ff 01 05 aa", "claims 5 bytes, 1 are left"),
        ("205fe1ff 01 8100 aa 82", "shortest"),
        ("205fe1ff 01 ffffff01 aa", "does not end"),
        ("205fe1ff 01 01 aa", "before a stream that is marked"),
        ("205fe1ff 01 01 aa 81", "at most once"),
        ("205fe1ff 02 01 aa 81", "ascending"),
        ("405fe1ff 81 aa", "version 2 does not fit"),
        ("205fe1ff 86 aa", "version 1 does not fit"),
        ("205fe1ff c1 02 01 aa bb", "version 1 does not fit"),
        ("485fe1ff c1 02 01 aa bb", "does not fit"),
        ("445fe1ff c1 02 01 aa bb", "reserved"),
        ("405fe1ff c1 01 aa", "1 units"),
        ("405fe1ff c1 7f 01 aa", "127 units in 2 bytes"),
        ("405fe1ff c1 02 03 aa bb", "claims 3 bytes, 2 are left"),
        ("405fe1ff 41 01 02 02 aa bb 86", "claims 2 bytes"),
        ("405fe1ff c1 02 00", "0 bytes in a payload of 0"),
    ],
)
def test_a_body_that_pack_never_writes_is_refused(body: str, message: str) -> None:
    with pytest.raises(BitstreamError, match=message):
        Bitstream.unpack(_with_crc(bytes.fromhex(body)))


@pytest.mark.parametrize(("width", "height"), [(63, 64), (64, 8193), (0, 100), (-1, 100)])
def test_sides_outside_the_range_are_refused(width: int, height: int) -> None:
    with pytest.raises(PictureError, match=f"{width}x{height} pixels; the link carries 64 to 8192"):
        PictureHeader(width, height)


@pytest.mark.parametrize(("width", "height"), [(64, 8192), (8192, 64), (65, 127), (8192, 8192)])
def test_extreme_and_odd_sides_survive(width: int, height: int) -> None:
    header = PictureHeader(width, height)
    assert PictureHeader.unpack(header.pack()) == header
    assert header.pixels == width * height


def test_a_bitstream_refuses_kinds_out_of_order_or_twice() -> None:
    header = PictureHeader(64, 64)
    hci, caption = Stream(StreamKind.HCI, b""), Stream(StreamKind.CAPTION, b"")
    for streams in [(caption, hci), (hci, hci)]:
        with pytest.raises(BitstreamError, match="at most once, in ascending order"):
            Bitstream(header, streams)


def test_a_bitstream_is_bounded() -> None:
    with pytest.raises(BitstreamError, match="lower the budget"):
        Bitstream(PictureHeader(64, 64), (Stream(StreamKind.HCI, bytes(MAX_BITSTREAM_BYTES)),))
    with pytest.raises(BitstreamError, match=f"6 to {MAX_BITSTREAM_BYTES}"):
        Bitstream.unpack(bytes(MAX_BITSTREAM_BYTES + 1))


def test_stream_by_kind() -> None:
    hci = Stream(StreamKind.HCI, b"abc")
    bitstream = Bitstream(PictureHeader(64, 64), (hci,))
    assert bitstream.stream(StreamKind.HCI) == hci
    assert bitstream.stream(StreamKind.CAPTION) is None


def test_bpp_counts_bits_per_pixel() -> None:
    assert bpp(983, 768, 512) == 983 * 8 / 393216
