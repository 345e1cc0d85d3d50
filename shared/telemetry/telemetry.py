"""The metrics and spans that every service has."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from shared.telemetry.labels import SECONDS
from shared.telemetry.rpc import RpcMetrics
from shared.telemetry.spans import TRACE_PARENT, NoSpans, Spans

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import grpc.aio

    from shared.rpc.semlink.v1 import packet_pb2


class Telemetry:
    """The registry of one service's metrics, and its spans.

    Args:
        spans: records spans; None: they are not recorded.
    """

    def __init__(self, spans: Spans | None = None) -> None:
        self.registry = CollectorRegistry()
        self.spans: Spans = spans or NoSpans()
        self.rpc = RpcMetrics(self.registry)
        ProcessCollector(registry=self.registry)
        self._stages = Histogram(
            "semlink_stage_seconds",
            "Wall time of one stage of a call.",
            ["stage"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self._loads = Gauge(
            "semlink_model_load_seconds",
            "Wall time of the last loading of a model.",
            ["model"],
            registry=self.registry,
        )
        self._loaded = Counter(
            "semlink_model_loads",
            "Attempts to load a model, by outcome.",
            ["model", "outcome"],
            registry=self.registry,
        )
        self._queues = Gauge(
            "semlink_queue_length",
            "Waiting packets, or pictures that wait for a worker.",
            ["queue"],
            registry=self.registry,
        )
        gpu = Gauge(
            "semlink_gpu_memory_bytes",
            "GPU memory that this process has allocated; 0 without a GPU.",
            registry=self.registry,
        )
        gpu.set_function(_gpu_memory_bytes)

    @contextlib.contextmanager
    def call(
        self, name: str, session: packet_pb2.Session, context: grpc.aio.ServicerContext[Any, Any]
    ) -> Iterator[CallTelemetry]:
        """Record one RPC as a span below the client's span."""
        parent = session.trace_parent or _read_trace_parent(context)
        about = {"codec": session.codec} if session.codec else {}
        with self.spans.span(name, parent, about) as span:
            yield CallTelemetry(self, span)

    @contextlib.contextmanager
    def stage(self, name: str, parent: str = "") -> Iterator[None]:
        """Record one stage of a call: its wall time, and a span below ``parent``."""
        with self.spans.span(name, parent), self._stages.labels(name).time():
            yield

    @contextlib.contextmanager
    def loading(self, model: str) -> Iterator[None]:
        """Record the loading of ``model``, a name from a fixed set."""
        started_s = time.perf_counter()
        try:
            yield
        except BaseException:
            self._loaded.labels(model, "failed").inc()
            raise
        self._loads.labels(model).set(time.perf_counter() - started_s)
        self._loaded.labels(model, "loaded").inc()

    def watch(self, queue: str, length: Callable[[], int]) -> None:
        """Report the ``length`` of ``queue`` as a metric from now on."""
        self._queues.labels(queue).set_function(length)


class CallTelemetry:
    """The telemetry of one call; ``trace_parent`` is its span."""

    def __init__(self, telemetry: Telemetry, trace_parent: str) -> None:
        self._telemetry = telemetry
        self.trace_parent = trace_parent

    def stage(self, name: str) -> contextlib.AbstractContextManager[None]:
        """Record one stage of this call."""
        return self._telemetry.stage(name, self.trace_parent)


def _read_trace_parent(context: grpc.aio.ServicerContext[Any, Any]) -> str:
    for key, value in context.invocation_metadata() or ():
        if key == TRACE_PARENT:
            return str(value)
    return ""


def _gpu_memory_bytes() -> float:
    """Return what torch has allocated on all GPUs; this does not import torch."""
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "cuda") or not torch.cuda.is_initialized():
        return 0.0
    return float(sum(torch.cuda.memory_allocated(device) for device in range(torch.cuda.device_count())))
