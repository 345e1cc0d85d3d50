"""Where and how the three services run: settings from environment variables and from a ``.env`` file.

``semlink up`` and ``docker compose`` read the same file. Its variables are those that ``semlink serve`` reads from the
environment, and the environment takes precedence over the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from semlink.client.addresses import SERVICE_NAMES
from semlink.client.local_services import TRACES_VARIABLE, RunSettings
from shared.address import HOST_RULE, parse_host
from shared.devices import check_device_name
from shared.errors import ConfigError, InputError, SetupError
from shared.rpc.connect import PROXY_VARIABLE
from shared.rpc.limits import DEFAULT_LIMITS, ServiceLimits
from shared.validation import hint, validate

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PREFIX: Final = "SEMLINK_"


def _check_device(name: str) -> str:
    """Return ``name`` if it is the name of a device; the receiver checks later whether the device exists."""
    try:
        check_device_name(name)
    except SetupError:
        raise ValueError("give cpu, cuda, cuda:N or mps; leave it empty for cuda if there is one, else cpu") from None
    return name


def _check_host(text: str) -> str:
    """Return ``text`` if a service can listen there."""
    try:
        parse_host(text)
    except ConfigError:
        raise ValueError(HOST_RULE) from None
    return text


Port = Annotated[int, Field(ge=0, le=65535)]
Device = Annotated[str, AfterValidator(_check_device)]


class Deployment(BaseModel):
    """What ``semlink serve`` reads from the environment; the alias of a field is its variable.

    Port 0 is any free port. A service without a metrics port serves no metrics.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: Annotated[str, AfterValidator(_check_host), Field(alias="SEMLINK_HOST")] = "127.0.0.1"
    sender_port: Annotated[Port, Field(alias="SEMLINK_SENDER_PORT")] = 50051
    channel_port: Annotated[Port, Field(alias="SEMLINK_CHANNEL_PORT")] = 50052
    receiver_port: Annotated[Port, Field(alias="SEMLINK_RECEIVER_PORT")] = 50053
    sender_metrics_port: Annotated[Port | None, Field(alias="SEMLINK_SENDER_METRICS_PORT")] = None
    channel_metrics_port: Annotated[Port | None, Field(alias="SEMLINK_CHANNEL_METRICS_PORT")] = None
    receiver_metrics_port: Annotated[Port | None, Field(alias="SEMLINK_RECEIVER_METRICS_PORT")] = None
    device: Annotated[Device, Field(alias="SEMLINK_DEVICE")] = ""
    perceptual: Annotated[bool, Field(alias="SEMLINK_PERCEPTUAL")] = False
    traces: Annotated[str, Field(alias=TRACES_VARIABLE)] = ""
    calls: Annotated[int, Field(alias="SEMLINK_CALLS", ge=1, le=65536)] = DEFAULT_LIMITS.calls
    memory_mib: Annotated[int, Field(alias="SEMLINK_CALLS_MEMORY_MIB", ge=64)] = DEFAULT_LIMITS.memory_bytes >> 20
    first_message_s: Annotated[float, Field(alias="SEMLINK_FIRST_MESSAGE_S", gt=0)] = DEFAULT_LIMITS.first_message_s
    idle_s: Annotated[float, Field(alias="SEMLINK_IDLE_S", gt=0)] = DEFAULT_LIMITS.idle_s
    grace_s: Annotated[int, Field(alias="SEMLINK_GRACE_S", ge=0, le=3600)] = int(DEFAULT_LIMITS.grace_s)

    @model_validator(mode="after")
    def _ports_differ(self) -> Self:
        users: dict[int, str] = {}
        for variable, port in self._ports().items():
            if port and users.setdefault(port, variable) != variable:
                raise ValueError(f"{users[port]} and {variable} are both {port}: give each its own port")
        return self

    def run_settings(self) -> RunSettings:
        """Return the settings with which services start."""
        metrics = {name: getattr(self, f"{name}_metrics_port") for name in SERVICE_NAMES}
        return RunSettings(
            host=self.host,
            ports={name: getattr(self, f"{name}_port") for name in SERVICE_NAMES},
            metrics_ports={name: port for name, port in metrics.items() if port is not None},
            device=self.device,
            perceptual=self.perceptual,
            traces=self.traces,
            limits=self.limits(),
        )

    def limits(self) -> ServiceLimits:
        """Return the limits of each service."""
        memory_bytes = self.memory_mib << 20
        return ServiceLimits(self.calls, memory_bytes, self.first_message_s, self.idle_s, self.grace_s)

    def _ports(self) -> dict[str, int | None]:
        names = [f"{name}_{what}" for name in SERVICE_NAMES for what in ("port", "metrics_port")]
        return {str(type(self).model_fields[name].alias): getattr(self, name) for name in names}


VARIABLES: Final = tuple(str(field.alias) for field in Deployment.model_fields.values())

OTHER_VARIABLES: Final = (
    *("SEMLINK_PUBLISH", "SEMLINK_EXPERIMENT", "SEMLINK_INPUT", "SEMLINK_MEMORY", "SEMLINK_CPUS", "SEMLINK_TAG"),
    *("SEMLINK_GPU_DEVICE", "SEMLINK_MODEL", "SEMLINK_MODEL_MEMORY", "SEMLINK_PROFILES"),
    *("SEMLINK_SENDER", "SEMLINK_CHANNEL", "SEMLINK_RECEIVER", "SEMLINK_POCKET", PROXY_VARIABLE),
)
"""Further variables that start with ``SEMLINK_``: docker compose, clients, decoders and model profiles read them."""


def require_known(values: Mapping[str, str], path: Path) -> None:
    """Check that each variable of the file ``path`` that starts with ``SEMLINK_`` is one of ours.

    Raises:
        ConfigError: one is not; most likely a typo.
    """
    known = (*VARIABLES, *OTHER_VARIABLES)
    unknown = next((name for name in values if name.startswith(PREFIX) and name not in known), None)
    if unknown is not None:
        raise ConfigError(f"{path}: unknown variable {unknown}; {hint(unknown, known)}")


def read_deployment(environment: Mapping[str, str], options: Mapping[str, Any] | None = None) -> Deployment:
    """Return the deployment that ``environment`` describes; an empty variable counts as not set.

    ``options`` holds values by variable that take precedence; None for an option that was not given.

    Raises:
        ConfigError: a value outside its rule; the message names the variable.
    """
    values: dict[str, Any] = {name: environment[name] for name in VARIABLES if environment.get(name)}
    values |= {name: value for name, value in (options or {}).items() if value is not None}
    return validate(Deployment, values)


def read_env_file(path: Path) -> dict[str, str]:
    """Return the variables of a ``.env`` file: one ``NAME=value`` a line, comments after ``#``, values may be quoted.

    Raises:
        InputError: the file cannot be read.
        ConfigError: a line is neither a variable nor a comment; the message has its number.
    """
    # pydantic-settings reads such files by python-dotenv, which passes over lines that it cannot read.
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
        values[name] = _unquote(value.strip())
    return values


def _unquote(value: str) -> str:
    """Return ``value`` without the quotes around it, or without the comment after it."""
    if value[:1] in {"'", '"'} and value.find(value[0], 1) > 0:
        return value[1 : value.index(value[0], 1)]
    return "" if value.startswith("#") else value.partition(" #")[0].rstrip()
