"""Whether a service serves, by gRPC's health protocol."""

from __future__ import annotations

from typing import Any

import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from shared.errors import ServiceError
from shared.rpc.connect import connect, open_channel
from shared.rpc.status import link_error_from_rpc


async def check_serving(address: str, timeout_s: float) -> None:
    """Return if the service at ``address`` serves.

    Raises:
        ConfigError: ``address`` is not an address.
        ServiceError: the service cannot be reached, or does not serve.
    """
    service = f"the service at {address}"
    async with open_channel("a service", address) as channel:
        await connect(channel, service, timeout_s)
        try:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            reply = await stub.Check(health_pb2.HealthCheckRequest(), timeout=timeout_s)
        except grpc.aio.AioRpcError as error:
            raise link_error_from_rpc(error, service=service) from error
    if reply.status != health_pb2.HealthCheckResponse.SERVING:
        status = health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status)
        raise ServiceError(f"{service} reports {status}: it is about to stop; look at its log, or start another")
