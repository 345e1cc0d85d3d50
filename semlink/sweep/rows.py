"""Rows on disk: Parquet files that are only ever added, each whole or not there.

A row is one picture with one seed at one point, and holds counts, so that points are sums over rows. Two folders merge
by putting their files together; a key that comes twice is the same row and counts once.
"""

from __future__ import annotations

import importlib.util
import io
import json
import secrets
import time
from typing import TYPE_CHECKING, Any, Final, Self

from receiver.metrics.names import PERCEPTUAL, PIXEL
from shared.errors import DataError, InputError, SetupError
from shared.files import write_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa

FLUSH_S: Final = 5.0
"""Seconds of work that a kill can cost at most, beside what is being computed."""
_TEXTS: Final = ("key", "point", "channel", "codec", "rate_kind", "picture", "picture_sha256", "streams_sent")
_ENDINGS: Final = ("streams_whole", "ending", "pixels_sha256")
_COUNTS: Final = ("mcs", "packet_bytes", "width", "height", "seed", "packets", "delivered", "fec_failed", "erased")
_MORE_COUNTS: Final = ("expired", "channel_uses", "container_bytes")
_NUMBERS: Final = ("snr_db", "es_n0_db", "rate", *PIXEL, *PERCEPTUAL)
_WALLS: Final = ("wall_s",)
WALL: Final = "wall_s"


class RowStore:
    """The rows in ``folder``; use as ``with``: what is still in memory is written at the end, whatever ended it."""

    def __init__(self, folder: Path) -> None:
        """Read the keys of what is there.

        Raises:
            SetupError: pyarrow is not installed.
            InputError: the folder cannot be made.
            DataError: a file in it is no Parquet file of rows.
        """
        require_pyarrow()
        self.folder = folder
        try:
            for part in (rows_folder(folder), folder / "pictures"):
                part.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot make the folder {folder}: {error.strerror}; choose another with --out") from error
        self.known = {row["key"]: row for row in read_rows([folder])}
        self._waiting: list[dict[str, Any]] = []
        self._written_s = -FLUSH_S

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.flush()

    def add(self, rows: Sequence[dict[str, Any]], pictures: Mapping[str, bytes]) -> None:
        """Keep ``rows`` and the picture files that they name; written at once if the last writing is a while ago.

        Raises:
            InputError: the disk is full, or the folder gone.
        """
        for digest, data in pictures.items():
            path = picture_file(self.folder, digest)
            if not path.exists():
                write_file(path, data)
        self.known |= {row["key"]: row for row in rows}
        self._waiting += rows
        if time.monotonic() - self._written_s >= FLUSH_S:
            self.flush()

    def flush(self) -> None:
        """Write what waits in memory as one more file.

        Raises:
            InputError: the disk is full, or the folder gone.
        """
        if self._waiting:
            import pyarrow as pa  # noqa: PLC0415
            import pyarrow.parquet as pq  # noqa: PLC0415

            out = io.BytesIO()
            pq.write_table(pa.Table.from_pylist(self._waiting, schema=schema()), out, compression="zstd")
            write_file(rows_folder(self.folder) / f"part-{secrets.token_hex(8)}.parquet", out.getvalue())
            self._waiting.clear()
        self._written_s = time.monotonic()

    def note_run(self, document: Mapping[str, Any]) -> None:
        """Keep what a report says of a run: command, settings, versions; the same run twice is one file.

        Raises:
            InputError: it cannot be written.
        """
        runs = self.folder / "runs"
        runs.mkdir(exist_ok=True)
        write_file(runs / f"{document['id']}.json", json.dumps(document, indent=2, sort_keys=True).encode())


def read_rows(folders: Sequence[Path]) -> list[dict[str, Any]]:
    """Return the rows in ``folders``, each key once, sorted by key.

    Raises:
        SetupError: pyarrow is not installed.
        DataError: a file is no Parquet file of rows.
    """
    require_pyarrow()
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    found: dict[str, dict[str, Any]] = {}
    for folder in folders:
        for file in sorted(rows_folder(folder).glob("part-*.parquet")):
            try:
                table = pq.read_table(file, schema=schema())
            except (pa.ArrowInvalid, pa.ArrowTypeError, OSError) as error:
                reason = " ".join(str(error).split())[:100]
                raise DataError(f"{file} holds no rows of a sweep ({reason}); move it away and sweep again") from error
            found |= {row["key"]: row for row in table.to_pylist()}
    return [found[key] for key in sorted(found)]


def read_runs(folders: Sequence[Path]) -> list[dict[str, Any]]:
    """Return what was noted of the runs in ``folders``, the oldest first.

    Raises:
        DataError: a note is damaged.
    """
    found: dict[str, dict[str, Any]] = {}
    for folder in folders:
        for file in sorted((folder / "runs").glob("*.json")):
            try:
                document = json.loads(file.read_text())
                found[document["id"]] = document
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise DataError(f"{file} is no note of a sweep; move it away") from error
    return sorted(found.values(), key=lambda one: str(one.get("started", "")))


def picture_file(folder: Path, digest: str) -> Path:
    """Return where the kept picture of a hash lies."""
    return folder / "pictures" / f"{digest}.webp"


def rows_folder(folder: Path) -> Path:
    """Return where the Parquet files lie."""
    return folder / "rows"


def schema() -> pa.Schema:
    """Return the columns of a row."""
    import pyarrow as pa  # noqa: PLC0415

    columns = [
        *((name, pa.string()) for name in (*_TEXTS, *_ENDINGS)),
        *((name, pa.int64()) for name in (*_COUNTS, *_MORE_COUNTS)),
        *((name, pa.float64()) for name in (*_NUMBERS, *_WALLS)),
    ]
    return pa.schema(columns)


def lasting(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``row`` without what differs from run to run: the seconds that it took."""
    return {name: value for name, value in row.items() if name != WALL}


def require_pyarrow() -> None:
    """Raise a SetupError where pyarrow is missing."""
    if importlib.util.find_spec("pyarrow") is None:
        raise SetupError("pyarrow is not installed: pip install 'semlink[sweep]'")
