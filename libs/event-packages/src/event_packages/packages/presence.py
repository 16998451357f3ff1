"""The event package `presence` (RFC 3856)."""

from event_packages.base import EventPackage
from event_packages.documents import pidf

PACKAGE = EventPackage(
    name="presence",
    content_types=(pidf.CONTENT_TYPE,),
    parse=pidf.parse,
    compose=pidf.compose,
    hard_state="pidf-manipulation",
    rules=("pres-rules", "org.openmobilealliance.pres-rules"),
)
