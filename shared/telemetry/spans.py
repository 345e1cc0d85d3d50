"""Spans of a trace, as OpenTelemetry defines them; nothing is imported and nothing kept where no endpoint is given.

A span's place in its trace is a ``traceparent`` (W3C Trace Context, section 3.2). It is handed on explicitly: from the
client in the session that the settings of a call carry, and in the call's metadata for clients of other makes.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Protocol

from shared.errors import ConfigError, SetupError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from opentelemetry.trace import Tracer

TRACE_PARENT = "traceparent"
FLUSH_MS = 3000
"""Longest time that the end of a process waits for a collector."""


class Spans(Protocol):
    """Makes spans."""

    def span(
        self, name: str, parent: str = "", attributes: Mapping[str, str | int | float] | None = None
    ) -> contextlib.AbstractContextManager[str]:
        """Record what happens inside as a span below ``parent``; yields the traceparent of the new span."""

    def close(self) -> None:
        """Hand over what is still here."""


class NoSpans:
    """Records nothing; a parent is handed on as it is."""

    @contextlib.contextmanager
    def span(
        self, name: str, parent: str = "", attributes: Mapping[str, str | int | float] | None = None
    ) -> Iterator[str]:
        """See ``Spans``."""
        del name, attributes
        yield parent

    def close(self) -> None:
        """See ``Spans``."""


class CollectedSpans:
    """Sends spans to a collector by OTLP over gRPC, in batches from a thread of its own.

    Args:
        service: what the spans are listed under.
        endpoint: URL of the collector, as ``http://localhost:4317``.

    Raises:
        ConfigError: the endpoint is no URL.
        SetupError: the extra ``traces`` is not installed.
    """

    def __init__(self, service: str, endpoint: str) -> None:
        if not endpoint.startswith(("http://", "https://")):
            raise ConfigError(f"traces endpoint {endpoint!r} is no URL: write it as http://localhost:4317")
        try:
            from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
            from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
            from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
            from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
        except ImportError as error:
            raise SetupError(f"traces need OpenTelemetry: pip install 'semlink[traces]' ({error})") from error
        exporter = OTLPSpanExporter(endpoint=endpoint, timeout=FLUSH_MS / 1000)
        self._provider = TracerProvider(resource=Resource.create({"service.name": service}), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer: Tracer = self._provider.get_tracer("semlink")

    @contextlib.contextmanager
    def span(
        self, name: str, parent: str = "", attributes: Mapping[str, str | int | float] | None = None
    ) -> Iterator[str]:
        """See ``Spans``; what is raised inside is recorded."""
        from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

        propagator = TraceContextTextMapPropagator()
        context = propagator.extract({TRACE_PARENT: parent})
        span = self._tracer.start_span(name, context=context, attributes=dict(attributes or {}))
        carrier: dict[str, str] = {}
        try:
            propagator.inject(carrier, _context_of(span))
            yield carrier[TRACE_PARENT]
        except BaseException as error:
            span.set_status(Status(StatusCode.ERROR, f"{type(error).__name__}: {error}"))
            raise
        finally:
            span.end()

    def close(self) -> None:
        """See ``Spans``; a collector that does not answer is waited for a moment only."""
        self._provider.force_flush(FLUSH_MS)
        self._provider.shutdown()


def _context_of(span: Any) -> Any:
    from opentelemetry.trace import set_span_in_context  # noqa: PLC0415

    return set_span_in_context(span)


def spans_to(endpoint: str, service: str) -> Spans:
    """Return what records the spans of ``service``: nothing where ``endpoint`` is empty.

    Raises:
        ConfigError, SetupError: as ``CollectedSpans``.
    """
    return CollectedSpans(service, endpoint) if endpoint else NoSpans()
