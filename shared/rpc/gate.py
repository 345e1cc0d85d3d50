"""The gate of a service: every call passes it, before the service reads anything.

It limits the number of open calls and the silence of callers, refuses messages that are none, and closes when the
service stops. Health and reflection have a small pool of their own, so that the service's calls cannot hold them up.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from shared.errors import DeadlineError, InputError, LimitError, LinkError, ServiceError
from shared.rpc.limits import MAX_SIDE_CALLS
from shared.rpc.seldom import SeldomLog
from shared.rpc.status import abort, drain
from shared.rpc_handlers import wrap_handler

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from shared.rpc.limits import ServiceLimits

HEALTH_CHECK: Final = "/grpc.health.v1.Health/Check"
BUSY_RETRY_S: Final = 2.0
"""When a caller that met too many open calls should try again."""

_MALFORMED: Final = object()
_END: Final = object()
_log = SeldomLog(logging.getLogger("semlink.rpc"))


class Gate(grpc.aio.ServerInterceptor):
    """Lets calls to ``service``, a full proto name, in; see the module."""

    def __init__(self, service: str, limits: ServiceLimits) -> None:
        self._prefix = f"/{service}/"
        self._limits = limits
        self._open = self._side_calls = 0
        self._closed = False
        self._empty = asyncio.Event()
        self._empty.set()

    async def close(self, grace_s: float) -> None:
        """Let no further call in, and wait until all have ended, for at most ``grace_s`` seconds."""
        self._closed = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await self._empty.wait()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Return the handler of the call behind the gate."""
        handler: Any = await continuation(handler_call_details)
        method = str(handler_call_details.method)
        if handler is None or method == HEALTH_CHECK:
            return handler
        if not method.startswith(self._prefix):
            return wrap_handler(handler, {"stream_stream": self._beside, "unary_stream": self._beside})
        wrap = {"stream_stream": partial(self._streaming, method), "unary_unary": partial(self._answering, method)}
        return wrap_handler(handler, wrap, _tolerant(handler.request_deserializer))

    def _streaming(self, method: str, behaviour: Any) -> Any:
        async def call(requests: Any, context: Any) -> Any:
            refusal = self._refusal()
            if refusal is not None:
                await drain(requests)
                await abort(context, refusal)
            with self._let_in():
                async for response in behaviour(_Requests(requests, method, self._limits), context):
                    yield response

        return call

    def _answering(self, method: str, behaviour: Any) -> Any:
        async def call(request: Any, context: Any) -> Any:
            refusal = _malformed(method) if request is _MALFORMED else self._refusal()
            if refusal is not None:
                await abort(context, refusal)
            with self._let_in():
                return await behaviour(request, context)

        return call

    def _refusal(self) -> LinkError | None:
        """Return why no call is let in now, if so."""
        if self._closed:
            return ServiceError("the service is about to stop and takes no calls: call another, or wait for its start")
        if self._open >= self._limits.calls:
            return LimitError(f"the service is busy with {self._open} calls; try again later", BUSY_RETRY_S)
        return None

    @contextlib.contextmanager
    def _let_in(self) -> Iterator[None]:
        self._open += 1
        self._empty.clear()
        try:
            yield
        finally:
            self._open -= 1
            if not self._open:
                self._empty.set()

    def _beside(self, behaviour: Any) -> Any:
        """Return a call of health or reflection, one of at most ``MAX_SIDE_CALLS``."""

        async def call(requests: Any, context: Any) -> Any:
            if self._side_calls >= MAX_SIDE_CALLS:
                await abort(context, LimitError("too many streams of health or reflection; close some", BUSY_RETRY_S))
            self._side_calls += 1
            try:
                if inspect.isasyncgenfunction(behaviour):
                    async for response in behaviour(requests, context):
                        await context.write(response)
                else:
                    await behaviour(requests, context)
            finally:
                self._side_calls -= 1

        return call


class _Requests:
    """The requests of one call. Waits for each of them only so long."""

    def __init__(self, requests: AsyncIterator[Any], method: str, limits: ServiceLimits) -> None:
        self._requests, self._method, self._limits = requests, method, limits
        self._wait_s = limits.first_message_s

    def __aiter__(self) -> _Requests:
        return self

    async def __anext__(self) -> Any:
        """Return the next request.

        Raises:
            DeadlineError: none came in time.
            InputError: it is not a message of this method.
        """
        try:
            async with asyncio.timeout(self._wait_s):
                request = await anext(self._requests, _END)
        except TimeoutError:
            raise DeadlineError(
                f"no message came for {self._wait_s:g} s: send the first one at once, and end the call after the last"
            ) from None
        if request is _END:
            raise StopAsyncIteration
        if request is _MALFORMED:
            raise _malformed(self._method)
        self._wait_s = self._limits.idle_s
        return request


def _tolerant(deserialise: Any) -> Any:
    """Return a function that gives a mark instead of an error for bytes that are no message: gRPC would log each."""

    def read(data: bytes) -> Any:
        try:
            return deserialise(data)
        except DecodeError:
            return _MALFORMED

    return read


def _malformed(method: str) -> InputError:
    _log.warning(f"{method}: a request was not a message of this method")
    return InputError(f"the request is not a message of {method}: use the files in proto/ of this version")
