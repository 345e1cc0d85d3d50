"""The command that lists codecs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from semlink.cli.output import print_json, print_table
from semlink.client.client import LinkClient
from semlink.client.local_services import Addresses, reachable_services
from shared.streams import StreamKind

if TYPE_CHECKING:
    from shared.rpc.semlink.v1 import sender_pb2


def list_codecs(*, addresses: Addresses, timeout_s: float, as_json: bool) -> None:
    """Print the codecs that the sender knows, with their streams in order of importance."""

    async def asked() -> sender_pb2.ListCodecsResponse:
        async with reachable_services(addresses, ["sender"]) as at, LinkClient(at, timeout_s) as client:
            return await client.codecs()

    known = asyncio.run(asked()).codecs
    streams = {one.name: [StreamKind(kind).name for kind in one.streams] for one in known}
    if as_json:
        print_json([{"name": one.name, "streams": streams[one.name], "summary": one.summary} for one in known])
        return
    rows = [[one.name, ", ".join(streams[one.name]), one.summary] for one in known]
    print_table("Codecs; '--codec NAME' takes one", ["name", "streams", "what it is"], rows, left=True)
