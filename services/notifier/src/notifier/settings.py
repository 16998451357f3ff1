"""What the notifier is told, by variables that begin with NOTIFIER_."""

from typing import ClassVar, Self

from pydantic import Field, model_validator

from lamplighter_runtime.settings import HttpPort, ServiceSettings
from notifier.domain.deliveries import Limits
from sip.transaction import Timers


class Settings(ServiceSettings):
    """Settings of the notifier."""

    env_prefix: ClassVar[str] = "NOTIFIER_"

    http_port: HttpPort = 8082
    transactions_max: int = Field(default=50_000, ge=1, description="Unanswered NOTIFYs; further ones get 503.")
    transactions_max_bytes: int = Field(
        default=256 * 1024 * 1024, ge=65_536, description="Bytes of unanswered NOTIFYs; further ones get 503."
    )
    overload_retry_seconds: int = Field(default=5, ge=1, description="Retry-After of that 503.")
    still_trying_seconds: float = Field(
        default=1.0, gt=0, lt=3, description="How often the core hears of a NOTIFY without an answer."
    )
    dialog_heads_max: int = Field(default=20_000, ge=1, description="Dialogs whose header lines are kept prepared.")
    edge_failover: bool = Field(
        default=False,
        description="Send NOTIFYs over UDP by another edge while theirs is dead; many NATs and firewalls let nothing "
        "pass from an address that the watcher has not sent to.",
    )
    sweep_seconds: float = Field(default=0.05, gt=0, le=0.1, description="How often timers are looked at.")
    drain_seconds: float = Field(default=5.0, ge=0, description="How long stopping waits for unanswered NOTIFYs.")
    timer_t1_seconds: float = Field(default=0.5, gt=0, description="RFC 3261 T1: first retransmission over UDP.")
    timer_t2_seconds: float = Field(default=4.0, gt=0, description="RFC 3261 T2: longest time between two.")
    timer_t4_seconds: float = Field(default=5.0, gt=0, description="RFC 3261 T4: life of a message in the network.")

    @model_validator(mode="after")
    def _drain_within_stop(self) -> Self:
        if self.drain_seconds >= self.stop_seconds:
            raise ValueError("drain_seconds must be shorter than stop_seconds")
        return self

    @property
    def edge_grace_seconds(self) -> float:
        """Return how long an edge that is not seen may still be there: the living renew in a third of a lease."""
        return self.lease_seconds / 2

    @property
    def standstill_seconds(self) -> float:
        """Return after how long a standstill a core may have given us up: its patience is three such reports."""
        return 1.5 * self.still_trying_seconds

    @property
    def limits(self) -> Limits:
        """Return what open transactions may take."""
        return Limits(
            transactions=self.transactions_max,
            transaction_bytes=self.transactions_max_bytes,
            retry_after=self.overload_retry_seconds,
            still_trying=self.still_trying_seconds,
        )

    @property
    def timers(self) -> Timers:
        """Return the timers of RFC 3261 §17.1.2.2."""
        return Timers(t1=self.timer_t1_seconds, t2=self.timer_t2_seconds, t4=self.timer_t4_seconds)
