"""Addresses of services: where one listens, and where a client reaches it."""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from typing import Final

from shared.errors import ConfigError
from shared.printable import printable

UNIX_SCHEMES: Final = ("unix:", "unix-abstract:")
GRPC_SCHEMES: Final = (*UNIX_SCHEMES, "dns:", "ipv4:", "ipv6:")
MAX_PORT: Final = 65535
HOST_RULE: Final = "give a host without its port, as 127.0.0.1, ::1 or unix:/run/semlink.sock"

_HOST_AND_PORT = re.compile(r"([^\s:/\[\]]+|\[[0-9a-fA-F:.%\w]+\]):(\d{1,5})")
_HOST_NAME = re.compile(r"[^\s:/\[\]]+")


def require_address(service: str, address: str) -> None:
    """Check that ``address`` is ``host:port`` or has a scheme of gRPC. gRPC would accept a URL and never connect.

    Raises:
        ConfigError: ``address`` is neither.
    """
    if address.startswith(GRPC_SCHEMES):
        return
    found = _HOST_AND_PORT.fullmatch(address)
    if found is None or printable(address) != address or not 0 < int(found[2]) <= MAX_PORT:
        raise ConfigError(f"{address!r} is not an address of {service}: give HOST:PORT, as 127.0.0.1:50051")


@dataclass(frozen=True, slots=True)
class Host:
    """An address to listen on, without the port.

    ``name`` is a host name, an IPv4 address, an IPv6 address without brackets, or ``unix:PATH``.
    """

    name: str

    @property
    def is_unix(self) -> bool:
        """Whether it is a Unix socket, which has no port."""
        return self.name.startswith(UNIX_SCHEMES)

    def with_port(self, port: int) -> str:
        """Return ``host:port``, an IPv6 address in brackets; the name alone if it is a Unix socket."""
        if self.is_unix:
            return self.name
        return f"[{self.name}]:{port}" if ":" in self.name else f"{self.name}:{port}"

    def is_taken(self) -> bool:
        """Whether a process listens on this Unix socket. gRPC would silently take it over."""
        scheme, _, path = self.name.partition(":")
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(f"\0{path}" if f"{scheme}:" == UNIX_SCHEMES[1] else path)
            except OSError:
                return False
        return True


def parse_host(text: str) -> Host:
    """Return the host of ``text``: a name, an IPv4 or IPv6 address, ``[IPv6]`` or ``unix:PATH``.

    Raises:
        ConfigError: it is none of these.
    """
    if text.startswith(UNIX_SCHEMES) and not text.endswith(":"):
        return Host(text)
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if _is_ip_v6(bare) or (bare == text and _HOST_NAME.fullmatch(text)):
        return Host(bare)
    raise ConfigError(f"{printable(text)!r} is not an address to listen on: {HOST_RULE}")


def split_port(text: str) -> tuple[str, int | None]:
    """Return host and port of ``host:port`` or ``[IPv6]:port``; other texts as they are, and None."""
    found = _HOST_AND_PORT.fullmatch(text)
    return (text, None) if found is None or text.startswith(GRPC_SCHEMES) else (found[1], int(found[2]))


def _is_ip_v6(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).version == 6
    except ValueError:
        return False
