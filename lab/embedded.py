"""The three services on loopback in this process: the same code path as three containers."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.errors import ConfigError, UnknownNameError
from shared.rpc.server import RunningServer, ServiceSpec, start_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

SERVICE_NAMES = ("sender", "channel", "receiver")
STOP_S = 0.2
DEFAULT_PORTS = {"sender": 50051, "channel": 50052, "receiver": 50053}


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the three services listen, each ``host:port``; empty for one that is not wanted."""

    sender: str = ""
    channel: str = ""
    receiver: str = ""


def service_named(name: str, device: str = "") -> ServiceSpec:
    """Return the service called ``name`` as a spec to run; decoders, the sender's own too, compute on ``device``.

    Raises:
        UnknownNameError: there is no such service.
    """
    # Imported one by one, so that a machine needs only what its own service needs.
    if name == "sender":
        from lab.judge import PocketJudge  # noqa: PLC0415
        from sender.service import sender_spec  # noqa: PLC0415

        return sender_spec(PocketJudge(device))
    if name == "channel":
        from channel.service import channel_spec  # noqa: PLC0415

        return channel_spec()
    if name == "receiver":
        from receiver.service import receiver_spec  # noqa: PLC0415

        return receiver_spec(device)
    raise UnknownNameError(f"unknown service '{name}'; known are {', '.join(SERVICE_NAMES)}")


async def start_services(
    names: Sequence[str] = SERVICE_NAMES,
    host: str = "127.0.0.1",
    ports: dict[str, int] | None = None,
    *,
    device: str = "",
) -> dict[str, RunningServer]:
    """Start the named services, each on its port in ``ports`` (any free one by default); all or none.

    The receiver's decoders compute on ``device``; the empty one is their choice.

    Raises:
        ServiceError: a port is taken.
    """
    running: dict[str, RunningServer] = {}
    try:
        for name in names:
            running[name] = await start_server(service_named(name, device), host, (ports or {}).get(name, 0))
    except BaseException:
        await _stop(running)
        raise
    return running


@contextlib.asynccontextmanager
async def reachable_services(
    given: Addresses, names: Sequence[str] = SERVICE_NAMES, *, device: str = ""
) -> AsyncIterator[Addresses]:
    """Yield addresses of the named services: those given, and services started here for those that are not.

    Raises:
        ConfigError: a ``device`` is asked for, yet the receiver runs elsewhere.
    """
    if device and given.receiver:
        raise ConfigError(
            f"--device {device}: the receiver at {given.receiver} computes where its own --device says; leave it out"
        )
    missing = [name for name in names if not getattr(given, name)]
    running = await start_services(missing, device=device)
    try:
        yield Addresses(
            **{name: running[name].address if name in running else getattr(given, name) for name in SERVICE_NAMES}
        )
    finally:
        await _stop(running)


async def _stop(running: dict[str, RunningServer]) -> None:
    await asyncio.gather(*(server.stop(STOP_S) for server in running.values()))
