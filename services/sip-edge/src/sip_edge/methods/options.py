"""OPTIONS, answered by the edge itself (RFC 3261 §11.2)."""

from sip_edge.checks import Manners
from sip_edge.refusals import Headers


def headers(manners: Manners) -> Headers:
    """Return what a 200 says about us; which bodies are understood is for the event packages to say."""
    return (
        ("Allow", manners.allow),
        ("Accept", "*/*"),
        ("Accept-Encoding", "identity"),
        ("Accept-Language", "en"),
        ("Supported", ""),
    )
