"""Workers on a Ray cluster: actors that keep their models loaded."""

from __future__ import annotations

import contextlib
import importlib.util
import socket
from typing import TYPE_CHECKING, Any, Final

from semlink.sweep.executors import create_worker
from semlink.sweep.version import hash_code
from shared.errors import ConfigError, LinkError, ServiceError, SetupError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from semlink.sweep.executors import Executor
    from semlink.sweep.schedule import Batch
    from semlink.sweep.worker import Worker, WorkerResult

LOCAL: Final = "local"
"""Address that starts Ray on this machine, with one worker per core."""
CONNECT_S: Final = 3.0


class RayActor:
    """One Ray actor with one worker."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._worker: Worker | None = None

    def code(self) -> str:
        """Return the hash of the code on this actor's node."""
        return hash_code()

    def make_rows(self, batch: Batch) -> WorkerResult | LinkError:
        """Return the result of ``batch``, or the error that stopped it."""
        try:
            if self._worker is None:
                self._worker = create_worker(self._device)
            return self._worker.make_rows(batch.data, batch.tasks)
        except LinkError as error:
            return error


class RayExecutor:
    """Actors of a connected cluster. Each carries out one batch at a time and queues further ones."""

    def __init__(self, ray: Any, device: str) -> None:
        """Start one actor per core of the cluster, or per GPU if ``device`` is a GPU.

        Raises:
            ServiceError: the cluster has no such core or GPU.
            SetupError: a node runs other code than this machine.
        """
        self._ray = ray
        kind, per_actor = ("GPU", {"num_cpus": 1, "num_gpus": 1}) if "cuda" in device else ("CPU", {"num_cpus": 1})
        self.workers = int(ray.cluster_resources().get(kind, 0))
        if not self.workers:
            raise ServiceError(f"the Ray cluster has no {kind}; add nodes that have one, or choose another --device")
        actor = ray.remote(**per_actor, max_restarts=-1, max_task_retries=1)(RayActor)
        self._actors = [actor.remote(device) for _ in range(self.workers)]
        self._load = dict.fromkeys(range(self.workers), 0)
        self._running: dict[Any, int] = {}
        codes = set(self._get([one.code.remote() for one in self._actors]))
        if codes != {hash_code()}:
            raise SetupError("a Ray node runs other code than this machine: install the same version of semlink there")

    def submit(self, batch: Batch) -> None:
        """Queue ``batch`` at the actor with the fewest batches."""
        place = min(self._load, key=lambda one: self._load[one])
        self._load[place] += 1
        self._running[self._actors[place].make_rows.remote(batch)] = place

    def collect(self) -> list[WorkerResult]:
        """Wait until a batch is done and return its result."""
        done, _ = self._ray.wait(list(self._running), num_returns=1)
        for one in done:
            self._load[self._running.pop(one)] -= 1
        results = self._get(done)
        for result in results:
            if isinstance(result, LinkError):
                raise result
        return results

    def _get(self, references: list[Any]) -> list[Any]:
        try:
            return list(self._ray.get(references))
        except self._ray.exceptions.RayError as error:
            reason = " ".join(str(error).split())[:200]
            raise ServiceError(f"the Ray cluster lost a worker ({reason}); rows are kept: run it again") from error


@contextlib.contextmanager
def open_ray_executor(address: str, device: str) -> Iterator[Executor]:
    """Yield an executor on the Ray cluster at ``address``, or on this machine for ``local``.

    Raises:
        SetupError: Ray is not installed, or a node runs other code.
        ConfigError: ``address`` is not an address.
        ServiceError: no cluster answers there.
    """
    if importlib.util.find_spec("ray") is None:
        raise SetupError("Ray is not installed: pip install ray, or leave --ray out")
    import ray  # noqa: PLC0415 - optional

    _check_answers(address)
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "CRITICAL", "configure_logging": False}
    if address == LOCAL:
        options["include_dashboard"] = False
    try:
        ray.init(address=address, **options)
    except Exception as error:  # Ray raises a bare Exception if a node does not start in time
        raise _make_no_cluster_error(address, error) from error
    try:
        yield RayExecutor(ray, device)
    finally:
        ray.shutdown()


def _check_answers(address: str) -> None:
    """Check that something listens at ``HOST:PORT``. Ray itself would retry for minutes and log every attempt."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not (colon and port.isdigit() and int(port) < 1 << 16):
        if address not in (LOCAL, "auto"):
            raise ConfigError(f"--ray {address}: give HOST:PORT, ray://HOST:PORT, auto or {LOCAL}")
        return
    try:
        socket.create_connection((host, int(port)), CONNECT_S).close()
    except OSError as error:
        raise _make_no_cluster_error(address, error) from error


def _make_no_cluster_error(address: str, error: Exception) -> ServiceError:
    reason = " ".join(str(error).split())[:150]
    return ServiceError(
        f"no Ray cluster answers at {address} ({reason}); start one with 'ray start --head', or give --ray {LOCAL}"
    )
