"""What a NOTIFY and a 2xx to SUBSCRIBE must be like, said by those who take them (RFC 6665 §4.1.3, RFC 3261 §8.1.1)."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sip.errors import SipError
from sip.fields import CSeq, SubscriptionState, Via, parse_name_addr
from sip.message import Request, Response

from . import documents

if TYPE_CHECKING:
    from .watch import Watch

ONCE = (
    "From",
    "To",
    "Call-ID",
    "CSeq",
    "Event",
    "Subscription-State",
    "Contact",
    "Max-Forwards",
    "Content-Length",
)
TYPES = {
    "presence": documents.PIDF_TYPE,
    "presence.winfo": "application/watcherinfo+xml",
    "dialog": "application/dialog-info+xml",
    "message-summary": "application/simple-message-summary",
}
REASONS = ("deactivated", "probation", "rejected", "timeout", "giveup", "noresource", "invariant")


def faults_of_notify(request: Request, watch: "Watch") -> list[str]:
    """Return what is wrong with a new NOTIFY of this dialog."""
    try:
        found = [*_fields(request), *_dialog(request, watch), *_order(request, watch), *_entity(request, watch)]
    except (SipError, ValueError, SyntaxError) as error:
        found = [f"unreadable: {error!r}"]
    return [f"NOTIFY {request.headers.get('CSeq')}: {fault}" for fault in found]


def faults_of_accepted(response: Response) -> list[str]:
    """Return what is wrong with a 2xx to SUBSCRIBE (RFC 6665 §4.2.1.1)."""
    headers = response.headers
    found = [] if response.status == 200 else [f"{response.status} to SUBSCRIBE"]
    if not (headers.get("Expires") or "").isdigit():
        found.append("2xx to SUBSCRIBE without Expires")
    if "Contact" not in headers:
        found.append("2xx to SUBSCRIBE without Contact")
    if not parse_name_addr(headers.get("To") or "").tag:
        found.append("2xx to SUBSCRIBE without a To tag")
    return found


def _fields(request: Request) -> Iterator[str]:
    for name in ONCE:
        if len(request.headers.all(name)) != 1:
            yield f"{len(request.headers.all(name))} of {name}"
    vias = request.headers.values("Via")
    if len(vias) != 1 or not Via.parse(vias[0]).branch.startswith("z9hG4bK"):
        yield f"Via {vias}"
    if CSeq.parse(request.headers.get("CSeq") or "").method != "NOTIFY":
        yield "CSeq of another method"
    yield from _state(SubscriptionState.parse(request.headers.get("Subscription-State") or ""))


def _state(state: SubscriptionState) -> Iterator[str]:
    if state.state in ("active", "pending"):
        if state.expires is None:
            yield f"{state.state} without expires"
    elif state.state != "terminated":
        yield f"Subscription-State {state.state}"
    elif state.reason and state.reason not in REASONS:
        yield f"reason {state.reason}"


def _dialog(request: Request, watch: "Watch") -> Iterator[str]:
    source = parse_name_addr(request.headers.get("From") or "")
    if not source.tag or (watch.remote_tag and source.tag != watch.remote_tag):
        yield f"From tag {source.tag}, in the 2xx {watch.remote_tag}"
    if source.uri != watch.presentity:
        yield f"From {source.uri}, subscribed to {watch.presentity}"
    if parse_name_addr(request.headers.get("To") or "").uri != watch.party.aor:
        yield f"To {request.headers.get('To')}, we are {watch.party.aor}"
    if request.headers.get("Event") != watch.event:
        yield f"Event {request.headers.get('Event')}, asked for {watch.event}"
    if request.uri != watch.contact:
        yield f"Request-URI {request.uri}, our Contact is {watch.contact}"


def _order(request: Request, watch: "Watch") -> Iterator[str]:
    if not watch.notifications:
        return
    last = watch.last
    number = CSeq.parse(request.headers.get("CSeq") or "").number
    if number <= last.cseq:
        yield f"CSeq {number} after {last.cseq}"
    if last.state.state == "terminated":
        yield "told after terminated"
    branches = {Via.parse(one.request.headers.values("Via")[0]).branch for one in watch.notifications}
    if Via.parse(request.headers.values("Via")[0]).branch in branches:
        yield "branch of an earlier NOTIFY"


def _entity(request: Request, watch: "Watch") -> Iterator[str]:
    kind = request.headers.get("Content-Type")
    if (kind is None) != (not request.body):
        yield f"Content-Type {kind} with {len(request.body)} bytes"
    state = SubscriptionState.parse(request.headers.get("Subscription-State") or "").state
    if request.body and state == "pending":
        yield f"pending with a body: {request.body!r}"
    package = watch.event.partition(";")[0]
    if not request.body or package not in TYPES:
        return
    if kind != TYPES[package]:
        yield f"Content-Type {kind}"
    if package == "presence":
        yield from documents.faults(request.body, watch.presentity)
