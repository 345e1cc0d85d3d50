"""Shows names and texts that come from outside: file names, options, messages of services."""

from __future__ import annotations

import hashlib
import re
from typing import Final

_ESCAPED: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, line ends, changes of direction, and bytes that are not UTF-8 (PEP 383)."""
_FIRST_BYTE: Final = 0xDC80
_LAST_BYTE: Final = 0xDCFF
_HASH_DIGITS: Final = 8


def printable(value: object) -> str:
    r"""Return ``value``, such as a path, as one line of text that UTF-8 holds and that moves no cursor.

    Control characters and bytes of a file name that are not UTF-8 become escapes such as ``\n`` and ``\xe9``.

    >>> printable("caf\udce9.png"), printable("two\nlines")
    ('caf\\xe9.png', 'two\\nlines')
    """
    return _ESCAPED.sub(_escape, str(value))


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    if _FIRST_BYTE <= code <= _LAST_BYTE:
        return f"\\x{code - 0xDC00:02x}"
    return found[0].encode("unicode_escape").decode()


def short_name(text: str, most: int) -> str:
    """Return ``text`` as a file name of at most ``most`` bytes: no slash, and a hash at the end of what is cut."""
    name = printable(text).replace("/", "_")
    if len(name.encode()) <= most:
        return name
    return f"{cut_bytes(name, most - _HASH_DIGITS - 1)}-{hashlib.sha256(name.encode()).hexdigest()[:_HASH_DIGITS]}"


def cut_bytes(text: str, most: int) -> str:
    """Return the beginning of ``text`` that takes at most ``most`` bytes as UTF-8. No character is cut in two."""
    return text.encode()[:most].decode(errors="ignore")
