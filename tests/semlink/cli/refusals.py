"""Runs commands that must be refused, one after the other in a process that cannot import a heavy library.

Reads a JSON list of argument lists from standard input; prints a JSON list of exit status and standard error.
"""

from __future__ import annotations

import contextlib
import importlib.abc
import io
import json
import sys

from semlink.cli.main import main

HEAVY = ("torch", "sionna", "diffusers", "transformers")


class HeavyImport(BaseException):
    """A command imported a heavy library before it refused its arguments."""


class RefuseHeavyImports(importlib.abc.MetaPathFinder):
    def find_spec(self, fullname, path, target=None):
        del path, target
        if fullname in HEAVY:
            raise HeavyImport(fullname)


def run(arguments: list[str]) -> tuple[str, str]:
    sys.argv = ["semlink", *arguments]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as error:
        try:
            main()
        except SystemExit as ended:
            return str(ended.code), error.getvalue()
        except HeavyImport as caught:
            return f"imported {caught}", error.getvalue()
    return "no exit", error.getvalue()


if __name__ == "__main__":
    sys.meta_path.insert(0, RefuseHeavyImports())
    print(json.dumps([run(arguments) for arguments in json.load(sys.stdin)]))
