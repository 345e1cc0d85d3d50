"""LinkErrors across gRPC: the server aborts with the status code of the error, the client raises the same error."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from typing import TYPE_CHECKING, Any, NoReturn, ParamSpec, TypeVar

import grpc
import grpc.aio

from shared import errors
from shared.missing_package import explain_missing
from shared.rpc.limits import DRAIN_S, MAX_CALL_S, MAX_DRAIN_S

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

    Context = grpc.aio.ServicerContext[Any, Any]

P = ParamSpec("P")
Q = TypeVar("Q")
T = TypeVar("T")

ERROR_KEY = "semlink-error"
"""Trailing metadata that carries the name of the LinkError class."""
RETRY_KEY = "semlink-retry-s"
"""Trailing metadata of a LimitError: the seconds after which to try again."""

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
        grpc.StatusCode.INTERNAL,
        "Internal error from Core",  # of grpc.aio, when a call ends while its client writes
        errors.ServiceError,
        "ended the call before it had read all of it: try again, and look at its log",
    ),
)


def link_error_status(error: errors.LinkError) -> grpc.StatusCode:
    """Return the gRPC status code of ``error``."""
    return grpc.StatusCode[error.grpc_status]


def link_error_from_rpc(error: grpc.aio.AioRpcError, *, service: str) -> errors.LinkError:
    """Return the LinkError that the server raised, or one that describes how the call to ``service`` failed."""
    trailing = {key: str(value) for key, value in error.trailing_metadata() or ()}
    named = getattr(errors, trailing.get(ERROR_KEY, ""), None)
    if isinstance(named, type) and issubclass(named, errors.LinkError):
        found = named(error.details() or named.__name__)
        if isinstance(found, errors.LimitError):
            found.retry_s = _read_seconds(trailing.get(RETRY_KEY, ""))
        return found
    code, details = error.code(), " ".join((error.details() or "no details").split())
    for status, words, kind, message in _GRPC_FAILURES:
        if code is status and words in details:
            return kind(f"{service} {message}")
    return _CLASS_OF_STATUS.get(code, errors.ServiceError)(f"{service} failed with {code.name}: {details}")


def _read_seconds(text: str) -> float:
    with contextlib.suppress(ValueError):
        return max(0.0, float(text))
    return 0.0


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
        if requests is not None and not isinstance(error, errors.DeadlineError):
            await drain(requests)
        await abort(context, error)
    except TimeoutError:
        await abort(context, errors.DeadlineError(f"the call ran over the server's limit of {MAX_CALL_S:.0f} s"))
    except (asyncio.CancelledError, grpc.aio.BaseError):
        raise  # the call was cancelled or the server stopped: no status can be sent
    except Exception as error:  # noqa: BLE001 - a bug: the log gets the traceback, the caller one line
        if isinstance(error, ModuleNotFoundError) and (explained := explain_missing(error)) is not None:
            await abort(context, explained)
        _log.exception("%s failed", name)
        await context.abort(grpc.StatusCode.INTERNAL, "internal error; the server's log has the details")


class UnknownMethods(grpc.GenericRpcHandler):
    """Refuses methods that no service of a server has; add it after all services."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any]:
        """Return a handler that ends the call with UNIMPLEMENTED."""

        async def refuse(requests: AsyncIterator[Any], context: Context) -> AsyncIterator[bytes]:
            await drain(requests)
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, f"no method {handler_call_details.method} here")
            yield b""  # never reached: the gate iterates over what a stream's handler returns

        return grpc.stream_stream_rpc_method_handler(refuse)


async def drain(requests: AsyncIterator[Any]) -> None:
    """Read what the caller still sends, until it pauses for ``DRAIN_S``, and for at most ``MAX_DRAIN_S``.

    A grpc.aio client that is writing when its call is aborted gets an internal error instead of the status.
    """
    more = True
    with contextlib.suppress(TimeoutError, Exception):
        async with asyncio.timeout(MAX_DRAIN_S):
            while more:
                async with asyncio.timeout(DRAIN_S):
                    more = await anext(requests, None) is not None


async def abort(context: Context, error: errors.LinkError) -> NoReturn:
    """End a call with the status of ``error``."""
    trailing = [(ERROR_KEY, type(error).__name__)]
    if isinstance(error, errors.LimitError) and error.retry_s:
        trailing.append((RETRY_KEY, f"{error.retry_s:g}"))
    await context.abort(link_error_status(error), str(error), trailing_metadata=tuple(trailing))
    raise AssertionError("abort raises")
