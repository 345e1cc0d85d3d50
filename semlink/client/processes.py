"""The three services as processes that start and stop together: what docker compose does, without containers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from semlink.client.addresses import SERVICE_NAMES
from semlink.client.deployment import read_deployment
from semlink.client.health import check_serving
from shared.errors import ServiceError
from shared.rpc.limits import CLOSING_S

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Callable, Mapping, Sequence

START_S = 60.0
"""Longest time that a service may take until it serves."""
ERROR = "error: "


@dataclass
class ServiceProcess:
    """The process of one service; ``wait_until_serving`` sets the addresses."""

    name: str
    process: Process
    log: asyncio.Task[str]
    grace_s: float
    address: str = ""
    metrics_url: str = ""

    async def wait_until_serving(self) -> None:
        """Return when the service serves.

        Raises:
            ServiceError: it ended, or did not serve in time.
        """
        try:
            async with asyncio.timeout(START_S):
                document = await self._read_addresses()
                self.address, self.metrics_url = document[self.name], document.get("metrics", "")
                await check_serving(self.address, START_S)
        except TimeoutError:
            raise ServiceError(f"the {self.name} did not serve within {START_S:.0f} s: look at its log") from None

    async def wait_until_ended(self) -> None:
        """Wait for the end of the process, which is a failure: a service runs until it is stopped.

        Raises:
            ServiceError: it ended.
        """
        status = await self.process.wait()
        raise ServiceError(f"the {self.name} ended: {await self.log or f'status {status}; look at its log'}")

    async def stop(self) -> None:
        """Let the service end its calls, then the process; kill it if it does not end in time."""
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.terminate()
            try:
                await asyncio.wait_for(self.process.wait(), self.grace_s + CLOSING_S)
            except TimeoutError:
                self.process.kill()
                await self.process.wait()
        await self.log

    async def _read_addresses(self) -> dict[str, str]:
        """Return the JSON document that the service prints once it listens."""
        assert self.process.stdout is not None
        text = ""
        async for line in self.process.stdout:
            text += line.decode()
            with contextlib.suppress(json.JSONDecodeError):
                document: dict[str, str] = json.loads(text)
                return document
        await self.wait_until_ended()
        raise AssertionError("wait_until_ended always raises")


def run_processes(
    environment: Mapping[str, str], on_ready: Callable[[Sequence[ServiceProcess]], None] = lambda _: None
) -> None:
    """Run ``semlink serve`` for each service with ``environment`` until SIGTERM or Ctrl-C, then stop all.

    ``on_ready`` is called once, when all of them serve.

    Raises:
        ServiceError: one of them did not start, or ended by itself; the others are stopped.
    """
    asyncio.run(_run(environment, on_ready))


async def _run(environment: Mapping[str, str], on_ready: Callable[[Sequence[ServiceProcess]], None]) -> None:
    stopping = asyncio.create_task(_wait_for_signal())
    services: list[ServiceProcess] = []
    try:
        for name in SERVICE_NAMES:
            services.append(await _start(name, environment))  # noqa: PERF401 - those before are stopped if one fails
        if await _finish_before(stopping, [service.wait_until_serving() for service in services]):
            on_ready(services)
            await _finish_before(stopping, [service.wait_until_ended() for service in services])
    finally:
        await asyncio.gather(*(service.stop() for service in services))
        stopping.cancel()


async def _wait_for_signal() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()


async def _finish_before(stopping: asyncio.Task[None], work: list[Any]) -> bool:
    """Return whether all ``work`` finishes before ``stopping``; raise the first failure of it."""
    together = asyncio.gather(*work)
    either: set[asyncio.Future[Any]] = {stopping, together}
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if stopping.done():
        together.cancel()
        await asyncio.gather(together, return_exceptions=True)
        return False
    together.result()
    return True


async def _start(name: str, environment: Mapping[str, str]) -> ServiceProcess:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "semlink.cli.main", "serve", name, "--json"),
        env=dict(environment),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=pipe,
        stderr=pipe,
        start_new_session=True,  # Ctrl-C reaches this process alone, which then stops all in order
    )
    log = asyncio.create_task(_forward_log(name, process))
    return ServiceProcess(name, process, log, read_deployment(environment).grace_s)


async def _forward_log(name: str, process: Process) -> str:
    """Write the log of a service to standard error, its name before each line; return its error line, if any."""
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
