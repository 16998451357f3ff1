"""Responses of the edge (RFC 3261 §8.2.6): what it says itself, and what SIP needs around an answer of the core."""

from collections.abc import Iterable
from email.utils import formatdate
from zlib import crc32

from lamplighter_proto import Answer
from sip.message import Request, build_response
from sip_edge.refusals import Headers, Refusal


def date(now: float) -> str:
    """Return the value of a Date header for epoch seconds (RFC 3261 §20.17)."""
    return formatdate(now, usegmt=True)


def to_tag(key: str) -> str:
    """Return a To tag that is the same for the same transaction (RFC 3261 §8.2.7), and no tag of a dialog."""
    checksum = crc32(key.encode("utf-8", "surrogateescape"))
    return f"{checksum:08x}"


def stateless(head: Request, status: int, reason: str) -> bytes:
    """Return the response to what could be read only in part."""
    return build_response(head, status, reason, to_tag=to_tag(head.headers.get("Via") or ""))


def refused(request: Request, refusal: Refusal, key: str) -> bytes:
    """Return the response to a request that the edge refuses."""
    return build_response(request, refusal.status, refusal.reason, refusal.headers(), to_tag=to_tag(key))


def accepted(request: Request, headers: Headers, key: str) -> bytes:
    """Return the 200 to a request that the edge answers itself."""
    return build_response(request, 200, "OK", headers, to_tag=to_tag(key))


def answered(request: Request, answer: Answer, key: str, contact: str, now: str) -> bytes:
    """Return the response that carries an answer of the core; `now` is the Date."""
    headers: Iterable[tuple[str, str]] = answer.headers
    if 200 <= answer.status < 300:
        headers = [*answer.headers, ("Date", now)]
        if request.method == "SUBSCRIBE":
            headers += dialog_headers(request, contact)
    return build_response(request, answer.status, answer.reason, headers, to_tag=answer.to_tag or to_tag(key))


def dialog_headers(request: Request, contact: str) -> list[tuple[str, str]]:
    """Return what makes a 2xx the beginning of a dialog: Record-Route as it came, our Contact (RFC 3261 §12.1.1)."""
    routes = [("Record-Route", value) for value in request.headers.all("Record-Route")]
    return [*routes, ("Contact", contact)]
