"""The commands and the Python of the documents, as tests read them: fenced blocks, and commands in the text."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "docs/results/*.md", "training/*.md", "benchmarks/*.md", "models/*/*.md")
    for path in ROOT.glob(pattern)
)
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`]+)`")
PROGRAMS = ("semlink", "python", "accelerate", "make", "docker", "pip", "export", ".", "OMP_NUM_THREADS=1")
COMMAND = re.compile(r"(?:semlink|(?:OMP_NUM_THREADS=1 )?python -m|docker compose|make|pip install) \S")


@dataclass(frozen=True)
class Command:
    """A command as a page writes it; ``shown`` if it stands in a block, for the reader to run.

    ``line`` is the line of the shell that it stands in, which differs for the commands of a pipe.
    """

    page: str
    text: str
    shown: bool
    line: str = ""

    @property
    def words(self) -> list[str]:
        """The words of the command without variables before it, redirections and comments."""
        words = shlex.split(re.sub(r" [<>] \S+", "", self.text), comments=True)
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            words.pop(0)
        return words

    def __str__(self) -> str:
        return f"{self.page}: {self.text}"


def _read_commands() -> list[Command]:
    found = []
    for path in PAGES:
        page, text = path.relative_to(ROOT).as_posix(), path.read_text("utf-8")
        for language, body in BLOCK.findall(text):
            lines = body.replace("\\\n", " ").splitlines() if language in {"", "sh"} else []
            for line in lines:
                if line.startswith(PROGRAMS):
                    found += [Command(page, one.strip(), shown=True, line=line) for one in line.split(" | ")]
        for one in INLINE.findall(BLOCK.sub("", text)):
            if COMMAND.match(one):
                found.append(Command(page, " ".join(one.split()), shown=False))
    return found


COMMANDS = _read_commands()
PYTHON = [
    (path.relative_to(ROOT).as_posix(), body)
    for path in PAGES
    for language, body in BLOCK.findall(path.read_text("utf-8"))
    if language == "python"
]


def find_commands(*start: str) -> list[Command]:
    """Return the commands whose first words are ``start``, each text once."""
    found = {one.text: one for one in reversed(COMMANDS) if tuple(one.words[: len(start)]) == start}
    return sorted(found.values(), key=str)
