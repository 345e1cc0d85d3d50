"""Puts code around the functions that answer gRPC calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import grpc

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_BUILDERS: Final = {
    "unary_unary": grpc.unary_unary_rpc_method_handler,
    "unary_stream": grpc.unary_stream_rpc_method_handler,
    "stream_stream": grpc.stream_stream_rpc_method_handler,
}


def wrap_handler(
    handler: Any, wrap: Mapping[str, Callable[[Any], Any]], read: Callable[[bytes], Any] | None = None
) -> Any:
    """Return the handler of a call whose function is the result of ``wrap[kind]`` for the one of ``handler``.

    The kinds of call are those of gRPC: ``unary_unary``, ``unary_stream`` and ``stream_stream``. A handler of a kind
    that is not in ``wrap`` is returned as it is. ``read`` parses a request; None: as before.
    """
    for kind, wrap_function in wrap.items():
        function = getattr(handler, kind)
        if function is not None:
            return _BUILDERS[kind](
                wrap_function(function),
                request_deserializer=read or handler.request_deserializer,
                response_serializer=handler.response_serializer,
            )
    return handler
