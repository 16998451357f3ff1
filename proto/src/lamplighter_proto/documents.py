"""XCAP documents (RFC 4825): what cores and xcap-sync say to each other of them, and what the `xcap` table means.

The table is the interface: an XCAP server or xcap-sync writes it, cores read it. Its numbers are those of three
servers which do not agree; the operator says whose they are.
"""

from collections.abc import Mapping
from typing import Literal

from lamplighter_proto.contract import Message

PRES_RULES = "pres-rules"
RESOURCE_LISTS = "resource-lists"
RLS_SERVICES = "rls-services"
PIDF_MANIPULATION = "pidf-manipulation"
OMA_PRES_RULES = "org.openmobilealliance.pres-rules"
DIALOG_RULES = "org.openxcap.dialog-rules"

Dialect = Literal["opensips", "kamailio", "openxcap"]

_COMMON = {2: PRES_RULES, 4: RESOURCE_LISTS, 8: RLS_SERVICES, 16: PIDF_MANIPULATION}
USAGES: Mapping[Dialect, Mapping[int, str]] = {
    "opensips": _COMMON | {32: OMA_PRES_RULES},
    "kamailio": _COMMON,
    "openxcap": _COMMON | {32: OMA_PRES_RULES, 128: DIALOG_RULES},
}
"""Application usages by `xcap.doc_type`. Kamailio has OMA's presence rules under 2, others under 32 and 128."""

SOURCE_INTEGRATED = 0
"""`xcap.source` of rows that an XCAP server wrote; their port is 0."""
SOURCE_CLIENT = 1
"""`xcap.source` of rows that xcap-sync fetched; their port is the server's."""


def doc_type(usage: str, dialect: Dialect) -> int | None:
    """Return the number of an application usage; None where the dialect has none for it."""
    if dialect == "kamailio" and usage == OMA_PRES_RULES:
        return 2
    return next((number for number, name in USAGES[dialect].items() if name == usage), None)


class Wanted(Message, frozen=True, tag="wanted"):
    """A core wants the documents of a presentity kept fresh, and waits for a Refresh once they are."""

    presentity: str


class Hint(Message, frozen=True, tag="hint"):
    """Somebody says that documents of a presentity have changed (a PUBLISH of xcap-diff, RFC 5874)."""

    presentity: str
    selectors: tuple[str, ...] = ()
    """Document URIs as they were given, whole or below the XCAP root."""


class Refresh(Message, frozen=True, tag="refresh"):
    """Documents in the `xcap` table may have changed: the core reads them again and decides anew.

    It is sent again until a Refreshed comes or the shard has another owner, who reads them anyway.
    """

    id: int
    xcap_sync: str
    """Instance that hears the confirmation."""
    shard: int
    """Negative: all shards of the core."""
    presentity: str
    """Canonical AOR; "" for everything that the core holds."""


class Refreshed(Message, frozen=True, tag="refreshed"):
    """A Refresh has taken effect."""

    id: int


XcapCommand = Wanted | Hint
