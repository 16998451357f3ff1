"""REGISTER as a command (RFC 3261 §10.3)."""

import re

from lamplighter_proto import Binding, Register
from sip.errors import ParseError
from sip.fields import parse_delta_seconds, parse_name_addr
from sip.grammar import unquote
from sip.message import Request
from sip_edge.methods.arrival import Arrival, aor_of, expires_of, name_addr
from sip_edge.refusals import BadRequest
from sip_edge.targets import Target

EVERY = "*"
QVALUE = re.compile(r"0(\.\d{0,3})?|1(\.0{0,3})?")


def to_command(request: Request, arrival: Arrival, registered: Target) -> Register:
    """Return the command; `registered` is the address-of-record in To, judged."""
    contacts = request.headers.values("Contact") if "Contact" in request.headers else []
    return Register(
        id=arrival.id,
        edge=arrival.edge,
        shard=registered.shard,
        transaction=arrival.transaction,
        aor=registered.aor,
        bindings=tuple(binding(contact) for contact in contacts if contact != EVERY),
        remove_all=EVERY in contacts,
        expires=expires_of(request),
    )


def registered_uri(request: Request) -> str:
    """Return the address-of-record of To (RFC 3261 §10.3 step 5)."""
    uri = name_addr(request, "To").uri
    return aor_of(uri, "To")


def binding(contact: str) -> Binding:
    """Return one Contact value as a binding; BadRequest when it cannot be read."""
    try:
        parsed = parse_name_addr(contact)
    except ParseError as error:
        raise BadRequest("Bad Contact") from error
    q = parsed.parameter("q") or ""
    instance = unquote(parsed.parameter("+sip.instance") or "")
    return Binding(
        contact=parsed.uri,
        expires=parse_delta_seconds(parsed.parameter("expires")),
        q=q if QVALUE.fullmatch(q) else "",
        instance="" if '"' in instance or "\\" in instance else instance,
    )
