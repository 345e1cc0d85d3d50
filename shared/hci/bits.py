"""Bit fields of a byte string, most significant bit first."""

from __future__ import annotations

from shared.errors import BitstreamError


class BitReader:
    """Reads big-endian bit fields; reading past the end is a ``BitstreamError``."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def bits(self, count: int) -> int:
        """Return the next ``count`` bits as an unsigned number."""
        end = self._position + count
        if end > 8 * len(self._data):
            raise BitstreamError(f"bit fields break off after {len(self._data)} bytes; the payload is truncated")
        last = (end + 7) // 8
        value = int.from_bytes(self._data[self._position // 8 : last], "big") >> (8 * last - end)
        self._position = end
        return value & ((1 << count) - 1)

    def signed(self, count: int) -> int:
        """Return the next ``count`` bits as a two's complement number."""
        value = self.bits(count)
        return value - ((value >> (count - 1)) << count)

    def expect(self, value: int, count: int, name: str) -> None:
        """Read ``count`` bits that must be ``value``."""
        found = self.bits(count)
        if found != value:
            raise BitstreamError(f"header field {name} is {found}; this link's profile has {value}")

    def rest(self) -> bytes:
        """Return the whole bytes after the current position, past zero bits up to the byte boundary."""
        self.expect(0, -self._position % 8, "byte alignment")
        return self._data[self._position // 8 :]


class BitWriter:
    """Writes big-endian bit fields."""

    def __init__(self) -> None:
        self._value = 0
        self._count = 0

    def bits(self, value: int, count: int) -> None:
        """Append the low ``count`` bits of ``value``."""
        self._value = (self._value << count) | (value & ((1 << count) - 1))
        self._count += count

    def to_bytes(self) -> bytes:
        """Return what was written, filled up with zero bits to whole bytes."""
        padding = -self._count % 8
        return (self._value << padding).to_bytes((self._count + padding) // 8, "big")
