"""Rows on disk: Parquet files that are only ever added. Each file is complete or not there.

A row is one picture with one seed at one point. Rows hold counts, so that points are sums over rows. To merge two
folders, copy their files into one. A key that occurs twice is the same row and counts once.
"""

from __future__ import annotations

import importlib.util
import io
import json
import os
import platform
import secrets
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Self

from receiver.metrics.pixel import MAX_PSNR_DB
from semlink.sweep.row import COUNT_COLUMNS, NUMBER_COLUMNS, TEXT_COLUMNS
from shared.errors import DataError, InputError, SetupError
from shared.files import write_file
from shared.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa
    from filelock import FileLock

LOCK, WRITER = "sweep.lock", "writer.txt"
FLUSH_S: Final = 5.0
"""Seconds between two files. A killed run loses at most the rows of this time and those in work."""


class RowStore:
    """The rows in ``folder``. As a context manager it writes the rows in memory at its end, even after an error.

    Two runs that write into one folder would make every row twice, so a second one is refused. The lock ends with the
    process that holds it, however that ends.
    """

    def __init__(self, folder: Path) -> None:
        """Make the folder, lock it and read its rows.

        Raises:
            SetupError: pyarrow is not installed.
            InputError: the folder cannot be made, or another run writes into it.
            DataError: a file in it is not a Parquet file of rows.
        """
        check_pyarrow()
        self.folder = folder
        try:
            for part in (rows_folder(folder), folder / "pictures"):
                part.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot make the folder {folder}: {error.strerror}; choose another with --out") from error
        self._lock = _lock(folder)
        self.known = {row["key"]: row for row in read_rows([folder])}
        self._unwritten: list[dict[str, Any]] = []
        self._written_s = -FLUSH_S

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        try:
            self.flush()
        finally:
            self._lock.release()

    def add(self, rows: Sequence[dict[str, Any]], pictures: Mapping[str, bytes]) -> None:
        """Add ``rows``, and the WebP files ``pictures`` by hash. Rows are written every ``FLUSH_S`` seconds.

        Raises:
            InputError: the disk is full, or the folder was removed.
        """
        for digest, data in pictures.items():
            path = picture_path(self.folder, digest)
            if not path.exists():
                write_file(path, data)
        self.known |= {row["key"]: row for row in rows}
        self._unwritten += rows
        if time.monotonic() - self._written_s >= FLUSH_S:
            self.flush()

    def flush(self) -> None:
        """Write the rows in memory as one more file.

        Raises:
            InputError: the disk is full, or the folder was removed.
        """
        if self._unwritten:
            import pyarrow as pa  # noqa: PLC0415
            import pyarrow.parquet as pq  # noqa: PLC0415

            out = io.BytesIO()
            pq.write_table(pa.Table.from_pylist(self._unwritten, schema=make_schema()), out, compression="zstd")
            write_file(rows_folder(self.folder) / f"part-{secrets.token_hex(8)}.parquet", out.getvalue())
            self._unwritten.clear()
        self._written_s = time.monotonic()

    def write_run(self, document: Mapping[str, Any]) -> None:
        """Write what a report needs to know about a run: command, settings, versions. One file per ``id``.

        Raises:
            InputError: the file cannot be written.
        """
        runs = self.folder / "runs"
        runs.mkdir(exist_ok=True)
        write_file(runs / f"{document['id']}.json", json.dumps(document, indent=2, sort_keys=True).encode())


def _lock(folder: Path) -> FileLock:
    """Return the lock of ``folder``, held by this process."""
    from filelock import FileLock, Timeout  # noqa: PLC0415 - only a run needs it

    lock = FileLock(folder / LOCK, timeout=0, thread_local=False)
    try:
        lock.acquire()
        started = datetime.now(UTC).isoformat(timespec="seconds")
        (folder / WRITER).write_text(f"process {os.getpid()} on {platform.node()}, started {started}")
    except Timeout:
        raise InputError(
            f"another sweep writes into {folder} ({_read_writer(folder)}): wait for its end, or choose another --out"
        ) from None
    except OSError as error:
        raise InputError(f"cannot write into {folder}: {error.strerror}; choose another with --out") from error
    return lock


def _read_writer(folder: Path) -> str:
    try:
        return printable((folder / WRITER).read_text(encoding="utf-8")[:200])
    except (OSError, UnicodeDecodeError):
        return "it does not say which"


def read_rows(folders: Sequence[Path]) -> list[dict[str, Any]]:
    """Return the rows in ``folders``, one per key, sorted by key.

    Raises:
        SetupError: pyarrow is not installed.
        DataError: a file is not a Parquet file of rows.
    """
    check_pyarrow()
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    found: dict[str, dict[str, Any]] = {}
    for folder in folders:
        for file in sorted(rows_folder(folder).glob("part-*.parquet")):
            try:
                table = pq.read_table(file, schema=make_schema())
            except (pa.ArrowInvalid, pa.ArrowTypeError, OSError) as error:
                reason = " ".join(str(error).split())[:100]
                raise DataError(f"{file} holds no rows of a sweep ({reason}); move it away and sweep again") from error
            found |= {row["key"]: _limit_psnr(row) for row in table.to_pylist()}
    rows = [found[key] for key in sorted(found)]
    check_models(rows)
    return rows


def check_models(rows: Iterable[Mapping[str, Any]]) -> None:
    """Check that all ``rows`` of one codec were made with the same models: others would be mixed into its means.

    Rows of earlier versions do not say which models they were made with.

    Raises:
        InputError: they were not.
    """
    known: dict[str, tuple[str, str]] = {}
    for row in rows:
        made_with = row.get("models") or "", row.get("models_sha256") or ""
        first = known.setdefault(row["codec"], made_with) if made_with[1] else made_with
        if first != made_with:
            one, other = (f"{models} (weights {digest})" for models, digest in (first, made_with))
            raise InputError(
                f"{row['codec']} was swept with two sets of models, {one} and {other}, which cannot be mixed: give "
                "each a folder of its own with --out, and report one at a time"
            )


def _limit_psnr(row: dict[str, Any]) -> dict[str, Any]:
    """Return ``row`` with a finite PSNR: rows of the first version have infinite values for equal pictures."""
    psnr_db = row["psnr_db"]
    return row if psnr_db is None else row | {"psnr_db": min(psnr_db, MAX_PSNR_DB)}


def read_runs(folders: Sequence[Path]) -> list[dict[str, Any]]:
    """Return the descriptions of the runs in ``folders``, the oldest first.

    Raises:
        DataError: a description is damaged.
    """
    found: dict[str, dict[str, Any]] = {}
    for folder in folders:
        for file in sorted((folder / "runs").glob("*.json")):
            try:
                document = json.loads(file.read_text())
                found[document["id"]] = document
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise DataError(f"{file} does not describe a run of a sweep; move it away") from error
    return sorted(found.values(), key=lambda one: str(one.get("started", "")))


def picture_path(folder: Path, digest: str) -> Path:
    """Return the path of the kept picture with this hash."""
    return folder / "pictures" / f"{digest}.webp"


def rows_folder(folder: Path) -> Path:
    """Return the folder of the Parquet files."""
    return folder / "rows"


def make_schema() -> pa.Schema:
    """Return the columns of a row as a schema of pyarrow."""
    import pyarrow as pa  # noqa: PLC0415

    kinds = ((TEXT_COLUMNS, pa.string()), (COUNT_COLUMNS, pa.int64()), (NUMBER_COLUMNS, pa.float64()))
    return pa.schema([(name, kind) for names, kind in kinds for name in names])


def check_pyarrow() -> None:
    """Raise a SetupError if pyarrow is not installed."""
    if importlib.util.find_spec("pyarrow") is None:
        raise SetupError("pyarrow is not installed: pip install jinja2 matplotlib pyarrow")
