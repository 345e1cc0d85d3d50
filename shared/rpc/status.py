"""LinkErrors across gRPC: the server aborts with the status code of the error, the client raises the same error."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import grpc
import grpc.aio

from shared import errors
from shared.rpc.limits import DRAIN_S, MAX_CALL_S, MAX_CONCURRENT_CALLS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

    Context = grpc.aio.ServicerContext[Any, Any]

P = ParamSpec("P")
Q = TypeVar("Q")
T = TypeVar("T")

ERROR_KEY = "semlink-error"
"""Trailing metadata that carries the name of the LinkError class."""

_log = logging.getLogger("semlink.rpc")

_CLASS_OF_STATUS: dict[grpc.StatusCode, type[errors.LinkError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: errors.InputError,
    grpc.StatusCode.DATA_LOSS: errors.DataError,
    grpc.StatusCode.FAILED_PRECONDITION: errors.SetupError,
    grpc.StatusCode.UNAVAILABLE: errors.ServiceError,
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.DeadlineError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: errors.LimitError,
}


# Failures that gRPC itself reports: its status, words in its details, our class, and our message with the fix.
_GRPC_FAILURES: tuple[tuple[grpc.StatusCode, str, type[errors.LinkError], str], ...] = (
    (grpc.StatusCode.UNAVAILABLE, "Cancelling all calls", errors.ServiceError, "was stopped during the call: start it"),
    (
        grpc.StatusCode.UNAVAILABLE,
        "",
        errors.ServiceError,
        "cannot be reached: check its address and that it is running",
    ),
    (grpc.StatusCode.DEADLINE_EXCEEDED, "", errors.DeadlineError, "did not finish in time: raise --timeout"),
    (grpc.StatusCode.UNIMPLEMENTED, "", errors.ServiceError, "is another service: give the address of the right one"),
    (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "Concurrent RPC limit",
        errors.LimitError,
        f"is busy with {MAX_CONCURRENT_CALLS} calls: try again, or start another",
    ),
)


def link_error_status(error: errors.LinkError) -> grpc.StatusCode:
    """Return the gRPC status code of ``error``."""
    return grpc.StatusCode[error.grpc_status]


def link_error_from_rpc(error: grpc.aio.AioRpcError, *, service: str) -> errors.LinkError:
    """Return the LinkError that the server raised, or one that describes how the call to ``service`` failed."""
    for key, value in error.trailing_metadata() or ():
        named = getattr(errors, str(value), None) if key == ERROR_KEY else None
        if isinstance(named, type) and issubclass(named, errors.LinkError):
            return named(error.details() or named.__name__)
    code, details = error.code(), " ".join((error.details() or "no details").split())
    for status, words, kind, message in _GRPC_FAILURES:
        if code is status and words in details:
            return kind(f"{service} {message}")
    return _CLASS_OF_STATUS.get(code, errors.ServiceError)(f"{service} failed with {code.name}: {details}")


def streaming_rpc(
    method: Callable[[Any, AsyncIterator[Any], Context], AsyncIterator[T]],
) -> Callable[[Any, AsyncIterator[Any], Context], AsyncIterator[T]]:
    """Decorate a streaming RPC: limit its time, and end it with the status of a LinkError that it raises."""

    @functools.wraps(method)
    async def wrapper(self: Any, requests: AsyncIterator[Any], context: Context) -> AsyncIterator[T]:
        async with _report_failures(method.__qualname__, context, requests):
            async for response in method(self, requests, context):
                yield response

    return wrapper


def unary_rpc(method: Callable[[Any, Q, Context], Awaitable[T]]) -> Callable[[Any, Q, Context], Awaitable[T]]:
    """Decorate an RPC of one request and one response as ``streaming_rpc`` does."""

    @functools.wraps(method)
    async def wrapper(self: Any, request: Q, context: Context) -> T:
        async with _report_failures(method.__qualname__, context):
            return await method(self, request, context)
        raise AssertionError("_report_failures ends a failed call")

    return wrapper


@contextlib.asynccontextmanager
async def _report_failures(
    name: str, context: Context, requests: AsyncIterator[Any] | None = None
) -> AsyncGenerator[None, None]:
    """Limit the time of a call, and end it with a status that describes its failure."""
    try:
        async with asyncio.timeout(MAX_CALL_S):
            yield
    except errors.LinkError as error:
        if requests is not None:
            await _drain(requests)
        await _abort(context, error)
    except TimeoutError:
        await _abort(context, errors.DeadlineError(f"the call ran over the server's limit of {MAX_CALL_S:.0f} s"))
    except (asyncio.CancelledError, grpc.aio.BaseError):
        raise  # the call was cancelled or the server stopped: no status can be sent
    except Exception:  # noqa: BLE001 - a bug: the log gets the traceback, the caller one line
        _log.exception("%s failed", name)
        await context.abort(grpc.StatusCode.INTERNAL, "internal error; the server's log has the details")


class UnknownMethods(grpc.GenericRpcHandler):
    """Refuses methods that no service of a server has; add it after all services."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any]:
        """Return a handler that ends the call with UNIMPLEMENTED."""

        async def refuse(requests: AsyncIterator[Any], context: Context) -> None:
            await _drain(requests)
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, f"no method {handler_call_details.method} here")

        return grpc.stream_stream_rpc_method_handler(refuse)


async def _drain(requests: AsyncIterator[Any]) -> None:
    """Read what the caller still sends, for at most ``DRAIN_S``.

    A grpc.aio client that is writing when its call is aborted gets an internal error instead of the status.
    """
    with contextlib.suppress(TimeoutError, Exception):
        async with asyncio.timeout(DRAIN_S):
            async for _ in requests:
                pass


async def _abort(context: Context, error: errors.LinkError) -> None:
    await context.abort(link_error_status(error), str(error), trailing_metadata=((ERROR_KEY, type(error).__name__),))
