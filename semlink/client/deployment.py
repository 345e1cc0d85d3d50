"""Where and how the three services run: settings by environment variable, which ``.env`` files hold.

One file serves ``semlink up`` and ``docker compose``: its names are those that ``semlink serve`` reads, and the
environment goes before it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from semlink.client.addresses import SERVICE_NAMES
from semlink.client.local_services import TRACES_VARIABLE, RunSettings
from shared.errors import ConfigError, InputError
from shared.validation import checked, hint

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PREFIX: Final = "SEMLINK_"


def _device(name: str) -> str:
    """Return ``name`` if it is written as a device; whether there is one, the receiver finds when it needs it."""
    if not re.fullmatch(r"(cpu|cuda(:\d+)?)?", name):
        raise ValueError("there are cpu, cuda and cuda:N; empty: CUDA where there is one")
    return name


Port = Annotated[int, Field(ge=0, le=65535)]
Device = Annotated[str, AfterValidator(_device)]


class Deployment(BaseModel):
    """What ``semlink serve`` reads from the environment; each field's alias is the variable.

    Port 0 is any free one. Metrics are served only where a port is named.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: Annotated[str, Field(alias="SEMLINK_HOST")] = "127.0.0.1"
    sender_port: Annotated[Port, Field(alias="SEMLINK_SENDER_PORT")] = 50051
    channel_port: Annotated[Port, Field(alias="SEMLINK_CHANNEL_PORT")] = 50052
    receiver_port: Annotated[Port, Field(alias="SEMLINK_RECEIVER_PORT")] = 50053
    sender_metrics_port: Annotated[Port | None, Field(alias="SEMLINK_SENDER_METRICS_PORT")] = None
    channel_metrics_port: Annotated[Port | None, Field(alias="SEMLINK_CHANNEL_METRICS_PORT")] = None
    receiver_metrics_port: Annotated[Port | None, Field(alias="SEMLINK_RECEIVER_METRICS_PORT")] = None
    device: Annotated[Device, Field(alias="SEMLINK_DEVICE")] = ""
    judging: Annotated[bool, Field(alias="SEMLINK_JUDGE")] = False
    traces: Annotated[str, Field(alias=TRACES_VARIABLE)] = ""

    @model_validator(mode="after")
    def _ports_differ(self) -> Self:
        users: dict[int, str] = {}
        for variable, port in self._ports().items():
            if port and users.setdefault(port, variable) != variable:
                raise ValueError(f"{users[port]} and {variable} are both {port}: give each its own port")
        return self

    def run_settings(self) -> RunSettings:
        """Return what services are started with."""
        metrics = {name: getattr(self, f"{name}_metrics_port") for name in SERVICE_NAMES}
        return RunSettings(
            host=self.host,
            ports={name: getattr(self, f"{name}_port") for name in SERVICE_NAMES},
            metrics_ports={name: port for name, port in metrics.items() if port is not None},
            device=self.device,
            judging=self.judging,
            traces=self.traces,
        )

    def _ports(self) -> dict[str, int | None]:
        names = [f"{name}_{what}" for name in SERVICE_NAMES for what in ("port", "metrics_port")]
        return {str(type(self).model_fields[name].alias): getattr(self, name) for name in names}


VARIABLES: Final = tuple(str(field.alias) for field in Deployment.model_fields.values())

OTHER_VARIABLES: Final = (
    *("SEMLINK_PUBLISH", "SEMLINK_EXPERIMENT", "SEMLINK_INPUT", "SEMLINK_MEMORY", "SEMLINK_CPUS", "SEMLINK_TAG"),
    "SEMLINK_GPU_DEVICE",
    *("SEMLINK_SENDER", "SEMLINK_CHANNEL", "SEMLINK_RECEIVER", "SEMLINK_POCKET"),
)
"""What else starts with ``SEMLINK_``: read by compose, by clients, by the pocket decoder."""


def require_known(values: Mapping[str, str], path: Path) -> None:
    """Refuse the variables of the file ``path`` if one is named as ours are and is none of them: a typo.

    Raises:
        ConfigError: that is so.
    """
    known = (*VARIABLES, *OTHER_VARIABLES)
    unknown = next((name for name in values if name.startswith(PREFIX) and name not in known), None)
    if unknown is not None:
        raise ConfigError(f"{path}: unknown variable {unknown}; {hint(unknown, known)}")


def deployment_in(environment: Mapping[str, str], changes: Mapping[str, Any] | None = None) -> Deployment:
    """Return the deployment that ``environment`` describes; empty variables count as absent.

    ``changes`` (by variable; None for what stays) override it.

    Raises:
        ConfigError: a value outside its rule; the line names the variable.
    """
    values: dict[str, Any] = {name: environment[name] for name in VARIABLES if environment.get(name)}
    values |= {name: value for name, value in (changes or {}).items() if value is not None}
    return checked(Deployment, values)


def env_file(path: Path) -> dict[str, str]:
    """Return the variables of a ``.env`` file: ``NAME=value`` a line, ``#`` before comments, quotes around a value.

    Raises:
        InputError: the file cannot be read.
        ConfigError: a line that is none of these, with its number.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read {path}: {reason}; give an existing file of NAME=value lines") from error
    values: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.partition("=")
        name = name.strip()
        if not (equals and name.isidentifier()):
            raise ConfigError(f"{path}, line {number}: {text[:60]!r} is not NAME=value; put a # before a comment")
        values[name] = _unquoted(value.strip())
    return values


def _unquoted(value: str) -> str:
    """Return a value without the quotes around it, or without the comment after it."""
    if value[:1] in {"'", '"'} and value.find(value[0], 1) > 0:
        return value[1 : value.index(value[0], 1)]
    return "" if value.startswith("#") else value.partition(" #")[0].rstrip()
