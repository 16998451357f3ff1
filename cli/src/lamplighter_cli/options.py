"""What `lamplighter up` is asked for, and what is wrong with that."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from lamplighter_cli.address import Address


class Policy(StrEnum):
    """Who may watch whom."""

    OPEN = "open"
    RULES = "rules"


class Xcap(StrEnum):
    """Where privacy documents come from."""

    NONE = "none"
    INTEGRATED = "integrated"
    CLIENT = "client"


class Store(StrEnum):
    """What a 2xx means."""

    WRITE_THROUGH = "write-through"
    WRITE_BEHIND = "write-behind"
    DATABASE = "database"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of `lamplighter up`; an empty `nats` or `postgres` means the embedded one."""

    sip: Address
    http: Address
    data: Path
    policy: Policy = Policy.OPEN
    xcap: Xcap = Xcap.NONE
    xcap_roots: tuple[str, ...] = ()
    store: Store = Store.WRITE_THROUGH
    edges: int = 1
    cores: int = 1
    notifiers: int = 1
    nats: str = ""
    postgres: str = ""


def problems(options: Options) -> Iterator[str]:
    """Yield a line for each choice that does not fit the others."""
    if options.policy is Policy.RULES and options.xcap is Xcap.NONE:
        yield "--policy rules needs --xcap integrated or --xcap client: somebody has to bring the rules"
    if options.xcap is Xcap.CLIENT and not options.xcap_roots:
        yield "--xcap client needs --xcap-root"
    if options.xcap is not Xcap.CLIENT and options.xcap_roots:
        yield f"--xcap-root needs --xcap client, not {options.xcap}"
    yield from (f"--xcap-root {url!r} is {fault}" for url in options.xcap_roots if (fault := _fault_of(url)))


def _fault_of(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "no URL"
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        return "no http or https URL"
    return "a URL with a comma, which settings cannot hold" if "," in url else ""
