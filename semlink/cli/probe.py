"""``semlink probe``: whether a service serves."""

from __future__ import annotations

from typing import Annotated

import typer

from semlink.cli.options import Json
from semlink.cli.output import print_json


def probe(
    address: Annotated[str, typer.Argument(help="Address of the service.", metavar="HOST:PORT")],
    timeout: Annotated[
        float, typer.Option(help="Time limit in seconds, 0.1 to 86400.", min=0.1, max=86400, metavar="SECONDS")
    ] = 5.0,
    as_json: Json = False,
) -> None:
    """Check whether a service serves: exit status 0 if it does, 2 if not. Containers use it as health check."""
    import asyncio

    from semlink.client.health import check_serving

    asyncio.run(check_serving(address, timeout))
    if as_json:
        print_json({"address": address, "status": "SERVING"})
    else:
        print(f"{address} SERVING")
