"""The three services as processes, started and stopped together: what compose does, without containers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from semlink.cli.output import print_json
from semlink.client.addresses import SERVICE_NAMES
from semlink.client.health import check_serving
from shared.errors import ServiceError
from shared.rpc.limits import GRACE_S

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Mapping

START_S = 60.0
"""Longest time that a service may take until it serves."""
ERROR = "error: "


def run_processes(environment: Mapping[str, str], *, as_json: bool) -> None:
    """Run ``semlink serve`` for each service with ``environment`` until SIGTERM or Ctrl-C; then stop all.

    Raises:
        ServiceError: one of them could not start, or ended by itself; the others are stopped.
    """
    asyncio.run(_run(environment, as_json=as_json))


@dataclass
class _Service:
    """A service's process; ``started`` fills in where it listens."""

    name: str
    process: Process
    log: asyncio.Task[str]
    address: str = ""
    metrics_url: str = field(default="")

    async def started(self) -> None:
        """Return when the service serves.

        Raises:
            ServiceError: it ended, or did not serve in time.
        """
        try:
            async with asyncio.timeout(START_S):
                document = await self._announcement()
                self.address, self.metrics_url = document[self.name], document.get("metrics", "")
                await check_serving(self.address, START_S)
        except TimeoutError:
            raise ServiceError(f"the {self.name} did not serve within {START_S:.0f} s: look at its log") from None

    async def ended(self) -> None:
        """Return never: a service that ends by itself has failed.

        Raises:
            ServiceError: it ended.
        """
        status = await self.process.wait()
        raise ServiceError(f"the {self.name} ended: {await self.log or f'status {status}; its log says more'}")

    async def stop(self) -> None:
        """Have the service end its calls and itself; kill it if it does not."""
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.terminate()
            try:
                await asyncio.wait_for(self.process.wait(), 2 * GRACE_S)
            except TimeoutError:
                self.process.kill()
                await self.process.wait()
        await self.log

    async def _announcement(self) -> dict[str, str]:
        """Return the JSON document that the service prints once it serves."""
        assert self.process.stdout is not None
        text = ""
        async for line in self.process.stdout:
            text += line.decode()
            with contextlib.suppress(json.JSONDecodeError):
                document: dict[str, str] = json.loads(text)
                return document
        await self.ended()
        raise AssertionError("a service that has ended has failed")


async def _run(environment: Mapping[str, str], *, as_json: bool) -> None:
    stopping = asyncio.create_task(_told_to_stop())
    services: list[_Service] = []
    try:
        for name in SERVICE_NAMES:
            services.append(await _spawned(name, environment))  # noqa: PERF401 - those before are stopped if one fails
        if await _done_before(stopping, [service.started() for service in services]):
            _announce(services, as_json=as_json)
            await _done_before(stopping, [service.ended() for service in services])
    finally:
        await asyncio.gather(*(service.stop() for service in services))
        stopping.cancel()


async def _told_to_stop() -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, told.set)
    await told.wait()


async def _done_before(stopping: asyncio.Task[None], work: list[Any]) -> bool:
    """Return whether all ``work`` is done before ``stopping``; what fails of it is raised."""
    together = asyncio.gather(*work)
    either: set[asyncio.Future[Any]] = {stopping, together}
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if stopping.done():
        together.cancel()
        await asyncio.gather(together, return_exceptions=True)
        return False
    together.result()
    return True


async def _spawned(name: str, environment: Mapping[str, str]) -> _Service:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "semlink.cli.main", "serve", name, "--json"),
        env=dict(environment),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=pipe,
        stderr=pipe,
        start_new_session=True,  # Ctrl-C reaches this process alone, which then stops all in order
    )
    return _Service(name, process, asyncio.create_task(_forwarded(name, process)))


async def _forwarded(name: str, process: Process) -> str:
    """Hand on a service's log line by line, its name before each; return the error that ended it, if it told one."""
    assert process.stderr is not None
    error = ""
    async for line in process.stderr:
        text = line.decode(errors="replace").rstrip()
        if text.startswith(ERROR):
            error = text.removeprefix(ERROR)
        else:
            sys.stderr.write(f"{name:8} | {text}\n")
            sys.stderr.flush()
    return error


def _announce(services: list[_Service], *, as_json: bool) -> None:
    if as_json:
        print_json({service.name: {"address": service.address, "metrics": service.metrics_url} for service in services})
    else:
        for service in services:
            metrics = service.metrics_url and f", metrics at {service.metrics_url}"
            print(f"{service.name} listens on {service.address}{metrics}")
        print("Ctrl-C stops all")
    sys.stdout.flush()
