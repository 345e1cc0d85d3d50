"""Spans of a trace, as OpenTelemetry defines them. Without an endpoint, OpenTelemetry is not imported.

The parent of a span is a ``traceparent`` (W3C Trace Context, section 3.2). Our client passes it in the session of a
call's settings, other clients in the call's metadata. The interceptors of OpenTelemetry's package for gRPC read
metadata alone and make one span per call; these spans are the stages of a picture.
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
"""How long the end of a process waits for the collector, in milliseconds."""


class Spans(Protocol):
    """Makes spans."""

    def span(
        self, name: str, parent: str = "", attributes: Mapping[str, str | int | float] | None = None
    ) -> contextlib.AbstractContextManager[str]:
        """Record the block as a span below ``parent``; yield the traceparent of the new span."""

    def close(self) -> None:
        """Send the spans that are not sent yet."""


class NoSpans:
    """Records nothing; a span yields its parent."""

    @contextlib.contextmanager
    def span(
        self, name: str, parent: str = "", attributes: Mapping[str, str | int | float] | None = None
    ) -> Iterator[str]:
        """See ``Spans``."""
        del name, attributes
        yield parent

    def close(self) -> None:
        """See ``Spans``."""


class OtlpSpans:
    """Sends spans to a collector with OTLP over gRPC, in batches, from a thread of its own.

    Args:
        service: the service name of the spans.
        endpoint: URL of the collector, as ``http://localhost:4317``.

    Raises:
        ConfigError: the endpoint is not a URL.
        SetupError: the extra ``traces`` is not installed.
    """

    def __init__(self, service: str, endpoint: str) -> None:
        if not endpoint.startswith(("http://", "https://")):
            raise ConfigError(f"traces endpoint {endpoint!r} is not a URL: write it as http://localhost:4317")
        try:
            from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
            from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
            from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
            from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
        except ImportError as error:
            raise SetupError(
                "traces need OpenTelemetry: pip install opentelemetry-sdk opentelemetry-exporter-otlp-proto-grpc "
                f"({error})"
            ) from error
        exporter = OTLPSpanExporter(endpoint=endpoint, timeout=FLUSH_MS / 1000)
        self._provider = TracerProvider(resource=Resource.create({"service.name": service}), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer: Tracer = self._provider.get_tracer("semlink")

    @contextlib.contextmanager
    def span(
        self, name: str, parent: str = "", attributes: Mapping[str, str | int | float] | None = None
    ) -> Iterator[str]:
        """See ``Spans``; an exception is recorded."""
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
        """See ``Spans``; wait at most ``FLUSH_MS`` for the collector."""
        self._provider.force_flush(FLUSH_MS)
        self._provider.shutdown()


def _context_of(span: Any) -> Any:
    from opentelemetry.trace import set_span_in_context  # noqa: PLC0415

    return set_span_in_context(span)


def make_spans(endpoint: str, service: str) -> Spans:
    """Return what records the spans of ``service`` and sends them to ``endpoint``; empty: they are not recorded.

    Raises:
        ConfigError, SetupError: as ``OtlpSpans``.
    """
    return OtlpSpans(service, endpoint) if endpoint else NoSpans()
