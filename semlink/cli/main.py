"""The ``semlink`` command: its subcommands, one file each, and what a failure prints.

Subcommands import what is heavy when they run, so that ``--help`` answers at once.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer
from typer.exceptions import TyperException

from semlink.cli.channels import channels
from semlink.cli.codecs import codecs
from semlink.cli.cores import choose_threads
from semlink.cli.decode import decode
from semlink.cli.demo import demo
from semlink.cli.doctor import doctor
from semlink.cli.encode import encode
from semlink.cli.evaluate import evaluate
from semlink.cli.exit import exit_now
from semlink.cli.models import models
from semlink.cli.option_groups import expand_groups
from semlink.cli.plot import plot
from semlink.cli.probe import probe
from semlink.cli.report import report
from semlink.cli.send import send
from semlink.cli.serve import serve
from semlink.cli.standard_streams import open_streams
from semlink.cli.sweep import sweep
from semlink.cli.up import up
from shared.errors import LinkError
from shared.missing_package import explain_missing
from shared.printable import printable

INTERRUPTED_STATUS = 130
BROKEN_PIPE_STATUS = 141
COMMANDS = {
    command.__name__: command
    for command in (
        *(demo, send, channels, codecs, models, encode, decode),
        *(serve, up, probe, doctor),
        *(evaluate, sweep, plot, report),
    )
}

app = typer.Typer(
    help="A simulated 6G / deep-space semantic communication link for pictures.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        print(f"semlink {version('semlink')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version and exit.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    """Take the options that stand before the command."""


for _command in COMMANDS.values():
    app.command()(expand_groups(_command))


def run() -> None:
    """Run the command as a process: ends it without the second that Python takes to remove torch's modules."""
    try:
        main()
    except SystemExit as ended:
        exit_now(ended.code if isinstance(ended.code, int) else 0)


def main() -> None:
    """Run the command; a failure that the user can fix prints one line and exits with status 2."""
    open_streams()
    # gRPC's core writes lines of its own to standard error, even if nothing is wrong.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    os.environ.setdefault("OMP_NUM_THREADS", str(choose_threads(next(iter(sys.argv[1:]), ""))))
    # A thread of OpenMP that has nothing to do leaves its core to others, such as the one that imports what comes next.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        status = app(standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of our output has ended. Nothing may be flushed into the closed pipe at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(BROKEN_PIPE_STATUS)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        sys.exit(_print_error(f"{where}{error.strerror or error}; free some space or choose another place", 2))
    except LinkError as error:
        sys.exit(_print_error(str(error), error.exit_status))
    except ModuleNotFoundError as error:
        explained = explain_missing(error)
        if explained is None:
            raise
        sys.exit(_print_error(str(explained), explained.exit_status))
    except TyperException as error:
        message = _describe_usage_error(error)
        command = " ".join(["semlink", *(name for name in sys.argv[1:2] if name in COMMANDS)])
        sys.exit(_print_error(f"{message}; see {command} --help", error.exit_code) if message else error.exit_code)
    if status == INTERRUPTED_STATUS:
        _print_error("stopped", status)
        exit_now(status)
    sys.exit(status if isinstance(status, int) else 0)


def _describe_usage_error(error: TyperException) -> str:
    """Return typer's message, with the wrong value added; empty where typer has printed the help text instead."""
    message = error.format_message().rstrip(".").replace("Value error, ", "")
    if error.__cause__ is not None:
        from pydantic import ValidationError

        if isinstance(error.__cause__, ValidationError):
            value = error.__cause__.errors(include_url=False)[0]["input"]
            message = message.replace("Invalid value for", f"Invalid value {value!r} for", 1)
    return message


def _print_error(message: str, status: int) -> int:
    sys.stderr.write(f"error: {printable(' '.join(message.split()))}\n")
    return status


if __name__ == "__main__":
    run()
