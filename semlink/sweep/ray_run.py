"""Workers on a Ray cluster: actors that keep their models loaded, each the engine of a local worker."""

from __future__ import annotations

import contextlib
import importlib.util
import socket
from typing import TYPE_CHECKING, Any, Final

from semlink.sweep.run import new_engine
from semlink.sweep.version import hash_code
from shared.errors import ConfigError, LinkError, ServiceError, SetupError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from semlink.sweep.run import Executor
    from semlink.sweep.schedule import Batch
    from semlink.sweep.worker import Engine, Made

LOCAL: Final = "local"
"""Address that starts Ray on this machine, with a worker for each of its cores."""
CONNECT_S: Final = 3.0


class RayWorker:
    """One actor: the engine, and what code it is of."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._engine: Engine | None = None

    def code(self) -> str:
        """Return the hash of the code on this node."""
        return hash_code()

    def made(self, batch: Batch) -> Made | LinkError:
        """Return what the engine makes of ``batch``, or why it makes nothing."""
        try:
            if self._engine is None:
                self._engine = new_engine(self._device)
            return self._engine.made(batch.data, batch.tasks)
        except LinkError as error:
            return error


class RayActors:
    """Actors of a connected cluster, each busy with one batch at a time; further ones wait their turn."""

    def __init__(self, ray: Any, device: str) -> None:
        """Start an actor for each core of the cluster, or for each GPU where ``device`` is one.

        Raises:
            ServiceError: the cluster has none.
            SetupError: a node has other code than this machine.
        """
        self._ray = ray
        kind, per_actor = ("GPU", {"num_cpus": 1, "num_gpus": 1}) if "cuda" in device else ("CPU", {"num_cpus": 1})
        self.workers = int(ray.cluster_resources().get(kind, 0))
        if not self.workers:
            raise ServiceError(f"the Ray cluster has no {kind}; add nodes that have, or choose another --device")
        actor = ray.remote(**per_actor, max_restarts=-1, max_task_retries=1)(RayWorker)
        self._actors = [actor.remote(device) for _ in range(self.workers)]
        self._load = dict.fromkeys(range(self.workers), 0)
        self._running: dict[Any, int] = {}
        codes = set(self._asked([one.code.remote() for one in self._actors]))
        if codes != {hash_code()}:
            raise SetupError("a Ray node runs other code than this machine: install the same version of semlink there")

    def submit(self, batch: Batch) -> None:
        """Hand ``batch`` to the actor with the least to do."""
        place = min(self._load, key=lambda one: self._load[one])
        self._load[place] += 1
        self._running[self._actors[place].made.remote(batch)] = place

    def finished(self) -> list[Made]:
        """Wait until a batch is made; return it."""
        done, _ = self._ray.wait(list(self._running), num_returns=1)
        for one in done:
            self._load[self._running.pop(one)] -= 1
        made = self._asked(done)
        for one in made:
            if isinstance(one, LinkError):
                raise one
        return made

    def _asked(self, references: list[Any]) -> list[Any]:
        try:
            return list(self._ray.get(references))
        except self._ray.exceptions.RayError as error:
            reason = " ".join(str(error).split())[:200]
            raise ServiceError(f"the Ray cluster lost a worker ({reason}); rows so far are kept, run again") from error


@contextlib.contextmanager
def ray_executor(address: str, device: str) -> Iterator[Executor]:
    """Yield actors on the cluster at ``address``, or on this machine for ``local``.

    Raises:
        SetupError: Ray is not installed, or a node has other code.
        ConfigError: that is no address.
        ServiceError: nothing answers there.
    """
    if importlib.util.find_spec("ray") is None:
        raise SetupError("Ray is not installed: pip install 'semlink[ray]', or leave --ray out")
    import ray  # noqa: PLC0415 - optional

    _require_answer(address)
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "CRITICAL", "configure_logging": False}
    if address == LOCAL:
        options["include_dashboard"] = False
    try:
        ray.init(address=address, **options)
    except Exception as error:  # Ray raises Exception itself where a node does not start in time
        raise _no_cluster(address, error) from error
    try:
        yield RayActors(ray, device)
    finally:
        ray.shutdown()


def _require_answer(address: str) -> None:
    """Look whether anything listens at ``HOST:PORT``: Ray itself would try for minutes, and say so line by line."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not (colon and port.isdigit() and int(port) < 1 << 16):
        if address not in (LOCAL, "auto"):
            raise ConfigError(f"--ray {address}: give HOST:PORT, ray://HOST:PORT, auto or {LOCAL}")
        return
    try:
        socket.create_connection((host, int(port)), CONNECT_S).close()
    except OSError as error:
        raise _no_cluster(address, error) from error


def _no_cluster(address: str, error: Exception) -> ServiceError:
    reason = " ".join(str(error).split())[:150]
    return ServiceError(
        f"no Ray cluster answers at {address} ({reason}); start one with 'ray start --head', or give --ray {LOCAL}"
    )
