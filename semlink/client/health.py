"""Asking a service whether it serves, by gRPC's health protocol."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from shared.errors import ServiceError
from shared.rpc.connect import connect, require_address
from shared.rpc.status import link_error_from_rpc


def probe_service(address: str, timeout_s: float) -> None:
    """Return if the service at ``address`` serves.

    Raises:
        ConfigError: that is no address.
        ServiceError: it cannot be reached, or says that it does not serve.
    """
    asyncio.run(check_serving(address, timeout_s))


async def check_serving(address: str, timeout_s: float) -> None:
    """Return if the service at ``address`` serves.

    Raises:
        ServiceError: as ``probe_service``.
    """
    require_address("a service", address)
    what = f"the service at {address}"
    async with grpc.aio.insecure_channel(address) as channel:
        await connect(channel, what, timeout_s)
        try:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            reply = await stub.Check(health_pb2.HealthCheckRequest(), timeout=timeout_s)
        except grpc.aio.AioRpcError as error:
            raise link_error_from_rpc(error, service=what) from error
    status = health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status)
    if reply.status != health_pb2.HealthCheckResponse.SERVING:
        raise ServiceError(f"{what} says {status}: it is about to stop; wait for its successor or look at its log")
