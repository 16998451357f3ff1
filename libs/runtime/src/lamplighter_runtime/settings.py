"""Settings of a service: one frozen class, read once from environment variables that carry its prefix.

Rule 1: the environment is an argument; nothing but `environment()` reads the process's own.
Rule 2: a variable with our prefix that no field claims stops the start, as does a value that does not fit.
Rule 3: error lines name the variable; a value, which may be a password, is theirs only if its validator says so.
Rule 4: the name of the machine or container is a variable like any other, `HOSTNAME`, which `environment()` adds.
"""

import json
import os
import re
import socket
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Annotated, ClassVar, Literal, Self, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import ErrorDetails

from lamplighter_proto.subjects import check_instance

LogLevel = Annotated[
    Literal["DEBUG", "INFO", "WARNING", "ERROR"],
    BeforeValidator(lambda value: value.upper() if isinstance(value, str) else value),
]
Instance = Annotated[
    str,
    Field(
        description="Name of this process on the bus, letters, digits, - and _, its own in its service; unset: "
        "the host name. An edge keeps its flows, and UDP watchers hear of changes, only if a restart keeps the name."
    ),
]
HttpPort = Annotated[int, Field(ge=0, le=65535, description="Port of the HTTP endpoint; 0 takes a free one.")]

HOSTNAME = "HOSTNAME"
_NAMELESS = "localhost"
_INSTANCE_LENGTH = 64

# Kubernetes adds these to every pod for each Service of the namespace, and ours bear the names of our prefixes.
_SERVICE_LINK = re.compile(
    r"SERVICE_(HOST|PORT)(_\w+)?=.*|PORT=(tcp|udp|sctp)://.*|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?=.*"
)


class SettingsError(Exception):
    """The environment does not make settings; `problems` holds one line for each variable at fault."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class EnvSettings(BaseModel):
    """Base of all settings: the variable of a field is the prefix and its name in capitals.

    A field of a sequence type is written with commas between its items, a mapping as JSON.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, hide_input_in_errors=True)
    env_prefix: ClassVar[str] = ""

    @classmethod
    def load(cls, environ: Mapping[str, str]) -> Self:
        """Return the settings that `environ` holds; SettingsError names every variable at fault."""
        given = {name: value for name, value in environ.items() if name.startswith(cls.env_prefix)}
        unknown = [name for name in given if cls._field(name) is None and not cls._is_service_link(name, given[name])]
        problems = [cls._unknown_line(name) for name in sorted(unknown)]
        values = {field: cls._split(field, given[name]) for name in given if (field := cls._field(name))}
        try:
            settings = cls.model_validate(values)
        except ValidationError as error:
            raise SettingsError([*problems, *map(cls._wrong_line, error.errors(include_input=False))]) from None
        if problems:
            raise SettingsError(problems)
        return settings

    @classmethod
    def variables(cls) -> Iterator[tuple[str, str]]:
        """Yield every variable with its description."""
        for field, info in cls.model_fields.items():
            yield cls._variable(field), info.description or ""

    @classmethod
    def _variable(cls, field: str) -> str:
        return f"{cls.env_prefix}{field.upper()}"

    @classmethod
    def _field(cls, variable: str) -> str | None:
        field = variable.removeprefix(cls.env_prefix).lower()
        return field if field in cls.model_fields and cls._variable(field) == variable else None

    @classmethod
    def _is_service_link(cls, variable: str, value: str) -> bool:
        return _SERVICE_LINK.fullmatch(f"{variable.removeprefix(cls.env_prefix)}={value}") is not None

    @classmethod
    def _split(cls, field: str, text: str) -> object:
        kind = cls.model_fields[field].annotation
        if get_origin(kind) in (tuple, list, set, frozenset):
            return [item.strip() for item in text.split(",") if item.strip()]
        if get_origin(kind) in (dict, Mapping):
            return _json(text)
        return text

    @classmethod
    def _unknown_line(cls, variable: str) -> str:
        close = get_close_matches(variable.upper(), [name for name, _ in cls.variables()], n=1, cutoff=0.8)
        return f"{variable}: unknown variable" + (f"; do you mean {close[0]}?" if close else "")

    @classmethod
    def _wrong_line(cls, error: ErrorDetails) -> str:
        variable = cls._variable(str(error["loc"][0])) if error["loc"] else f"{cls.env_prefix}*"
        return f"{variable}: {error['msg'].removeprefix('Value error, ')}"


class ServiceSettings(EnvSettings):
    """What every service is told; a subclass sets the prefix and the default of `http_port`.

    It does so with its type, `http_port: HttpPort = 8081`, which carries the description.
    """

    instance: Instance
    nats_url: str = Field(default="nats://127.0.0.1:4222", description="NATS servers, with commas between them.")
    nats_replicas: int = Field(
        default=0,
        ge=0,
        le=5,
        description="NATS servers that keep who owns what; 0: three of a cluster of three or more.",
    )
    lease_seconds: float = Field(default=2.0, ge=1, description="How long we count as alive without a sign of life.")
    shards: int = Field(default=64, ge=1, le=65536, description="Shards of the cluster, fixed when it is created.")
    http_host: str = Field(default="127.0.0.1", description="Address of the HTTP endpoint.")
    http_port: HttpPort
    http_url: str = Field(default="", description="Base URL that others reach it by; empty: made of host and port.")
    log_level: LogLevel = Field(default="INFO", description="DEBUG, INFO, WARNING or ERROR.")
    log_format: Literal["json", "text"] = Field(default="json", description="JSON lines, or text for people.")
    stop_seconds: float = Field(default=20.0, gt=0, description="How long stopping may take before it is cut short.")

    @classmethod
    def load(cls, environ: Mapping[str, str]) -> Self:
        """Return the settings that `environ` holds, named after its HOSTNAME if need be; SettingsError names faults."""
        name = instance_of(environ.get(HOSTNAME, _NAMELESS))
        return super().load({cls._variable("instance"): name} | dict(environ))

    @field_validator("instance")
    @classmethod
    def _instance_is_a_token(cls, value: str) -> str:
        return check_instance(value)


def instance_of(host: str) -> str:
    """Return the instance name of a host: what a subject token cannot hold, such as dots, becomes `-`."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", host)[:_INSTANCE_LENGTH] or _NAMELESS


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


def environment() -> Mapping[str, str]:
    """Return the environment of this process, and in HOSTNAME the name of its machine or container."""
    return dict(os.environ) | {HOSTNAME: socket.gethostname()}
