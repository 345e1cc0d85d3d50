"""``semlink codecs``: the codecs of the sender."""

from __future__ import annotations

from semlink.cli.options import Json, SenderAddress, Timeout
from semlink.cli.output import print_json, print_table
from semlink.client.addresses import Addresses
from semlink.client.session import open_session
from shared.rpc.limits import DEFAULT_TIMEOUT_S
from shared.streams import StreamKind


def codecs(sender: SenderAddress = "", timeout: Timeout = DEFAULT_TIMEOUT_S, as_json: Json = False) -> None:
    """List the codecs of the sender with their streams, the most important first. Other packages can add codecs."""
    with open_session(Addresses(sender=sender), timeout_s=timeout) as session:
        known = session.codecs().codecs
    streams = {one.name: [StreamKind(kind).name for kind in one.streams] for one in known}
    if as_json:
        print_json(
            [
                {"name": one.name, "streams": [{"kind": kind} for kind in streams[one.name]], "summary": one.summary}
                for one in known
            ]
        )
        return
    rows = [[one.name, ", ".join(streams[one.name]), one.summary] for one in known]
    print_table("Codecs; '--codec NAME' takes one", ["name", "streams", "what it is"], rows, left=True)
