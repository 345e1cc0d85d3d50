"""Writes golden.json: payloads of captions, which decode to the same text on any machine.

Run from the repository's root after every change of the tables: python tests/shared/caption/make_golden.py
"""

import json
from pathlib import Path

from shared.caption.coder import encode_caption

TEXTS = (
    "",
    "A brown dog runs through the grass.",
    "A child in a pink dress is climbing up a set of stairs in an entry way .",
    "two dogs, one of them wet, play",
    "Two dogs , one of them wet , play",
    "a",
    ".",
    " ",
    "  two  spaces ",
    "A quokka photographs Perseverance.",
    "Ein Hund läuft über die Wiese.",
    "Собака бежит по траве.",
    "一只狗在草地上奔跑。",
    "كلب يجري على العشب",
    "🐕 and \U0010ffff",
    "new\nline\ttab\0nul",
)

if __name__ == "__main__":
    golden = [{"text": text, "payload": encode_caption(text).hex()} for text in TEXTS]
    Path(__file__).with_name("golden.json").write_text(json.dumps(golden, indent=1) + "\n")
