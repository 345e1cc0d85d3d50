"""Metrics of a service's calls: their number, status codes and wall time.

They stand in the service's own Prometheus registry beside its other metrics, where OpenTelemetry's package for gRPC
does not write.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
from google.protobuf import descriptor_pool
from prometheus_client import Counter, Gauge, Histogram

from shared.rpc_handlers import wrap_handler
from shared.telemetry.labels import SECONDS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from prometheus_client import CollectorRegistry

_NAMES = {code.value[0]: code.name for code in grpc.StatusCode}


class RpcMetrics:
    """Counts calls by method and status code."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._calls = Counter("semlink_rpcs", "Calls that ended.", ["method", "code"], registry=registry)
        self._seconds = Histogram(
            "semlink_rpc_seconds",
            "Wall time of a call, streams included.",
            ["method"],
            buckets=SECONDS,
            registry=registry,
        )
        self._running = Gauge("semlink_rpcs_running", "Calls in progress.", ["method"], registry=registry)

    def interceptor(self, service: str) -> grpc.aio.ServerInterceptor:
        """Return an interceptor that counts the calls to ``service``, a full proto name, and to no other service."""
        return _CountingInterceptor(self, service)

    @contextlib.contextmanager
    def count_call(self, method: str, context: Any) -> Iterator[None]:
        """Count the block as one call to ``method``."""
        started_s = time.perf_counter()
        code = "OK"
        with self._running.labels(method).track_inprogress():
            try:
                yield
            except (asyncio.CancelledError, GeneratorExit):
                code = "CANCELLED"
                raise
            except BaseException:
                code = _NAMES.get(_status_number(context.code()), "UNKNOWN")
                raise
            finally:
                self._calls.labels(method, code).inc()
                self._seconds.labels(method).observe(time.perf_counter() - started_s)


class _CountingInterceptor(grpc.aio.ServerInterceptor):
    def __init__(self, metrics: RpcMetrics, service: str) -> None:
        self._metrics = metrics
        found = descriptor_pool.Default().FindServiceByName(service)
        self._methods = {f"/{service}/{method.name}": method.name for method in found.methods}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Return the handler of the call, counting if the method is one of ours."""
        handler: Any = await continuation(handler_call_details)
        method = self._methods.get(str(handler_call_details.method))
        if method is None or handler is None:
            return handler
        wrap = {"stream_stream": partial(self._streaming, method), "unary_unary": partial(self._answering, method)}
        return wrap_handler(handler, wrap)

    def _streaming(self, method: str, behaviour: Any) -> Any:
        async def count_call(requests: Any, context: Any) -> Any:
            with self._metrics.count_call(method, context):
                async for response in behaviour(requests, context):
                    yield response

        return count_call

    def _answering(self, method: str, behaviour: Any) -> Any:
        async def count_call(request: Any, context: Any) -> Any:
            with self._metrics.count_call(method, context):
                return await behaviour(request, context)

        return count_call


def _status_number(code: Any) -> int:
    return int(code.value[0]) if isinstance(code, grpc.StatusCode) else int(code or 0)
