"""REGISTER as a command (RFC 3261 §10.3)."""

import re

from lamplighter_proto import Binding, Register
from sip.fields import parse_delta_seconds, parse_name_addr
from sip.grammar import unquote
from sip.message import Request
from sip_edge.arrival import Arrival
from sip_edge.reading import expires_of, name_addr
from sip_edge.refusals import NotFound
from sip_edge.targets import Target, Targets

EVERY = "*"
QVALUE = re.compile(r"0(\.\d{0,3})?|1(\.0{0,3})?")


def to_command(request: Request, arrival: Arrival, aor: Target) -> Register:
    """Return the command for the address-of-record `aor`, which `registered` finds."""
    contacts = request.headers.values("Contact")
    return Register(
        id=arrival.id,
        edge=arrival.edge,
        deadline=arrival.deadline,
        shard=aor.shard,
        transaction=arrival.transaction,
        aor=aor.aor,
        bindings=tuple(binding(contact) for contact in contacts if contact != EVERY),
        remove_all=EVERY in contacts,
        expires=expires_of(request),
    )


def registered(request: Request, targets: Targets) -> Target:
    """Return the address-of-record of To, judged; NotFound for a domain that is not served (RFC 3261 §10.3 step 5)."""
    target = targets.judge(name_addr(request, "To").uri)
    if not target.served:
        raise NotFound()
    return target


def binding(contact: str) -> Binding:
    """Return one Contact value as a binding."""
    parsed = parse_name_addr(contact)
    q = parsed.parameter("q") or ""
    instance = unquote(parsed.parameter("+sip.instance") or "")
    return Binding(
        contact=parsed.uri,
        expires=parse_delta_seconds(parsed.parameter("expires")),
        q=q if QVALUE.fullmatch(q) else "",
        instance="" if '"' in instance or "\\" in instance else instance,
    )
