"""What xcap-sync is told, by variables that begin with XCAP_SYNC_."""

from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field, SecretStr, model_validator

from lamplighter_proto.documents import OMA_PRES_RULES, PIDF_MANIPULATION, PRES_RULES, RESOURCE_LISTS, Dialect
from lamplighter_runtime.settings import HttpPort, ServiceSettings
from xcap_sync.client import Access, Auth
from xcap_sync.domain.addresses import Addresses, root_of, usages_of
from xcap_sync.domain.watchlist import Pace


class Settings(ServiceSettings):
    """Settings of xcap-sync."""

    env_prefix: ClassVar[str] = "XCAP_SYNC_"

    http_port: HttpPort = 8083
    mode: Literal["none", "integrated", "client"] = Field(
        default="none",
        description="none: no XCAP; integrated: an XCAP server writes our database; client: we fetch over HTTP.",
    )
    postgres_dsn: str = Field(
        default="postgresql:///lamplighter", description="PostgreSQL, as a libpq URL or key=value pairs."
    )
    postgres_timeout_seconds: float = Field(default=5.0, gt=0, description="After this a query counts as failed.")
    mi_token: SecretStr = Field(
        default=SecretStr(""), description="What callers of /mi and /RPC2 show as a Bearer token; empty: nothing."
    )
    refresh_patience_seconds: float = Field(
        default=60.0, gt=0, description="How long a core may leave word of a change unconfirmed."
    )

    roots: tuple[str, ...] = Field(default=(), description="XCAP roots, http:// or https:// URLs.")
    usages: tuple[str, ...] = Field(
        default=(PRES_RULES, PIDF_MANIPULATION, RESOURCE_LISTS, OMA_PRES_RULES),
        description="Application usages that are fetched.",
    )
    dialect: Dialect = Field(default="opensips", description="Whose numbers `xcap.doc_type` has.")
    filename: str = Field(default="index", min_length=1, description="Name of a user's document.")
    xui: str = Field(default="sip:{user}@{domain}", description="A user in document URIs.")
    auth: Auth = Field(default="none", description="none, basic or digest.")
    username: str = Field(default="", description="For basic and digest.")
    password: SecretStr = Field(default=SecretStr(""), description="For basic and digest.")
    ca_file: Path | None = Field(default=None, description="Certificates that https servers are verified with.")
    fetch_timeout_seconds: float = Field(default=5.0, gt=0, description="After this a GET counts as failed.")
    document_limit_bytes: int = Field(default=256 * 1024, ge=1, description="Larger documents are not taken.")
    concurrency: int = Field(default=16, ge=1, le=1000, description="GETs at a time.")
    user_limit: int = Field(default=100_000, ge=1, description="Users whose documents are fetched.")
    query_period_seconds: float = Field(
        default=100.0, ge=0, description="How often a wanted user's documents are looked at; 0: only when asked for."
    )
    forget_seconds: int = Field(
        default=86_400, ge=1, description="Users that no core wanted for so long are forgotten."
    )
    backoff_seconds: float = Field(default=2.0, gt=0, description="Until what failed is tried again; then doubling.")
    backoff_max_seconds: float = Field(default=300.0, gt=0, description="Longest time between two tries.")

    @model_validator(mode="after")
    def _client_has_what_it_needs(self) -> Self:
        if self.mode == "client":
            if not self.roots or not self.usages:
                raise ValueError("mode client needs roots and usages")
            self.addresses  # noqa: B018  # says what is wrong
            if self.auth != "none" and not self.username:
                raise ValueError(f"{self.auth} needs a username")
            if self.ca_file is not None and not self.ca_file.is_file():
                raise ValueError("ca_file is not there")
        return self

    @property
    def addresses(self) -> Addresses:
        """Return where documents are; WrongAddress (a ValueError) when they can be nowhere."""
        return Addresses(
            roots=[root_of(url) for url in self.roots],
            usages=usages_of(self.usages, self.dialect),
            xui=self.xui,
            filename=self.filename,
        )

    @property
    def access(self) -> Access:
        """Return how to speak to XCAP servers."""
        return Access(
            auth=self.auth,
            username=self.username,
            password=self.password.get_secret_value(),
            ca_file=self.ca_file,
            timeout=self.fetch_timeout_seconds,
            limit=self.document_limit_bytes,
            concurrency=self.concurrency,
        )

    @property
    def pace(self) -> Pace:
        """Return how often users are looked at."""
        return Pace(period=self.query_period_seconds)
