"""``semlink send --watch``: the picture after each packet that arrives, as files in a folder."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Final

import typer

from semlink.cli.output_files import OutputOptions, require_set
from shared.errors import ConfigError
from shared.files import remove_older, write_file

if TYPE_CHECKING:
    from semlink.client.session import Session
    from semlink.pipeline.transfer import Decoded, Transfer
    from shared.rpc.semlink.v1 import packet_pb2

FILE_NAMES: Final = re.compile(r"\d{4,}_\d{4,}bytes\.png|watch\.json")
"""Four digits or more for the number of packets and for the bytes that had arrived, so that names sort by order."""
QUICK_DECODER: Final = "hci"
TABLE_NAME: Final = "watch.json"


@dataclass(frozen=True)
class WatchOptions:
    """Whether the picture is written while it arrives."""

    PANEL: ClassVar = OutputOptions.PANEL

    watch: Annotated[
        Path | None,
        typer.Option(
            "--watch",
            help="Write the picture after each packet that adds to it, as 0003_0412bytes.png (third packet, 412 bytes "
            "so far), and watch.json with arrival times and PSNR.",
            metavar="FOLDER",
        ),
    ] = None
    watch_decoder: Annotated[
        str,
        typer.Option(
            "--watch-decoder",
            help="Decoder of those pictures but the last, which is the received picture: hci is quick.",
            metavar="NAME",
        ),
    ] = QUICK_DECODER

    def require(self, *others: Path | None) -> None:
        """Check that the files can be written and are none of ``others``; make the folder.

        Raises:
            InputError: a file or the folder fails a check.
            UnknownNameError, ConfigError: no such decoder, or no folder for its pictures.
        """
        if self.watch is not None:
            from receiver.decoder_registry import check_decoder  # imports numpy

            check_decoder(self.watch_decoder)
            require_set(self.watch, FILE_NAMES, "--watch", *others)
        elif self.watch_decoder != QUICK_DECODER:
            raise ConfigError(f"--watch-decoder {self.watch_decoder}: give the pictures a folder with --watch")


@dataclass(slots=True)
class _Row:
    """One packet that arrived, and the picture after it. ``reason`` says why there is none."""

    order: int
    arrival_s: float
    packet: int
    units: tuple[str, ...]
    bytes_received: int
    decoder: str
    file: str | None = None
    psnr_db: float | None = None
    reason: str = ""


class Watch:
    """Decodes and writes what the receiver has after each packet of ``picture``, a picture file."""

    def __init__(self, options: WatchOptions, session: Session, picture: bytes) -> None:
        from semlink.pipeline.arrivals import ArrivalLog  # imports the receiver

        self._folder, self._decoder = options.watch, options.watch_decoder
        self._session, self._picture = session, picture
        self._log = ArrivalLog()
        self._rows: list[_Row] = []

    def take(self, arrival: packet_pb2.Arrival) -> None:
        """Take one packet: if it was delivered, add its row, and write the picture if it completed a unit.

        Raises:
            LinkError: the picture cannot be written, or the decoder fails.
        """
        if self._folder is None or not arrival.HasField("packet"):
            return
        from shared.rpc.semlink.v1 import receiver_pb2

        now = self._log.push(arrival.index, arrival.arrival_s, arrival.packet.data)
        row = _Row(now.order, now.arrival_s, now.packet, now.units, now.bytes_received, self._decoder)
        self._rows.append(row)
        if now.units and now.bitstream:
            settings = receiver_pb2.DecodeSettings(decoder=self._decoder)
            self._show(self._folder, row, self._session.decode(now.bitstream.pack(), settings))
        else:
            row.reason = "the packet completes no unit"

    def finish(self, transfer: Transfer) -> list[str]:
        """Put the received picture in place of the last preview, write the rows, and remove what is older.

        Returns:
            What the user must know about the pictures.

        Raises:
            InputError: a file cannot be written or removed.
        """
        if self._folder is None:
            return []
        last = next((row for row in reversed(self._rows) if row.units), None)
        if last is not None:
            self._show(self._folder, last, transfer.received)
        document = json.dumps([asdict(row) for row in self._rows], indent=2) + "\n"
        write_file(self._folder / TABLE_NAME, document.encode())
        files = {row.file for row in self._rows if row.file}
        remove_older(self._folder, FILE_NAMES, {TABLE_NAME, *files})
        without = [row.reason for row in self._rows if not row.file]
        reasons = "".join(f"; {without.count(reason)} without: {reason}" for reason in dict.fromkeys(without))
        return [f"{self._folder} has {len(files)} pictures after {len(self._rows)} packets that arrived{reasons}"]

    def _show(self, folder: Path, row: _Row, decoded: Decoded) -> None:
        """Write the picture of a row, or note why there is none."""
        from receiver.metrics.pixel import psnr_db
        from shared.picture import load_picture
        from shared.pixels import grey_to_rgb

        row.decoder, row.file, row.psnr_db, row.reason = decoded.report.decoder, None, None, decoded.report.reason
        if decoded.png:
            row.file = f"{row.order:04d}_{row.bytes_received:04d}bytes.png"
            write_file(folder / row.file, decoded.png)
            shown, original = (grey_to_rgb(load_picture(data).pixels) for data in (decoded.png, self._picture))
            row.psnr_db = psnr_db(shown, original)
