"""Settings of presence-core: variables `PRESENCE_CORE_*`."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from event_packages.rules.decision import Handling
from lamplighter_proto.documents import Dialect
from lamplighter_runtime.settings import HttpPort, ServiceSettings
from presence_core.domain.authorization import Policy
from presence_core.domain.delivery import Patience
from presence_core.domain.lifetime import Bounds
from presence_core.domain.presentity import Limits


class Settings(ServiceSettings):
    """What an operator may set."""

    env_prefix: ClassVar[str] = "PRESENCE_CORE_"
    http_port: HttpPort = 8080
    postgres_dsn: str = Field(
        default="postgresql:///lamplighter", description="PostgreSQL, as a libpq URL or key=value pairs."
    )
    postgres_timeout_seconds: float = Field(default=5.0, gt=0, description="After this a query counts as failed.")
    migrate: bool = Field(
        default=True,
        description="Bring the database up to date at the start; false: wait for `python -m presence_core migrate`.",
    )
    migrate_wait_seconds: float = Field(default=60.0, ge=0, description="How long that command waits for PostgreSQL.")
    policy: Literal["open", "rules"] = Field(
        default="open", description="open: everybody may watch everybody. rules: whom XCAP documents allow."
    )
    xcap: Literal["none", "integrated", "client"] = Field(
        default="none", description="Who writes the table xcap: nobody, an XCAP server, or xcap-sync."
    )
    xcap_dialect: Dialect = Field(default="opensips", description="Whose numbers xcap.doc_type holds.")
    store: Literal["write-through", "write-behind", "database"] = Field(
        default="write-through",
        description="A 2xx means: committed; or: in memory, committed with the next period; database: committed, and "
        "each presentity is read from the database and locked there whenever it is used.",
    )
    database_connections: int = Field(default=8, ge=1, description="store=database: transactions at a time.")
    write_behind_seconds: float = Field(
        default=5.0, gt=0, description="Period of store=write-behind: what a crash loses."
    )
    write_behind_rows: int = Field(default=10_000, ge=1, description="Rows that are saved before the period is over.")
    domains: tuple[str, ...] = Field(default=(), description="Domains we are responsible for; empty: all.")

    open_events: tuple[str, ...] = Field(
        default=(), description="With policy=rules: packages that everybody may watch all the same."
    )
    unmatched_watchers: Literal["confirm", "block"] = Field(
        default="confirm", description="With policy=rules: what happens to watchers that no rule knows."
    )
    waiting_days: int = Field(default=3, ge=1, description="How long a watcher waits for a decision when it is gone.")
    rules_limit_bytes: int = Field(default=262_144, ge=1, description="Larger XCAP documents count as unreadable.")
    fetch_wait_seconds: float = Field(
        default=2.0, ge=0, description="xcap=client: how long a first SUBSCRIBE waits for documents to be fetched."
    )
    partial_state_events: tuple[str, ...] = Field(
        default=(), description="Packages whose changes are told by partial documents; winfo always is."
    )
    single_state_events: tuple[str, ...] = Field(
        default=(), description="Packages of which watchers get one thing only, such as one dialog."
    )
    presence_from_dialog_domains: tuple[str, ...] = Field(
        default=(), description="Domains whose users' presence says that they are on the phone; * for all."
    )

    publication_expires_min_seconds: int = Field(default=60, ge=1, description="Shorter publications get 423.")
    publication_expires_max_seconds: int = Field(default=3600, ge=1, description="Longer ones are cut to this.")
    publication_expires_default_seconds: int = Field(default=3600, ge=1, description="Without an Expires header.")
    subscription_expires_min_seconds: int = Field(default=60, ge=1, le=3600, description="Shorter ones get 423.")
    subscription_expires_max_seconds: int = Field(default=3600, ge=1, description="Longer ones are cut to this.")
    subscription_expires_default_seconds: int = Field(default=3600, ge=1, description="Without an Expires header.")
    registration_expires_min_seconds: int = Field(default=60, ge=1, description="Shorter registrations get 423.")
    registration_expires_max_seconds: int = Field(default=3600, ge=1, description="Longer ones are cut to this.")
    registration_expires_default_seconds: int = Field(default=3600, ge=1, description="Without any expires.")

    body_limit_bytes: int = Field(default=65_536, ge=1, description="Larger bodies of PUBLISH get 413.")
    document_limit_bytes: int = Field(
        default=900_000,
        ge=1,
        description="Larger documents are not told: less than NATS' max_payload, 1 MiB by default.",
    )
    publications_per_presentity: int = Field(default=32, ge=1, description="Further ones get 403.")
    subscriptions_per_presentity: int = Field(default=100_000, ge=1, description="Further ones get 403.")
    subscriptions_per_watcher: int = Field(
        default=5_000, ge=1, description="Of one watcher in one shard; further ones get 403."
    )
    bindings_per_user: int = Field(default=32, ge=1, description="Further bindings of REGISTER get 403.")
    pending_changes: int = Field(default=20_000, ge=1, description="Rows that may wait for the commit; then 503.")
    waiting_commands: int = Field(default=5_000, ge=1, description="Commands that may wait for a shard; then 503.")
    retry_after_seconds: int = Field(default=2, ge=1, description="Retry-After of a 503.")

    notify_tries: int = Field(default=4, ge=1, description="NOTIFYs in a row that may fail (408, 480, 5xx, ...).")
    notify_spacing_seconds: float = Field(default=5.0, gt=0, description="Until the second try; then doubling.")
    notify_spacing_max_seconds: float = Field(default=300.0, gt=0, description="Longest time between two tries.")
    notifier_silence_seconds: float = Field(
        default=3.0, gt=1, description="Without word of a NOTIFY for so long its notifier counts as dead."
    )
    notifies_per_presentity: int = Field(
        default=1_000,
        ge=10,
        description="So many NOTIFYs about a change are under way at a time; other watchers of it wait for their turn.",
    )
    progress_seconds: float = Field(default=5.0, gt=0, description="How often confirmed states are saved.")

    @model_validator(mode="after")
    def _rules_come_from_somewhere(self) -> Self:
        if self.policy == "rules" and self.xcap == "none":
            raise ValueError("policy=rules needs xcap=integrated or xcap=client")
        return self

    @property
    def watching(self) -> Policy:
        """Return who may watch whom."""
        return Policy(
            rules=self.policy == "rules",
            open_events=frozenset(self.open_events),
            unmatched=Handling.BLOCK if self.unmatched_watchers == "block" else Handling.CONFIRM,
            single_events=frozenset(self.single_state_events),
        )

    @property
    def publications(self) -> Limits:
        """Return what publishers are granted."""
        bounds = Bounds(
            least=self.publication_expires_min_seconds,
            most=self.publication_expires_max_seconds,
            default=self.publication_expires_default_seconds,
        )
        return Limits(bounds=bounds, body_bytes=self.body_limit_bytes, publications=self.publications_per_presentity)

    @property
    def subscriptions(self) -> Bounds:
        """Return the lifetimes of subscriptions."""
        return Bounds(
            least=self.subscription_expires_min_seconds,
            most=self.subscription_expires_max_seconds,
            default=self.subscription_expires_default_seconds,
        )

    @property
    def registrations(self) -> Bounds:
        """Return the lifetimes of bindings."""
        return Bounds(
            least=self.registration_expires_min_seconds,
            most=self.registration_expires_max_seconds,
            default=self.registration_expires_default_seconds,
        )

    @property
    def patience(self) -> Patience:
        """Return how long a watcher that does not answer well is tried."""
        return Patience(
            tries=self.notify_tries, spacing=self.notify_spacing_seconds, longest=self.notify_spacing_max_seconds
        )
