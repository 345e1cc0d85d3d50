"""Writes golden.json: payloads of tokens, which decode to the same codes on any machine.

Run from the repository's root after every change of the tokens' tables (`python -m training.pocket counts`):
python tests/shared/tokens/make_golden.py
"""

import json
from pathlib import Path

from shared.tokens.stream import CODES, TokenKind, Tokens, encode_tokens

CASES = (
    (TokenKind.SPW, (0,) * 8),
    (TokenKind.SPW, tuple(range(64))),
    (TokenKind.SPW, tuple(37 * place % CODES for place in range(17))),
    (TokenKind.RSRT, (CODES - 1,) * 8),
    (TokenKind.RSRT, tuple(reversed(range(64)))),
    (TokenKind.RSRT, tuple(11 * place * place % CODES for place in range(32))),
)

if __name__ == "__main__":
    golden = [
        {"kind": kind.name, "codes": codes, "payload": encode_tokens(Tokens(kind, codes)).hex()}
        for kind, codes in CASES
    ]
    Path(__file__).with_name("golden.json").write_text(json.dumps(golden, indent=1) + "\n")
