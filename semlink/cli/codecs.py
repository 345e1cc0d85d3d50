"""The command that lists codecs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from semlink.cli.output import print_json, print_table
from semlink.client.session import open_session
from shared.streams import StreamKind

if TYPE_CHECKING:
    from semlink.client.addresses import Addresses


def list_codecs(*, addresses: Addresses, timeout_s: float, as_json: bool) -> None:
    """Print the codecs that the sender knows, with their streams in order of importance."""
    with open_session(addresses, timeout_s=timeout_s) as session:
        known = session.codecs().codecs
    streams = {one.name: [StreamKind(kind).name for kind in one.streams] for one in known}
    if as_json:
        print_json([{"name": one.name, "streams": streams[one.name], "summary": one.summary} for one in known])
        return
    rows = [[one.name, ", ".join(streams[one.name]), one.summary] for one in known]
    print_table("Codecs; '--codec NAME' takes one", ["name", "streams", "what it is"], rows, left=True)
