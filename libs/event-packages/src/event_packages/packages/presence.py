"""The event package `presence` (RFC 3856)."""

from event_packages.base import EventPackage
from event_packages.documents import pidf
from event_packages.documents.pidf_phone import on_the_phone
from event_packages.documents.pidf_view import removed, see

PACKAGE = EventPackage(
    name="presence",
    content_types=(pidf.CONTENT_TYPE,),
    parse=pidf.parse,
    compose=pidf.compose,
    see=see,
    removed=removed,
    sources={"dialog": on_the_phone},
    sphere=pidf.sphere,
    hard_state="pidf-manipulation",
    rules=("pres-rules", "org.openmobilealliance.pres-rules"),
)
