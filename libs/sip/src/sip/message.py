"""Messages (RFC 3261 §7): the one module to import for reading and writing them."""

from sip.building import build_request, build_response, stamp_received
from sip.model import DEFAULT_LIMITS, Limits, Request, Response
from sip.parsing import parse, response_head

__all__ = [
    "DEFAULT_LIMITS",
    "Limits",
    "Request",
    "Response",
    "build_request",
    "build_response",
    "parse",
    "response_head",
    "stamp_received",
]
