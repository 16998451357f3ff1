"""What sip-edge is told, by variables that begin with SIP_EDGE_."""

from collections.abc import Iterable
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, Field, model_validator

from lamplighter_runtime.settings import HttpPort, ServiceSettings
from sip_edge.addresses import check_advertised, is_wildcard, read_address
from sip_edge.sources import read_networks


def _addresses(texts: tuple[str, ...]) -> tuple[str, ...]:
    for text in texts:
        read_address(text)
    return texts


def _advertised(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(check_advertised, texts))


def _networks(texts: tuple[str, ...]) -> tuple[str, ...]:
    read_networks(texts)
    return texts


def _lower(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name.lower() for name in names)


Addresses = Annotated[tuple[str, ...], AfterValidator(_addresses)]
Advertised = Annotated[tuple[str, ...], AfterValidator(_advertised)]
Networks = Annotated[tuple[str, ...], AfterValidator(_networks)]
Domains = Annotated[tuple[str, ...], AfterValidator(_lower)]


class Settings(ServiceSettings):
    """Settings of sip-edge."""

    env_prefix: ClassVar[str] = "SIP_EDGE_"

    http_port: HttpPort = 8081
    listen: Addresses = Field(
        default=("127.0.0.1:5060",),
        min_length=1,
        description="Addresses for SIP over UDP and TCP, `host:port` with commas between; port 0 takes a free one.",
    )
    advertise: Advertised = Field(
        default=(),
        description="`host:port` by which clients reach us, as Via and Contact say, one for each listen address or one "
        "for all; empty: those. The host may be a name; port 0 is the listening one.",
    )
    domains: Domains = Field(default=(), description="Domains that are served; empty: every one.")
    registrar: bool = Field(default=False, description="Answer REGISTER.")
    answer_timeout_seconds: float = Field(default=5.0, gt=0, description="How long a request waits for the core.")
    repeat_seconds: float = Field(default=1.0, gt=0, description="Silence after which a command is sent once more.")
    retry_after_seconds: int = Field(default=5, ge=1, description="Retry-After of every 503.")
    max_pending: int = Field(default=20_000, ge=1, description="Requests that may wait for the core at a time.")
    max_pending_per_name: int = Field(
        default=1_000, ge=1, description="Of these, requests about one presentity, or by one watcher; then 503."
    )
    max_pending_per_core: int = Field(
        default=1_500,
        ge=1,
        description="Of these, requests that one core has: with more, clients repeat before they are answered; 503.",
    )
    source_requests_per_second: float = Field(
        default=2_000.0,
        ge=0,
        description="Requests of one IPv4 address or IPv6 /64; beyond: 503 for a tenth as many, else nothing; 0: off.",
    )
    source_burst_requests: int = Field(default=4_000, ge=1, description="Requests that a source may send at once.")
    trusted: Networks = Field(
        default=("127.0.0.0/8", "::1/128"),
        description="Addresses and networks that no rate limits, such as proxies before us, with commas between.",
    )
    max_transactions: int = Field(default=200_000, ge=1, description="Server transactions kept at a time.")
    max_message_bytes: int = Field(default=65_535, ge=1024, description="Largest SIP message.")
    max_headers: int = Field(default=200, ge=16, description="Most header fields of a message.")
    max_header_bytes: int = Field(default=16_384, ge=512, description="Longest head of a message.")
    max_body_bytes: int = Field(default=65_535, ge=0, description="Longest body of a message.")
    max_connections: int = Field(default=10_000, ge=0, description="TCP connections at a time.")
    max_connections_per_source: int = Field(
        default=2_000, ge=1, description="Of these, from one IPv4 address or IPv6 /64 that is not trusted."
    )
    max_unsent_bytes: int = Field(
        default=4 * 1024 * 1024, ge=1024, description="Bytes a TCP peer may leave unread before it is cut off."
    )
    tcp_idle_seconds: float = Field(
        default=3900.0, gt=0, description="Silence after which a TCP connection is closed; over an hour suits watchers."
    )
    tcp_partial_seconds: float = Field(default=30.0, gt=0, description="Time a TCP peer has to complete a message.")
    connect_timeout_seconds: float = Field(default=5.0, gt=0, description="Time for opening a TCP connection.")
    max_connects: int = Field(default=100, ge=1, description="TCP connections being opened at a time.")
    max_connect_queue: int = Field(default=64, ge=1, description="NOTIFYs that wait for one connection to open.")
    drain_seconds: float = Field(default=6.0, ge=0, description="How long stopping waits for answers of the core.")

    @model_validator(mode="after")
    def _advertise_fits_listen(self) -> Self:
        if len(self.advertise) not in (0, 1, len(self.listen)):
            raise ValueError("advertise: give none, one, or one for each listen address")
        if not self.advertise and any(is_wildcard(read_address(text)[0]) for text in self.listen):
            raise ValueError("advertise: needed when listen names every address of the machine")
        return self

    @model_validator(mode="after")
    def _drain_fits_stop(self) -> Self:
        if self.drain_seconds >= self.stop_seconds:
            raise ValueError("drain_seconds: must be below stop_seconds")
        return self
